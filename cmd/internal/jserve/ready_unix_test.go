//go:build unix

package jserve

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadyFile: the address is written into a FIFO that is read, and what is neither
// that nor a file stays what it is.
func TestReadyFile(t *testing.T) {
	dir := t.TempDir()
	fifo, unread := filepath.Join(dir, "fifo"), filepath.Join(dir, "unread")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), syscall.Mkfifo(unread, 0o600)); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	start(t, filepath.Join(dir, "data"), "--proxy", "127.0.0.1:0", "--proxy-ready-file", fifo)
	b := make([]byte, 100)
	if n, err := reader.Read(b); !strings.HasPrefix(string(b[:n]), "127.0.0.1:") || err != nil && err != io.EOF {
		t.Errorf("the FIFO holds %q, %v", b[:n], err)
	}
	for _, option := range []string{"--ready-file", "--proxy-ready-file"} {
		for _, file := range []string{unread, dir} {
			cmd, stderr := program("--data", filepath.Join(dir, "more"), "--listen", "127.0.0.1:0", "--user", "u", "--proxy", "127.0.0.1:0", option, file)
			if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), file) {
				t.Errorf("%s %s: %v, %s", option, file, err, stderr)
			}
		}
	}
	for _, file := range []string{fifo, unread} {
		if info, err := os.Lstat(file); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
			t.Errorf("%s is %v, %v", file, info, err)
		}
	}
}
