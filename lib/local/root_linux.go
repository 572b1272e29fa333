package local

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// searchFlags opens a folder so that others can be opened in it, which takes no more
// permissions than to name it.
const searchFlags = unix.O_PATH | unix.O_DIRECTORY

// noOpenat2 is set once the kernel has turned out to have no openat2, which came with
// Linux 5.6.
var noOpenat2 atomic.Bool

// openBeneath opens what is at path beneath the folder dir, without following any
// symbolic link.
func openBeneath(dir int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	for !noOpenat2.Load() {
		fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
		switch err {
		case unix.EINTR:
			continue
		case unix.ENOSYS:
			noOpenat2.Store(true)
		case unix.EPERM: // perhaps of a sandbox that has never heard of openat2
			return openParts(dir, path, flags)
		default:
			return fd, err
		}
	}
	return openParts(dir, path, flags)
}
