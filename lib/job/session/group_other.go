//go:build !unix

package session

import "syscall"

// ownGroup does nothing here.
func ownGroup() *syscall.SysProcAttr { return nil }

// Mask does nothing here.
func Mask(int) (before int) { return 0 }
