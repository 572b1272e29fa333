package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync brings to the disk all that was written to the file system of an open folder.
func Sync(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return &os.PathError{Op: "sync", Path: dir.Name(), Err: err}
	}
	return nil
}
