package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// shelf is a service in memory that hands files out. It is safe for concurrent
// use.
type shelf struct {
	files map[jfs.Path]string

	mu     sync.Mutex
	opened []string                          // "path offset"
	open   func(path jfs.Path, n int) string // what the n-th opening of a file gives, in place of what it holds; "" for that
	cut    int                               // each body breaks off after so many bytes; 0: not
	opens  map[jfs.Path]int

	connections, most int // bodies that are open now, and the most that were
}

func (s *shelf) Customer(context.Context) (jfs.Customer, error) { return jfs.Customer{}, nil }

func (s *shelf) Stat(_ context.Context, p jfs.Path) (jfs.Info, error) {
	content, ok := s.files[p]
	if !ok {
		return jfs.Info{}, &jfs.Error{Op: "look at", Path: p, Class: record.ClassNotFound, Status: 404}
	}
	return jfs.Info{Entry: jfs.Entry{Kind: jfs.KindFile, Revision: jfs.Revision{Number: 2, State: record.StateCompleted, Size: int64(len(content)), MD5: sumOf(content)}}}, nil
}

func (s *shelf) Open(_ context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, fmt.Sprintf("%s %d", p.Name(), offset))
	if s.opens == nil {
		s.opens = map[jfs.Path]int{}
	}
	s.opens[p]++
	content, ok := s.files[p]
	if s.open != nil {
		if other := s.open(p, s.opens[p]); other != "" {
			content = other
		}
	}
	if !ok {
		return nil, &jfs.Error{Op: "download", Path: p, Class: record.ClassNotFound, Status: 404, Message: "not found"}
	}
	rest := content[min(int(offset), len(content)):]
	if length >= 0 {
		rest = rest[:min(int(length), len(rest))]
	}
	s.connections++
	s.most = max(s.most, s.connections)
	body := &shelfBody{Reader: strings.NewReader(rest), shelf: s}
	if s.cut > 0 && len(rest) > s.cut {
		body.Reader = io.MultiReader(strings.NewReader(rest[:s.cut]), broken{})
	}
	return body, nil
}

// shelfBody is content on its way from a shelf.
type shelfBody struct {
	io.Reader
	shelf *shelf
}

func (b *shelfBody) Close() error {
	b.shelf.mu.Lock()
	defer b.shelf.mu.Unlock()
	b.shelf.connections--
	return nil
}

func (s *shelf) OpenRevision(ctx context.Context, p jfs.Path, number, offset, length int64) (io.ReadCloser, error) {
	if number != 2 {
		return nil, &jfs.Error{Op: "download", Path: p, Class: record.ClassNotFound, Status: 404, Message: "not found"}
	}
	return s.Open(ctx, p, offset, length)
}

type broken struct{}

func (broken) Read([]byte) (int, error) {
	return 0, &jfs.Error{Op: "download", Class: record.ClassNetwork, Message: "the connection was closed", Retry: true}
}

