//go:build unix

package local

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	fileFlags = unix.O_RDONLY | nonblock
	dirFlags  = unix.O_RDONLY | unix.O_DIRECTORY
)

// handle is an open folder.
type handle struct{ dir *os.File }

func openHandle(dir string) (handle, error) {
	f, err := os.OpenFile(dir, searchFlags, 0)
	return handle{f}, err
}

// Close lets go of the folder.
func (h handle) Close() error { return h.dir.Close() }

func (h handle) openDir(name, path string) (*os.File, error) {
	return opened(name, dirFlags, func(flags int) (int, error) { return openBeneath(int(h.dir.Fd()), path, flags) })
}

func (h handle) openFile(name, path string) (*os.File, error) {
	return opened(name, fileFlags, func(flags int) (int, error) { return openBeneath(int(h.dir.Fd()), path, flags) })
}

func openFileAt(dir *os.File, name string) (*os.File, error) {
	return opened(Join(dir.Name(), name), fileFlags, func(flags int) (int, error) { return openParts(int(dir.Fd()), name, flags) })
}

// opened returns what open opens, as the file called name.
func opened(name string, flags int, open func(flags int) (int, error)) (*os.File, error) {
	fd, err := open(flags)
	if err == unix.EAGAIN && isRegular(name) { // see openNonblock
		fd, err = open(flags &^ unix.O_NONBLOCK)
	}
	if err != nil {
		return nil, astray(name, err)
	}
	if flags&unix.O_NONBLOCK != 0 { // the runtime's poller, which has no use for a regular file, would take it on
		if err := unix.SetNonblock(fd, false); err != nil {
			unix.Close(fd)
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// astray returns the error of opening the file called name.
func astray(name string, err error) error {
	switch {
	case isLink(err), err == unix.EXDEV: // moved out of the root meanwhile
		err = ErrAstray
	case err == unix.ENXIO: // a socket, or a device with nothing behind it
		err = ErrNotRegular
	}
	return &fs.PathError{Op: "open", Path: name, Err: err}
}

// openParts opens what is at path beneath the folder dir, one part of the path after
// the other, none of which may be a symbolic link.
func openParts(dir int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	at := dir
	for {
		name, rest, more := strings.Cut(path, "/")
		if name == "" || name == ".." {
			return -1, unix.EINVAL // no record has such a path
		}
		how := flags
		if more {
			how = searchFlags
		}
		fd, err := openat(at, name, how|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// ReadlinkAt returns the text of the symbolic link called name in the folder that dir has
// open.
func ReadlinkAt(dir *os.File, name string) (string, error) {
	for size := 256; ; size *= 2 {
		b := make([]byte, size)
		n, err := unix.Readlinkat(int(dir.Fd()), name, b)
		switch {
		case err == unix.EINTR:
			size /= 2
		case err != nil:
			return "", &fs.PathError{Op: "readlink", Path: Join(dir.Name(), name), Err: err}
		case n < size:
			return string(b[:n]), nil
		}
	}
}

// owner returns the user id of a file's owner.
func owner(fi fs.FileInfo) uint32 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Uid
}

func isRegular(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// isLink reports whether err is that of opening a symbolic link that was not to
// be followed. FreeBSD has an error of its own for it.
func isLink(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK)
}
