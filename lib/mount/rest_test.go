//go:build linux

package mount

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
)

// counted is a service that counts the requests for content, and can refuse them.
type counted struct {
	*jfs.Client
	opened int
	broken bool
}

func (c *counted) OpenRevision(ctx context.Context, p jfs.Path, number, offset, length int64) (io.ReadCloser, error) {
	if c.broken {
		return nil, &jfs.Error{Op: "download", Path: p, Class: "network", Message: "broken on purpose"}
	}
	c.opened++
	return c.Client.OpenRevision(ctx, p, number, offset, length)
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// storeBig brings a file of the given content to the service, with nothing left here.
func storeBig(t *testing.T, client *jfs.Client, content []byte) {
	t.Helper()
	f, dir := openTestFS(t, client, t.TempDir(), 0)
	save(t, f, dir, "new", string(content))
	if err := f.rename(t.Context(), dir, "new", dir, "big", false); err != nil {
		t.Fatal(err)
	}
	f.uploads.drain(t.Context())
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// stored returns the MD5 of what the service has.
func stored(t *testing.T, client *jfs.Client) string {
	t.Helper()
	info, err := client.Stat(t.Context(), "/Jotta/Archive/big")
	if err != nil {
		t.Fatal(err)
	}
	return info.MD5
}

// storedBeside returns the MD5 of what was in the way of a file and got a name of its
// own.
func storedBeside(t *testing.T, client *jfs.Client, f *fileSystem, dir *entry, name string) string {
	t.Helper()
	f.tree.mu.Lock()
	p, beside := f.tree.path(dir), ""
	for _, e := range dir.children {
		if strings.HasPrefix(e.name, name+" (from the spool") {
			beside = e.name
		}
	}
	f.tree.mu.Unlock()
	info, err := client.Stat(t.Context(), p.Join(beside))
	if err != nil {
		t.Fatalf("beside %s: %v", name, err)
	}
	return info.MD5
}

func md5Of(b []byte) string { s := md5.Sum(b); return hex.EncodeToString(s[:]) }

func wholeAbove(t *testing.T, size int64) {
	old := fetchWhole
	fetchWhole = size
	t.Cleanup(func() { fetchWhole = old })
}

func openBig(t *testing.T, f *fileSystem, dir *entry) *handle {
	t.Helper()
	e, err := f.lookup(t.Context(), dir, "big")
	if err != nil || e == nil {
		t.Fatalf("look up: %v, %v", e, err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	return f.newHandle(e, true)
}

// restart opens what a crash would have left of a spool: what was under way is cut off,
// whether or not the service has carried it out.
func restart(t *testing.T, f *fileSystem, service Service) (*fileSystem, *entry) {
	t.Helper()
	var left *LeftError
	if err := f.close(); err != nil && !errors.As(err, &left) {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "spool"), os.DirFS(f.o.SpoolDir)); err != nil {
		t.Fatal(err)
	}
	// CopyFS keeps no times.
	filepath.Walk(f.o.SpoolDir, func(path string, fi os.FileInfo, err error) error {
		os.Chtimes(filepath.Join(dir, "spool", filepath.Base(path)), fi.ModTime(), fi.ModTime())
		return nil
	})
	return openTestFS(t, service, dir, time.Hour)
}

// TestRest changes a large file here and there: at any time it reads as if all of it
// was here, what was committed survives a crash, and what the service gets in the end
// is the whole.
func TestRest(t *testing.T) {
	wholeAbove(t, 100<<10)
	rng := rand.New(rand.NewPCG(3, 0))
	client := newService(t)
	shadow := randomBytes(rng, 1_000_003)
	storeBig(t, client, shadow)
	f, dir := openTestFS(t, client, t.TempDir(), time.Hour)
	h := openBig(t, f, dir)
	committed := bytes.Clone(shadow)
	crashes, uploads := 0, 0
	for step := range 1000 {
		switch n := rng.IntN(100); {
		case n < 45:
			offset, b := rng.IntN(1_100_000), randomBytes(rng, 1+rng.IntN(90_000))
			if n < 5 {
				offset = len(shadow) // append
			}
			if _, errno := h.Write(t.Context(), b, int64(offset)); errno != 0 {
				t.Fatalf("step %d: write: %v", step, errno)
			}
			if grown := offset + len(b) - len(shadow); grown > 0 {
				shadow = append(shadow, make([]byte, grown)...)
			}
			copy(shadow[offset:], b)
		case n < 80:
			offset, p := rng.IntN(1_100_000), make([]byte, 1+rng.IntN(90_000))
			got, err := f.readEntry(t.Context(), h, p, int64(offset))
			want := shadow[min(offset, len(shadow)):min(offset+len(p), len(shadow))]
			if err != nil && err != io.EOF || !bytes.Equal(p[:got], want) {
				t.Fatalf("step %d: read %d+%d: %d bytes, want %d; %v", step, offset, len(p), got, len(want), err)
			}
		case n < 86:
			size := rng.IntN(1_100_000)
			if err := f.truncate(t.Context(), h.entry, int64(size)); err != nil {
				t.Fatalf("step %d: truncate: %v", step, err)
			}
			shadow = append(shadow[:min(size, len(shadow))], make([]byte, max(size-len(shadow), 0))...)
			committed = bytes.Clone(shadow) // that was a whole life of a writer
		case n < 93:
			if errno := h.Flush(t.Context()); errno != 0 {
				t.Fatal(errno)
			}
			committed = bytes.Clone(shadow)
		case n < 97:
			crashes++
			same := bytes.Equal(committed, shadow)
			f, dir = restart(t, f, client)
			h = openBig(t, f, dir)
			p := make([]byte, 2_000_000)
			got, err := f.readEntry(t.Context(), h, p, 0)
			if err != nil && err != io.EOF || same && !bytes.Equal(p[:got], committed) {
				t.Fatalf("step %d: after a crash %d bytes, want %d; %v", step, got, len(committed), err)
			}
			shadow = bytes.Clone(p[:got])
			if errno := h.Flush(t.Context()); errno != 0 {
				t.Fatal(errno)
			}
			committed = bytes.Clone(shadow)
		default:
			uploads++
			if errno := h.Fsync(t.Context(), 0); errno != 0 {
				t.Fatalf("step %d: fsync: %v", step, errno)
			}
			if errno := h.Release(t.Context()); errno != 0 {
				t.Fatal(errno)
			}
			if got := stored(t, client); got != md5Of(shadow) {
				t.Fatalf("step %d: stored %s, want %s", step, got, md5Of(shadow))
			}
			committed = bytes.Clone(shadow)
			h = openBig(t, f, dir)
		}
	}
	t.Logf("%d crashes, %d uploads", crashes, uploads)
	h.Release(t.Context())
	f.uploads.drain(t.Context())
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// TestRestIsLeft: a small change of a large file costs little until it is sent, what
// cannot be had is an error, and nothing that is not whole is ever stored.
func TestRestIsLeft(t *testing.T) {
	wholeAbove(t, 100<<10)
	service := &counted{Client: newService(t)}
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	storeBig(t, service.Client, content)
	before := stored(t, service.Client)
	f, dir := openTestFS(t, service, t.TempDir(), time.Hour)
	h := openBig(t, f, dir)
	write := func(text string, offset int64) syscall.Errno {
		_, errno := h.Write(t.Context(), []byte(text), offset)
		return errno
	}
	if errno := write("appended", int64(len(content))); errno != 0 || service.opened != 0 {
		t.Errorf("append: %v, %d requests", errno, service.opened)
	}
	if errno := write("middle", 500_000); errno != 0 || service.opened != 1 {
		t.Errorf("change the middle: %v, %d requests", errno, service.opened)
	}
	service.broken = true
	if errno := write("x", 300_000); errno != syscall.EIO {
		t.Errorf("change what cannot be had: %v", errno)
	}
	p := make([]byte, 10)
	if _, errno := h.Read(t.Context(), p, 700_000); errno != syscall.EIO {
		t.Errorf("read what cannot be had: %v", errno)
	}
	if n, err := f.readEntry(t.Context(), h, p, 500_000); err != nil || string(p[:6]) != "middle" {
		t.Errorf("read what is here: %q, %v", p[:n], err)
	}
	if errno := h.Flush(t.Context()); errno != 0 {
		t.Errorf("close: %v", errno)
	}
	if errno := h.Fsync(t.Context(), 0); errno != syscall.EIO {
		t.Errorf("fsync: %v", errno)
	}
	if got := stored(t, service.Client); got != before {
		t.Errorf("stored %s, want what was there", got)
	}

	// The next mount goes on. If somebody else has replaced the file by then, the change
	// of what was there is kept beside it.
	storeBig(t, service.Client, []byte("somebody else's"))
	service.broken = false
	f, dir = restart(t, f, service)
	f.uploads.drain(t.Context())
	copy(content[500_000:], "middle")
	content = append(content, "appended"...)
	if got := stored(t, service.Client); got != md5Of([]byte("somebody else's")) {
		t.Errorf("stored %s over what somebody else has stored", got)
	}
	if got := storedBeside(t, service.Client, f, dir, "big"); got != md5Of(content) {
		t.Errorf("stored %s beside it, want %s", got, md5Of(content))
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}

// TestRestIsLost: when what a file was is not to be had any more, the change is kept
// and told of.
func TestRestIsLost(t *testing.T) {
	wholeAbove(t, 100<<10)
	client := newService(t)
	storeBig(t, client, bytes.Repeat([]byte("0123456789abcdef"), 1<<14))
	f, dir := openTestFS(t, client, t.TempDir(), time.Hour)
	h := openBig(t, f, dir)
	if _, errno := h.Write(t.Context(), []byte("x"), 1); errno != 0 {
		t.Fatal(errno)
	}
	h.Flush(t.Context())
	h.Release(t.Context())
	if err := client.Remove(t.Context(), "/Jotta/Archive/big"); err != nil {
		t.Fatal(err)
	}
	f, _ = restart(t, f, client)
	f.uploads.drain(t.Context())
	jobs := f.uploads.list()
	if len(jobs) != 1 || !jobs[0].failed || !strings.Contains(jobs[0].err.Error(), "not to be had") {
		t.Errorf("jobs: %+v", jobs)
	}
	var left *LeftError
	if err := f.close(); !errors.As(err, &left) {
		t.Errorf("at the end: %v", err)
	}
	if data, _ := filepath.Glob(f.o.SpoolDir + "/*.data"); len(data) != 1 {
		t.Errorf("in the spool: %q", data)
	}
}

// TestRestRuns holds the arithmetic of blocks against one byte at a time.
func TestRestRuns(t *testing.T) {
	const size = 5*chunks.BlockSize + 100
	rng := rand.New(rand.NewPCG(1, 0))
	for range 300 {
		r := newRest(nil, revision{size: size}, size)
		here := make([]bool, size+10)
		for b := range r.here {
			r.here[b] = rng.IntN(2) == 0
		}
		r.cut(rng.Int64N(size + 1))
		for i := range here {
			here[i] = int64(i) >= r.limit || r.here[i/chunks.BlockSize]
		}
		at := rng.Int64N(size)
		end := at
		for end < size && here[end] == here[at] {
			end++
		}
		if r.missing(at) == here[at] || min(r.run(at), size) != end {
			t.Fatalf("from %d on: missing %v up to %d, want %v up to %d (limit %d, %v)", at, r.missing(at), r.run(at), !here[at], end, r.limit, r.here)
		}
		if again, err := restOf(nil, r.note(), size); r.next(0) != nil && (err != nil || again.limit != r.limit || again.run(at) != r.run(at)) {
			t.Fatalf("through a note: %+v, %v; want %+v", again, err, r)
		}
	}
}
