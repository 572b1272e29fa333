//go:build unix

package local

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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
	}
}

// TestSetTime: times that do not fit into 64 bits of nanoseconds stay what they are, where the
// file system holds them.
func TestSetTime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, year := range []int{1601, 1677, 1678, 1969, 1970, 2026, 2262, 2263, 2400} {
		want := time.Date(year, 1, 2, 3, 4, 5, 6000, time.UTC)
		if err := SetTime(name, want); err != nil {
			t.Errorf("%d: %v", year, err)
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		// Ext4 holds 1901 to 2446 and clamps the rest; a year of another century is wrong.
		if got := info.ModTime(); !got.Equal(want) && !(year < 1901 && got.Year() >= 1901 && got.Year() <= 1902) {
			t.Errorf("%v becomes %v", want, got)
		}
	}
}
