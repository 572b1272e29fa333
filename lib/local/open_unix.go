//go:build unix

package local

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const errStale = syscall.ESTALE

// nonblock keeps the opening of a FIFO from waiting for its other end.
const nonblock = syscall.O_NONBLOCK | syscall.O_NOCTTY

// isUnread reports whether err is that of opening a FIFO that nobody reads.
func isUnread(err error) bool { return errors.Is(err, syscall.ENXIO) }

// isLink reports whether err is that of opening a symbolic link that was not to
// be followed. FreeBSD has an error of its own for it.
func isLink(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK)
}

func openNonblock(path string, follow bool) (*os.File, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	switch {
	case errors.Is(err, syscall.ENXIO): // a socket, or a device with nothing behind it
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	case errors.Is(err, syscall.EAGAIN):
		// Somebody holds a lease on the file, as Samba does for its clients. The
		// kernel is asking for it back; waiting for that takes a plain open.
		if fi, statErr := os.Stat(path); statErr == nil && fi.Mode().IsRegular() {
			return os.OpenFile(path, flags&^syscall.O_NONBLOCK, 0)
		}
	}
	return f, err
}

func openDir(path string, follow bool) (*os.File, error) {
	flags := os.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NONBLOCK
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	return os.OpenFile(path, flags, 0)
}

// SyncDir makes the names in a folder last. Some file systems cannot, which is no error.
func SyncDir(dir string) error {
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
