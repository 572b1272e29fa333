package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// bigContent is content of n bytes, no two KiB of which are the same.
func bigContent(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%01024d", i)
	}
	return b.String()[:n]
}

func shelveBig(size int, names ...string) *shelf {
	s := shelve(names...)
	for i, name := range names {
		s.files[jfs.Path(dest).Join(name)] = bigContent(size + i)
	}
	return s
}

// TestDownloadInRanges: a large file comes as several requests, each of them no
// longer than it must be; a file that is not so large, or the only connection, as
// one.
func TestDownloadInRanges(t *testing.T) {
	for _, test := range []struct{ size, jobs, opened, most int }{
		{rangesFrom, 6, 1, 1},
		{rangesFrom + 1, 6, rangesFrom/leastRange + 1, fileLines},
		{rangesFrom + leastRange, 2, rangesFrom/leastRange + 2, 2},
		{rangesFrom + 1, 1, 1, 1},
	} {
		s, dir := shelveBig(test.size, "big"), t.TempDir()
		got, err := download(t, s.listing("big"), s, dir, DownloadOptions{Jobs: test.jobs})
		if err != nil || got["big"].Status != record.StatusDone || got["big"].Transfer.Sent != int64(test.size) {
			t.Fatalf("%+v: %+v, %v", test, got["big"], err)
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "big")); string(b) != s.files[jfs.Path(dest).Join("big")] {
			t.Errorf("%+v: the content differs", test)
		}
		if len(s.opened) != test.opened || s.most > test.most || s.connections != 0 {
			t.Errorf("%d bytes, %d jobs: %d requests, %d at once, %d left open; want %d, at most %d, 0", test.size, test.jobs, len(s.opened), s.most, s.connections, test.opened, test.most)
		}
	}
}

// TestDownloadKeepsToItsJobs: however many files are large, there are never more
// connections than jobs.
func TestDownloadKeepsToItsJobs(t *testing.T) {
	names := []string{"a", "b", "c"}
	for jobs := 1; jobs <= 3; jobs++ {
		s, dir := shelveBig(rangesFrom+1, names...), t.TempDir()
		got, err := download(t, s.listing(names...), s, dir, DownloadOptions{Jobs: jobs})
		if err != nil || len(got) != len(names) {
			t.Fatalf("%d records, %v", len(got), err)
		}
		if s.most > jobs || s.connections != 0 {
			t.Errorf("%d jobs had %d connections, and left %d", jobs, s.most, s.connections)
		}
	}
}

// TestRangesGoOnWhereTheyBroke: what a broken connection has brought is not fetched
// again.
func TestRangesGoOnWhereTheyBroke(t *testing.T) {
	s, dir := shelveBig(rangesFrom+5_000_000, "big"), t.TempDir()
	s.cut = 700_001
	got, err := download(t, s.listing("big"), s, dir, DownloadOptions{Jobs: 3})
	if err != nil || got["big"].Status != record.StatusDone || got["big"].Transfer.Sent != got["big"].Size {
		t.Fatalf("%+v, %v", got["big"], err)
	}
}

// TestRangesThatAreDamaged: all is fetched once more, and no second time.
func TestRangesThatAreDamaged(t *testing.T) {
	s, dir := shelveBig(rangesFrom+1, "once", "ever"), t.TempDir()
	other := strings.Repeat("x", rangesFrom+2)
	s.open = func(p jfs.Path, n int) string {
		if n == 3 || p.Name() == "ever" {
			return other
		}
		return ""
	}
	got, err := download(t, s.listing("ever", "once"), s, dir, DownloadOptions{Jobs: 3})
	if err != nil {
		t.Fatal(err)
	}
	if r := got["once"]; r.Status != record.StatusDone || r.Transfer.Sent != 2*(rangesFrom+1) {
		t.Errorf("once damaged: %+v", r)
	}
	if r := got["ever"]; r.Error == nil || r.Error.Class != record.ClassCorrupt {
		t.Errorf("damaged for ever: %+v", r)
	}
	if got := filesIn(t, dir); got != "once" {
		t.Errorf("there is %s", got)
	}
}

