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

func openNonblock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	switch {
	case errors.Is(err, syscall.ENXIO): // a socket, or a device with nothing behind it
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	case errors.Is(err, syscall.EAGAIN) && isRegular(path):
		// Somebody holds a lease on the file, as Samba does for its clients. The
		// kernel is asking for it back; waiting for that takes a plain open.
		return os.OpenFile(path, os.O_RDONLY|syscall.O_NOCTTY, 0)
	}
	return f, err
}

// OpenDir opens the folder at path for listing, and follows symbolic links. It never
// blocks, whatever has taken the folder's place.
func OpenDir(path string) (*os.File, error) { return os.OpenFile(path, dirFlags, 0) }

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
