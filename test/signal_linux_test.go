package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSignalsServer: a server that is told to end does, and so does a mount; one that
// is stopped goes on.
func TestSignalsServer(t *testing.T) {
	needFUSE(t)
	for _, signal := range stops {
		t.Run(signal.String(), func(t *testing.T) {
			w := newWorld(t)
			for _, p := range []*process{w.jserve, w.jfuse} {
				p.cmd.Process.Signal(syscall.SIGSTOP)
				p.cmd.Process.Signal(syscall.SIGCONT)
			}
			if err := os.WriteFile(filepath.Join(w.mnt, "Jotta/Archive/f"), []byte("x"), 0o600); err != nil {
				t.Error(err)
			}
			for _, p := range []*process{w.jfuse, w.jserve} { // what is written to the mount survives either way
				p.cmd.Process.Signal(signal)
				<-p.ended
				if code := p.cmd.ProcessState.ExitCode(); code != 0 {
					t.Errorf("%s: exit code %d, want 0: %s", filepath.Base(p.cmd.Path), code, p.output())
				}
			}
			if w.mounted() {
				t.Error("it is still mounted")
			}
			if out, err := exec.Command(filepath.Join(bin, "jserve"), "fsck", filepath.Join(w.dir, "store")).CombinedOutput(); err != nil {
				t.Errorf("jserve fsck: %v\n%s", err, out)
			}
		})
	}
}
