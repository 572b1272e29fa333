//go:build unix

package local

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"jottatools/lib/record"
)

func TestOpenRegularNeverBlocks(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, path := range []string{fifo, socket, "/dev/null"} {
		if _, _, err := OpenRegular(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("OpenRegular(%s) = %v, want ErrNotRegular", path, err)
		}
		if _, _, err := OpenContent(path, 0); !errors.Is(err, ErrNotRegular) {
			t.Errorf("OpenContent(%s) = %v, want ErrNotRegular", path, err)
		}
	}
}

// TestOpenListed: a link that has taken the place of a file is not followed; one
// that was listed as what it leads to is.
func TestOpenListed(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	fi, err := Stat(link)
	if err != nil {
		t.Fatal(err)
	}
	var listed record.Record
	Fill(&listed, fi)
	for _, test := range []struct {
		path string
		ino  uint64
		want error
	}{
		{file, listed.Ino, nil},
		{file, 1, nil}, // another file by now: the caller compares
		{link, listed.Ino, nil},
		{link, 1, ErrNotRegular},
		{link, 0, nil},
		{filepath.Join(dir, "missing"), 1, fs.ErrNotExist},
	} {
		f, _, err := OpenListed(test.path, test.ino)
		if !errors.Is(err, test.want) {
			t.Errorf("OpenListed(%s, %d): %v, want %v", test.path, test.ino, err, test.want)
		}
		if f != nil {
			f.Close()
		}
		c, _, err := OpenContent(test.path, test.ino)
		if !errors.Is(err, test.want) {
			t.Errorf("OpenContent(%s, %d): %v, want %v", test.path, test.ino, err, test.want)
		}
		if c != nil {
			c.Close()
		}
	}
}
