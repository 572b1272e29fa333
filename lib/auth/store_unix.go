//go:build unix

package auth

import (
	"errors"
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

// syncDir makes the names in a folder last. Some file systems cannot.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// pipe names the pipe that this program is part of: its process group.
func pipe() int { return syscall.Getpgrp() }
