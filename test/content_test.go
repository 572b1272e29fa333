//go:build linux

package test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSymlinksUpload: a symbolic link is stored as the file that it leads to, or not
// at all.
func TestSymlinksUpload(t *testing.T) {
	w := newWorld(t, "--symlinks=upload", "--write-back", "0s", "--timeout", "2s")
	w.sh(`
		mkdir "$TMP/dir" d; seq 5000 >"$TMP/file"; touch -d @1600000000 "$TMP/file"; : >"$TMP/empty"
		ln -s file "$TMP/to-file"; ln -s nowhere "$TMP/to-nowhere"; mkfifo "$TMP/fifo"
		ln -s "$TMP/file" absolute
		ln -s ../../../tmp/file relative
		ln -s ../../../../tmp/file d/deeper
		ln -s "$TMP/to-file" through
		ln -s "$TMP/empty" empty
		for f in absolute relative d/deeper through; do cmp "$TMP/file" $f; test ! -L $f; test "$(stat -c %Y $f)" = 1600000000; done
		test -f empty; test ! -s empty`)
	w.uploaded()
	w.sh(`echo more >>"$TMP/file"; test "$(tail -n 1 absolute)" = 5000`)
	outside := filepath.Join(w.dir, "tmp")
	if err := os.Symlink(filepath.Join(w.archive(), "not-seen"), filepath.Join(outside, "into")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(w.archive(), "absolute"), filepath.Join(outside, "into-known")); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]syscall.Errno{
		filepath.Join(outside, "nowhere"):      syscall.ENOENT,
		filepath.Join(outside, "to-nowhere"):   syscall.ENOENT,
		filepath.Join(outside, "dir"):          syscall.EPERM,
		filepath.Join(outside, "fifo"):         syscall.EPERM,
		filepath.Join(outside, "into-known"):   syscall.EPERM,
		filepath.Join(outside, "into"):         syscall.EIO, // the kernel has locked the way to it
		"absolute":                             syscall.EPERM,
		"not-seen":                             syscall.EPERM,
		filepath.Join(w.archive(), "absolute"): syscall.EPERM,
		w.mnt:                                  syscall.EPERM,
	} {
		if err := os.Symlink(target, filepath.Join(w.archive(), "link")); !errors.Is(err, want) {
			t.Errorf("link to %s: %v, want %v", target, err, want)
		}
		if _, err := os.Lstat(filepath.Join(w.archive(), "link")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("link to %s: something is there, %v", target, err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "file"), filepath.Join(w.archive(), "through")); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("link over a file: %v", err)
	}
}

// TestDamaged: who reads what is not what its MD5 says gets an error, or there is a
// message, each time; and it is not stored anew as something that is right.
func TestDamaged(t *testing.T) {
	w := newWorld(t, "--write-back", "0s")
	w.sh(`
		head -c 1000 /dev/urandom >small; head -c 6000000 /dev/urandom >middle; head -c 40000000 /dev/urandom >large
		echo good >good`)
	w.uploaded()
	flip := func(name string) {
		data, err := os.ReadFile(filepath.Join(w.archive(), name))
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", md5.Sum(data))
		blob, err := os.OpenFile(filepath.Join(w.dir, "store", "blobs", sum[:2], fmt.Sprintf("%s-%d", sum, len(data))), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer blob.Close()
		if _, err := blob.WriteAt([]byte{^data[500]}, 500); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"small", "middle", "large"} {
		flip(name)
	}
	w.unmount()
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	w.mount()
	const message = "does not have the MD5"
	for i := range 3 {
		for _, name := range []string{"small", "middle"} {
			if b, err := os.ReadFile(filepath.Join(w.archive(), name)); !errors.Is(err, syscall.EIO) {
				t.Errorf("%s, read %d: %d bytes, %v", name, i, len(b), err)
			}
		}
		before := strings.Count(w.jfuse.output(), message)
		f, err := os.Open(filepath.Join(w.archive(), "large"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, f); err != nil {
			t.Errorf("large, read %d: %v", i, err)
		}
		f.Close()
		w.jfuse.await(t, message, before+1)
	}
	if got := w.sh(`jfuse status "$MNT"`); !strings.Contains(got, message) {
		t.Errorf("status says nothing of it:\n%s", got)
	}
	if f, err := os.OpenFile(filepath.Join(w.archive(), "middle"), os.O_WRONLY|os.O_APPEND, 0); err != nil {
		t.Error(err)
	} else {
		if _, err := f.Write([]byte("x")); !errors.Is(err, syscall.EIO) {
			t.Errorf("append to what is damaged: %v", err)
		}
		f.Close()
	}
	w.sh(`test "$(cat good)" = good; echo new >middle; sync middle; test "$(cat middle)" = new`)
}
