//go:build unix

package notify

import (
	"os/exec"
	"syscall"
)

// endAll has the end of a command's time end what it has started, too.
func endAll(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
