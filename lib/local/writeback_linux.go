package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// StartWriting has the system begin to bring n bytes of a file, from offset on, to
// the disk, and does not wait for that. It is a hint: errors mean nothing.
func StartWriting(f *os.File, offset, n int64) {
	unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
}
