package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

func TestWindow(t *testing.T) {
	content := make([]byte, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	w := newWindow(iotest.HalfReader(bytes.NewReader(content)), int64(len(content)), sum(content))
	w.kept = make([]byte, 100_000) // no multiple of what is read at a time
	read := func(off, n int64) ([]byte, error) {
		p := make([]byte, n)
		_, err := w.ReadAt(p, off)
		return p, err
	}
	// On, back as far as it goes, and on again over a gap.
	for _, r := range []struct{ off, n int64 }{{0, 10}, {10, 90_000}, {5, 20}, {90_000, 50_000}, {66_000, 70_000}, {500_000, 1000}, {1<<20 - 5, 5}, {1<<20 - 100_000, 100_000}} {
		if got, err := read(r.off, r.n); err != nil || !bytes.Equal(got, content[r.off:r.off+r.n]) {
			t.Errorf("%d bytes at %d: %v", r.n, r.off, err)
		}
	}
	if err := w.readAll(); err != nil {
		t.Error(err)
	}
	if _, err := read(1<<20-100_001, 1); err == nil || !strings.Contains(err.Error(), "cannot be rewound so far") {
		t.Errorf("too far back: %v", err)
	}
}

// TestWindowHoldsTheEndBack holds that of a stream that is another one the end is
// never given out.
func TestWindowHoldsTheEndBack(t *testing.T) {
	const announced = "0123456789"
	broken := errors.New("broken")
	tests := []struct {
		name   string
		stream io.Reader
		want   error // nil: the stream is the one
	}{
		{"the one", strings.NewReader(announced), nil},
		{"short", strings.NewReader(announced[:9]), ErrOtherStream},
		{"empty", strings.NewReader(""), ErrOtherStream},
		{"long", strings.NewReader(announced + "x"), ErrOtherStream},
		{"other", strings.NewReader("012345678x"), ErrOtherStream},
		{"broken", io.MultiReader(strings.NewReader(announced[:5]), iotest.ErrReader(broken)), broken},
		{"broken at the end", io.MultiReader(strings.NewReader(announced), iotest.ErrReader(broken)), broken},
	}
	for _, tt := range tests {
		w := newWindow(tt.stream, int64(len(announced)), sum([]byte(announced)))
		p := make([]byte, len(announced))
		n, err := w.ReadAt(p, 0)
		if !errors.Is(err, tt.want) || tt.want != nil && n != 0 {
			t.Errorf("%s: %d bytes, %v, want %v", tt.name, n, err, tt.want)
		}
		if err := w.readAll(); !errors.Is(err, tt.want) {
			t.Errorf("%s: readAll: %v, want %v", tt.name, err, tt.want)
		}
	}
	if err := newWindow(strings.NewReader("x"), 0, sum(nil)).readAll(); !errors.Is(err, ErrOtherStream) {
		t.Errorf("one byte for none: %v", err)
	}
	if err := newWindow(strings.NewReader(""), 0, sum(nil)).readAll(); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func putStream(t *testing.T, f *fake, stream string, o StreamOptions) result {
	t.Helper()
	o.Remote = dest + "/s"
	return namedRun(t, func(out *record.Writer) error { return PutStream(t.Context(), strings.NewReader(stream), out, f, o) })
}

func TestPutStreamUndo(t *testing.T) {
	const p = dest + "/s"
	known := []byte("known")
	o := StreamOptions{MD5: sum(known), Size: int64(len(known))}
	tests := []struct {
		name  string
		given func(f *fake)
		want  string // MD5 of what is at p afterwards; "" for nothing
	}{
		{"nothing was there", func(*fake) {}, ""},
		{"something was there", func(f *fake) {
			f.known[sum([]byte("old"))] = true
			f.files[p] = &stored{content: jfs.Content{MD5: sum([]byte("old")), Size: 3}, complete: true}
		}, sum([]byte("old"))},
		{"the announced was there", func(f *fake) {
			f.files[p] = &stored{content: jfs.Content{MD5: sum(known), Size: 5}, complete: true}
		}, sum(known)},
	}
	for _, tt := range tests {
		f := newFake()
		f.known[sum(known)] = true
		tt.given(f)
		res := putStream(t, f, "knowm", o)
		got := ""
		if s := f.files[p]; s != nil {
			got = s.content.MD5
		}
		if res.err != ErrOtherStream || res.records[0].Status != record.StatusFailed || got != tt.want {
			t.Errorf("%s: %q is there, want %q; %v, %s", tt.name, got, tt.want, res.err, res.records[0].Status)
		}
	}
	// What cannot be taken back is said.
	f := newFake()
	f.known[sum(known)] = true
	f.before = func(op string, p jfs.Path) error {
		if op == "dl" {
			return answer(p, record.ClassServer, 503)
		}
		return nil
	}
	if res := putStream(t, f, "knowm", o); !strings.Contains(res.records[0].Error.Message, "taking it back failed") {
		t.Errorf("%v", res.records[0].Error)
	}
}

// TestPutStreamTooFarBack breaks a connection after more than the window was
// read, and has the service keep nothing of it.
func TestPutStreamTooFarBack(t *testing.T) {
	f := newFake()
	content := strings.Repeat("0123456789abcdef", (windowSize+1<<20)/16)
	f.accept = func(p jfs.Path) (int64, error) {
		return windowSize + 1<<19, &jfs.Error{Op: "upload", Path: p, Class: record.ClassNetwork, Message: "broken", Retry: true}
	}
	forgetful := &forgetful{f}
	res := namedRun(t, func(out *record.Writer) error {
		return PutStream(t.Context(), strings.NewReader(content), out, forgetful, StreamOptions{Remote: dest + "/s", MD5: sum([]byte(content)), Size: int64(len(content))})
	})
	if !errors.Is(res.err, jfs.ErrNetwork) { // which gives the exit code
		t.Errorf("%v, %+v", res.err, res.records[0].Error)
	}
	if e := res.records[0].Error; e == nil || !strings.Contains(e.Message, "run the command again with the same --md5 and --size") {
		t.Errorf("%v", e)
	}
}

// forgetful is a service that keeps nothing of an upload that breaks off.
type forgetful struct{ *fake }

func (f *forgetful) Upload(ctx context.Context, a *jfs.Allocation, body io.Reader) error {
	err := f.fake.Upload(ctx, a, body)
	if err != nil {
		f.mu.Lock()
		f.files[a.Path].data = nil
		f.mu.Unlock()
	}
	return err
}
