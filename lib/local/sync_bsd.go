//go:build darwin || freebsd || dragonfly

package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync has the system bring to the disks all that was written. It may return before
// that is done.
func Sync(*os.File) error { return unix.Sync() }
