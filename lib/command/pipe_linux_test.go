package command

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWiden(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	size := func() int {
		n, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	widen(r)
	if n := size(); n != pipeSize {
		t.Errorf("the pipe holds %d bytes, want %d", n, pipeSize)
	}
	const wide = 2 * pipeSize
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, wide); err != nil {
		t.Skip("a wider pipe is not allowed here: ", err)
	}
	widen(w)
	if n := size(); n != wide {
		t.Errorf("a wider pipe holds %d bytes now, want %d", n, wide)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	widen(f) // is no pipe
	f.Close()
	widen(f) // nor anything
}
