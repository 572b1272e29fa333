//go:build !unix

package connect

import "os/exec"

// detach does nothing here: a command outlives the program that started it.
func detach(*exec.Cmd) {}
