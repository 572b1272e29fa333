package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// commandPatience is how long a command may take; a test has less.
var commandPatience = 5 * time.Minute

// Run gives what was said to a command of the shell, as its standard input. It gets the
// environment without passwords, and more variables besides. What it prints goes to out.
func Run(ctx context.Context, command string, variables []string, said []byte, out *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, commandPatience, errors.New("it did not end in time"))
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	for _, entry := range os.Environ() {
		if !secret(entry) {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, variables...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(said), out, out
	cmd.WaitDelay = time.Second // for what it has left in the background
	endAll(cmd)
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil
	case err != nil:
		return fmt.Errorf("it ended with %w", err)
	}
	return nil
}

// secret reports whether a variable of the environment is not for others.
func secret(entry string) bool {
	name, _, _ := strings.Cut(entry, "=")
	return strings.HasPrefix(name, "JOTTA") && (strings.Contains(name, "PASSWORD") || strings.HasSuffix(name, "_FD"))
}
