//go:build unix

package local

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// SetLinkTime sets the time of modification of the symbolic link called name in
// the folder that dir has open, not of what it leads to. Its time of access goes along.
func SetLinkTime(dir *os.File, name string, mtime time.Time) error {
	stamp, err := unix.TimeToTimespec(mtime)
	if err == nil {
		err = unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return &fs.PathError{Op: "set the time of", Path: name, Err: err}
	}
	return nil
}

// SetTime sets the time of modification of a file, also to one before 1678 or after 2262, which
// os.Chtimes takes for another. Its time of access goes along.
func SetTime(name string, mtime time.Time) error {
	stamp, err := unix.TimeToTimespec(mtime)
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{stamp, stamp}, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "set the time of", Path: name, Err: err}
	}
	return nil
}
