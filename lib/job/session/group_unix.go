//go:build unix

package session

import "syscall"

// ownGroup has a program lead a process group of its own, out of reach of Ctrl-C.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Mask sets which permissions the files lack that this process makes from now on, and
// returns which ones they lacked before.
func Mask(mask int) (before int) { return syscall.Umask(mask) }
