//go:build darwin || freebsd

package local

import (
	"strings"

	"golang.org/x/sys/unix"
)

// ctimesOf knows the file systems by their names.
func ctimesOf(path string) ctimes {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return ctimesNone
	}
	name := unix.ByteSliceToString(st.Fstypename[:])
	switch {
	case name == "msdos", name == "msdosfs", name == "exfat":
		return ctimesNone
	case st.Flags&unix.MNT_LOCAL == 0, strings.Contains(name, "fuse"):
		return ctimesUncertain
	}
	return ctimesOwn
}