// TestRangesOfTheNewestRevision: a service that has only older ones by number is
// asked about that once for each connection at most.
func TestRangesOfTheNewestRevision(t *testing.T) {
	s := &unnumbered{shelf: shelveBig(rangesFrom+1, "big")}
	var b bytes.Buffer
	f := &fetch{Receiver: NewReceiver(s, 3, nil), ctx: t.Context(), path: jfs.Path(dest).Join("big"), revision: 2, size: rangesFrom + 1,
		md5: sumOf(bigContent(rangesFrom + 1)), to: &b, sum: md5.New(), progress: func(int64) {}}
	if err := f.run(nil); err != nil || b.Len() != rangesFrom+1 {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	if s.asked > fileLines {
		t.Errorf("asked for the revision %d times", s.asked)
	}
}

// unnumbered has no revision by its number.
type unnumbered struct {
	*shelf
	asked int
}

func (u *unnumbered) OpenRevision(_ context.Context, p jfs.Path, _, _, _ int64) (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	return nil, &jfs.Error{Op: "download", Path: p, Class: record.ClassNotFound, Status: 404}
}

// TestRangesEndWithTheirContext: nothing is left behind, which goleak sees, too.
func TestRangesEndWithTheirContext(t *testing.T) {
	s := shelveBig(rangesFrom+1, "big")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("told to stop")
	err := NewReceiver(s, 3, nil).Fetch(ctx, jfs.Path(dest).Join("big"), writerFunc(func(p []byte) (int, error) {
		cancel(why)
		return 0, why
	}), func(int64) {})
	if !errors.Is(err, why) || s.connections != 0 {
		t.Errorf("error %v, %d connections are left", err, s.connections)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestPace: a request asks for what comes while an answer is waited for.
func TestPace(t *testing.T) {
	for _, test := range []struct {
		bytes         int64
		took, latency time.Duration
		want          int64
	}{
		{leastRange, 3 * time.Millisecond, 300 * time.Microsecond, leastRange}, // at once
		{leastRange, 50 * time.Millisecond, 30 * time.Millisecond, leastRange}, // a slow line
		{4 << 20, 20 * time.Millisecond, 30 * time.Millisecond, 6 << 20},
		{leastRange, time.Millisecond, time.Minute, mostRange},
		{leastRange, 0, time.Minute, mostRange},
	} {
		var p pace
		for range paceAnswers - 1 {
			p.learn(test.bytes, test.took, test.latency+time.Second)
		}
		if p.rangeSize() != leastRange {
			t.Errorf("%+v: drew a conclusion too early", test)
		}
		p.learn(test.bytes, test.took, test.latency)
		if got := p.rangeSize(); got < test.want*99/100 || got > test.want*101/100 {
			t.Errorf("%+v: asks for %d bytes", test, got)
		}
	}
}

// TestRangesThatAreRefused: the client has tried a request without an answer often
// enough; what came before it stays.
func TestRangesThatAreRefused(t *testing.T) {
	s := &refusing{shelf: shelveBig(rangesFrom+1, "big")}
	var b bytes.Buffer
	err := NewReceiver(s, 3, nil).Fetch(t.Context(), jfs.Path(dest).Join("big"), &b, func(int64) {})
	var e *jfs.Error
	if !errors.As(err, &e) || e.Class != record.ClassServer || b.Len() != leastRange || s.refused > fileLines {
		t.Errorf("%d bytes came, %d requests were refused, %v", b.Len(), s.refused, err)
	}
	if s.connections != 0 {
		t.Errorf("%d connections are left", s.connections)
	}
}

// refusing answers for the beginning of a file only.
type refusing struct {
	*shelf
	refused int
}

func (r *refusing) Open(ctx context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error) {
	if offset == 0 {
		return r.shelf.Open(ctx, p, offset, length)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
	return nil, &jfs.Error{Op: "download", Path: p, Class: record.ClassServer, Status: 503, Retry: true}
}

// TestRangesGrow: once much has come, a request asks for more.
func TestRangesGrow(t *testing.T) {
	for come, want := range map[int64]int64{0: leastRange, leastRange * rangeShare: leastRange, 100 << 20: (100 << 20) / rangeShare, 1 << 40: fullRange} {
		s := &refusing{shelf: shelveBig(1, "big")}
		f := &fetch{Receiver: NewReceiver(s, 1, nil), ctx: t.Context(), path: jfs.Path(dest).Join("big"), at: 5, size: 1 << 50}
		r := f.openRanges()
		r.next = r.start + come
		r.asked = nil
		r.ask()
		if got := r.asked[0].length; got != want {
			t.Errorf("after %d bytes it asks for %d, want %d", come, got, want)
		}
		r.Close()
	}
}
