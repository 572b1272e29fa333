//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A FIFO in the place of the file is not waited for, nor is a device read for ever.
func TestLoadWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "jottatools", "config.toml")
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() error{
		"FIFO":           func() error { return syscall.Mkfifo(name, 0o600) },
		"folder":         func() error { return os.Mkdir(name, 0o700) },
		"link to device": func() error { return os.Symlink("/dev/zero", name) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		_, err := load("", func(v string) string { return map[string]string{"XDG_CONFIG_HOME": dir}[v] })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: load() = %v", what, err)
		}
		os.Remove(name)
	}
}
