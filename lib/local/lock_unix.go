//go:build unix && !solaris && !illumos && !aix

package local

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock takes the lock of an open file, without waiting for it, and reports whether
// it was free. It is held until unlock is called or the process ends, even when f is
// closed before. Where the file system knows no locks, it counts as free.
func Lock(f *os.File) (unlock func(), free bool, err error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS):
		return func() { unix.Close(fd) }, true, nil
	}
	unix.Close(fd)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}
