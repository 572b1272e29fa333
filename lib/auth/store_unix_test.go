//go:build unix

package auth

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/oauth2"
)

// TestStoreIsAFile: what has the name of a login and is no file is neither waited for
// nor replaced, and no secret is spent on it.
func TestStoreIsAFile(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error {
			return os.Symlink(filepath.Base(path)+".fifo", path)
		},
		"socket": func(path string) error {
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		},
	} {
		o := Options{Dir: t.TempDir()}.withDefaults()
		s := o.store()
		if err := syscall.Mkfifo(s.path+".fifo", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := make(s.path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.read(); err == nil || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("%s: read() = %v", name, err)
		}
		if err := s.write(aLogin()); err == nil {
			t.Errorf("%s: write() = nil", name)
		}
		if err := o.begin(t.Context(), aLogin(), func(context.Context) (*oauth2.Token, error) {
			t.Errorf("%s: the service was asked", name)
			return nil, fs.ErrInvalid
		}); err == nil {
			t.Errorf("%s: begin() = nil", name)
		}
		if after, err := os.Lstat(s.path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: it was replaced: %v", name, err)
		}
	}
}
