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
