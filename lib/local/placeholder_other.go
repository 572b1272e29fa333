//go:build !linux

package local

import (
	"io/fs"
	"os"
)

// Placeholder reports whether a folder stands for a btrfs subvolume that the snapshot it
// is in does not contain. There is no btrfs on this platform.
func Placeholder(*os.File, fs.FileInfo) bool { return false }
