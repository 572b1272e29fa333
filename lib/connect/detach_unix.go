//go:build unix

package connect

import (
	"os/exec"
	"syscall"
)

// detach gives a command a session of its own, out of reach of signals that are
// meant for this program and its terminal.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
