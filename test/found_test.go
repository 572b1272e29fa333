//go:build linux

package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFirstLook: what an earlier mount left is there for whoever looks first.
func TestFirstLook(t *testing.T) {
	w := newWorld(t, "--write-back", "1h", "--drain", "0s")
	for i := range 12 {
		w.sh("echo x >f")
		w.kill()
		w.mount()
		if _, err := os.Stat(filepath.Join(w.archive(), "f")); err != nil {
			t.Fatalf("after %d restarts: %v\n%s", i+1, err, w.jfuse.output())
		}
	}
}

// TestRefused: a login that is refused while the account is mounted is told of once,
// and shows in the status.
func TestRefused(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--drain", "0s")
	w.sh("echo x >a")
	w.uploaded()
	w.jserve.end(t, syscall.SIGTERM)
	w.password = "another"
	w.serve()
	w.sh("echo y >b; echo z >c")
	w.jfuse.await(t, "uploads wait until the login is good again", 1)
	cmd := exec.Command(filepath.Join(bin, "jfuse"), "status", "--json", w.mnt)
	out, _ := cmd.Output()
	var s struct {
		Pending    int
		LoginError string `json:"login_error"`
	}
	if err := json.Unmarshal(out, &s); err != nil || s.Pending != 2 || s.LoginError == "" || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("status %s, %v, %v", out, err, cmd.ProcessState)
	}
	w.sh("cat b c >/dev/null") // what is here is here
	if n := strings.Count(w.jfuse.output(), "login is good again"); n != 1 {
		t.Errorf("told %d times: %s", n, w.jfuse.output())
	}
}