func sumOf(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

// listing returns the stream that lists what the shelf holds, in the given order.
func (s *shelf) listing(names ...string) *record.Reader {
	var b bytes.Buffer
	w := record.NewWriter(&b, "jls")
	for _, name := range names {
		p := jfs.Path(dest).Join(name)
		w.Write(&record.Record{Kind: record.KindFile, Path: name, Size: int64(len(s.files[p])), MD5: sumOf(s.files[p]), MTime: time.Unix(1000, 0), State: record.StateCompleted, Remote: string(p)})
	}
	w.Close()
	return record.NewReader(&b)
}

func shelve(names ...string) *shelf {
	s := &shelf{files: map[jfs.Path]string{}}
	for _, name := range names {
		s.files[jfs.Path(dest).Join(name)] = strings.Repeat(name, 1000)
	}
	return s
}

func download(t *testing.T, in *record.Reader, s *shelf, dir string, o DownloadOptions) (map[string]*record.Record, error) {
	t.Helper()
	o.Jobs, o.firstPause, o.stuckAfter = max(o.Jobs, 1), time.Microsecond, 3
	var b bytes.Buffer
	w := record.NewWriter(&b, "jget")
	err := Download(t.Context(), in, w, s, dir, o)
	w.Close()
	all := map[string]*record.Record{}
	for r := range record.NewReader(&b).All() {
		all[r.Path] = r
	}
	return all, err
}

func filesIn(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	s, dir := shelve("a"), t.TempDir()
	s.cut = 400
	got, err := download(t, s.listing("a"), s, dir, DownloadOptions{})
	if err != nil || got["a"].Status != record.StatusDone || got["a"].Transfer.Sent != 1000 {
		t.Fatalf("%+v, %v", got["a"], err)
	}
	if want := "[a 0 a 400 a 800]"; fmt.Sprint(s.opened) != want {
		t.Errorf("opened %v, want %s", s.opened, want)
	}
}

// TestDownloadNeverNamesWhatIsWrong: damaged content is fetched once more, and if
// it is wrong again never gets the name.
func TestDownloadNeverNamesWhatIsWrong(t *testing.T) {
	wrong := strings.Repeat("x", 1000)
	s, dir := shelve("once", "twice"), t.TempDir()
	s.open = func(p jfs.Path, n int) string {
		if n == 1 || p.Name() == "twice" {
			return wrong
		}
		return ""
	}
	s.files[jfs.Path(dest).Join("once")], s.files[jfs.Path(dest).Join("twice")] = strings.Repeat("1", 1000), strings.Repeat("2", 1000)
	got, err := download(t, s.listing("once", "twice"), s, dir, DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := got["once"]; r.Status != record.StatusDone || r.Transfer.Sent != 2000 {
		t.Errorf("once damaged: %+v", r)
	}
	if r := got["twice"]; r.Error == nil || r.Error.Class != record.ClassCorrupt {
		t.Errorf("twice damaged: %+v", r)
	}
	if got := filesIn(t, dir); got != "once" {
		t.Errorf("there is %s", got)
	}
}

// TestDownloadOfWhatIsGone: what is not any more what was listed is told apart.
func TestDownloadOfWhatIsGone(t *testing.T) {
	s, dir := shelve("changed", "gone", "here", "longer", "shorter"), t.TempDir()
	in := s.listing("changed", "gone", "here", "longer", "shorter")
	delete(s.files, jfs.Path(dest).Join("gone"))
	s.files[jfs.Path(dest).Join("changed")] = strings.Repeat("CHANGED", 1000)
	s.files[jfs.Path(dest).Join("longer")] += "x"
	s.files[jfs.Path(dest).Join("shorter")] = "x"
	got, err := download(t, in, s, dir, DownloadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]record.Class{"changed": record.ClassChanging, "gone": record.ClassNotFound, "longer": record.ClassChanging, "shorter": record.ClassChanging} {
		if r := got[name]; r.Status != record.StatusFailed || r.Error == nil || r.Error.Class != want {
			t.Errorf("%s: %+v, want the class %s", name, r.Error, want)
		}
	}
	if got := filesIn(t, dir); got != "here" {
		t.Errorf("there is %s", got)
	}
}

func TestDownloadOfRevisions(t *testing.T) {
	s := shelve("a")
	p := jfs.Path(dest).Join("a")
	for number, want := range map[int64]record.Class{2: "", 1: record.ClassNotFound} {
		var b bytes.Buffer
		w := record.NewWriter(&b, "jls")
		w.Write(&record.Record{Kind: record.KindFile, Path: "a", Size: int64(len(s.files[p])), MD5: sumOf(s.files[p]), Revision: number, Remote: string(p)})
		w.Close()
		got, err := download(t, record.NewReader(&b), s, t.TempDir(), DownloadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r := got["a"]; (r.Error == nil) != (want == "") || r.Error != nil && (r.Error.Class != want || !strings.Contains(r.Error.Message, "does not keep revision 1")) {
			t.Errorf("revision %d: %+v, want %q", number, r.Error, want)
		}
	}
}

// TestDownloadStopsAtAnOutage: after some failures for trouble of the line the
// rest is not tried; what had come stays for the next time.
func TestDownloadStopsAtAnOutage(t *testing.T) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("f%02d", i))
	}
	s, dir := shelve(names...), t.TempDir()
	s.cut = 1
	in := s.listing(names...)
	stuck := &stuckShelf{s}
	var b bytes.Buffer
	w := record.NewWriter(&b, "jget")
	err := Download(t.Context(), in, w, stuck, dir, DownloadOptions{Jobs: 1, firstPause: time.Microsecond, stuckAfter: 2})
	w.Close()
	if err == nil || !strings.Contains(err.Error(), "17 entries were not tried") {
		t.Errorf("error %v, want an outage after three", err)
	}
	if n := strings.Count(filesIn(t, dir), ".part"); n != 3 {
		t.Errorf("%d parts are left, want 3: %s", n, filesIn(t, dir))
	}
}

// stuckShelf gives the first byte of a file and no more.
type stuckShelf struct{ *shelf }

func (s *stuckShelf) Open(ctx context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error) {
	if offset > 0 {
		return io.NopCloser(broken{}), nil
	}
	return s.shelf.Open(ctx, p, offset, length)
}

// TestDownloadHashesLargeFiles: those that are hashed beside the reading, resumed
// at odd places.
func TestDownloadHashesLargeFiles(t *testing.T) {
	s, dir := shelve("big"), t.TempDir()
	s.files[jfs.Path(dest).Join("big")] = strings.Repeat("0123456789abcdef", 300_000)
	s.cut = 1_700_001
	got, err := download(t, s.listing("big"), s, dir, DownloadOptions{})
	if err != nil || got["big"].Status != record.StatusDone {
		t.Fatalf("%+v, %v", got["big"], err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "big")); string(b) != s.files[jfs.Path(dest).Join("big")] {
		t.Error("the content differs")
	}
}

// TestDownloadWithMetadata: a link of the saved stream is made, and nothing is put
// through it.
func TestDownloadWithMetadata(t *testing.T) {
	s, dir := shelve("l/x", "m"), t.TempDir()
	in := s.listing("l/x", "m")
	meta := func() iter.Seq2[*record.Record, error] {
		return func(yield func(*record.Record, error) bool) {
			for _, r := range []*record.Record{
				{Kind: record.KindSymlink, Path: "a", Target: "m", MTime: time.Unix(5, 5)},
				{Kind: record.KindSymlink, Path: "l", Target: "/tmp"},
				{Kind: record.KindFile, Path: "m", MD5: sumOf(strings.Repeat("m", 1000)), Mode: "4750", MTime: time.Unix(1000, 77)},
				{Kind: record.KindSymlink, Path: "z", Target: "nowhere"},
			} {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	got, err := download(t, in, s, dir, DownloadOptions{Metadata: meta})
	if err != nil {
		t.Fatal(err)
	}
	if r := got["l/x"]; r.Error == nil || r.Error.Class != record.ClassKindConflict {
		t.Errorf("what lies behind a link: %+v", r)
	}
	info, err := os.Stat(filepath.Join(dir, "m"))
	if err != nil || info.Mode() != os.ModeSetuid|0o750 || !info.ModTime().Equal(time.Unix(1000, 77)) {
		t.Errorf("the file is %v of %v, %v", info.Mode(), info.ModTime(), err)
	}
	if got := filesIn(t, dir); got != "a l m z" {
		t.Errorf("there is %s", got)
	}
}
