//go:build unix

package chunks

import (
	"io/fs"
	"syscall"
)

// diskUsage returns how many bytes a file takes on disk; segments have holes.
func diskUsage(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return fi.Size()
}
