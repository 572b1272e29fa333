//go:build unix

package auth

import (
	"io/fs"
	"os"
	"syscall"
)

// readableBy says who besides its owner can read a file, if anybody, or whose it
// is if it is not ours.
func readableBy(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		return "its owner, who is somebody else"
	}
	switch mode := info.Mode().Perm(); {
	case mode&0o007 != 0:
		return "everybody"
	case mode&0o070 != 0:
		return "its group"
	}
	return ""
}

// pipe names the pipe that this program is part of: its process group.
func pipe() int { return syscall.Getpgrp() }
