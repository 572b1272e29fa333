package command

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProfile(t *testing.T) {
	dir := t.TempDir()
	p := profile{cpu: filepath.Join(dir, "cpu"), trace: filepath.Join(dir, "trace")}
	stop, err := p.start()
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{p.cpu, p.trace} {
		if fi, err := os.Stat(name); err != nil || fi.Size() == 0 {
			t.Errorf("%s: nothing was written (%v)", filepath.Base(name), err)
		}
	}
	// One that cannot be written stops the other.
	p.trace = filepath.Join(dir, "missing", "trace")
	if _, err := p.start(); err == nil {
		t.Error("a trace into a folder that does not exist: no error")
	}
	p.trace = ""
	if stop, err = p.start(); err != nil {
		t.Fatalf("the profile of the failed start still runs: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
