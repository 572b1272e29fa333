//go:build unix

package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// detachedVariable marks the process that goes on in the background.
const detachedVariable = "JOTTA_DETACHED"

// Detached reports whether this process is the one that goes on in the background.
func Detached() bool { return os.Getenv(detachedVariable) != "" }

// Detach starts the program again in the background, in a session of its own, and
// waits until that process says with [Ready] that it is at work, or ends. What it
// prints until then is shown. The error has the exit code of a process that ended.
func (e *Env) Detach() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ready, inform, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Args[0] = e.name // see OneFile
	cmd.Env = append(os.Environ(), detachedVariable+"=1")
	cmd.ExtraFiles = []*os.File{inform}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		inform.Close()
		return err
	}
	inform.Close()
	line, err := bufio.NewReader(ready).ReadString('\n')
	if strings.TrimSpace(line) == "ready" {
		return cmd.Process.Release()
	}
	if err != nil && err != io.EOF {
		return err
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		return Exit(exit.ExitCode(), errors.New("")) // it has said why
	}
	return fmt.Errorf("the process in the background ended before it was ready")
}

// Ready says that the program is at work: to systemd, if that has started it, and to
// the process that waits in [Env.Detach]. From then on a detached process writes its
// messages to the file called log, or nowhere if that is empty.
func Ready(log string) error {
	err := Notify("READY=1")
	if !Detached() {
		return err
	}
	if log == "" {
		log = os.DevNull
	}
	out, openErr := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if openErr != nil {
		return openErr
	}
	defer out.Close()
	// os.Stderr is handed on as it is; the number is what the file gets.
	if dupErr := dup(int(out.Fd()), 2); dupErr != nil {
		return dupErr
	}
	inform := os.NewFile(3, "ready")
	_, writeErr := io.WriteString(inform, "ready\n")
	return errors.Join(err, writeErr, inform.Close())
}
