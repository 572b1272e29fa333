//go:build linux

package test

import (
	"errors"
	"os"
	"path/filepath"
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
