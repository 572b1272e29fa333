package local

import (
	"io/fs"
	"syscall"
	"time"
)

// sysState knows no inode number and no ctime: Windows gives neither without
// opening the file.
func sysState(fi fs.FileInfo) state {
	d, ok := fi.Sys().(*syscall.Win32FileAttributeData)
	if !ok {
		return state{}
	}
	return state{btime: time.Unix(0, d.CreationTime.Nanoseconds())}
}
