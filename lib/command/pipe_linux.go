package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is how much a pipe between two programs holds, in bytes. A small one, such as
// the 64 KiB that are Linux's default, has them take turns instead of working side by
// side.
const pipeSize = 1 << 20

// widen makes the pipe that f is one end of hold more. If it is no pipe, or the system
// does not allow it, nothing happens.
func widen(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	conn.Control(func(fd uintptr) {
		if n, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0); err == nil && n < pipeSize {
			unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
		}
	})
}
