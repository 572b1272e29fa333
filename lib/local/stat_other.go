//go:build !linux

package local

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Lstat describes the entry at path without following a final symbolic link.
func Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// Stat describes what the entry at path leads to.
func Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// StatAt describes the entry called name in the folder that dir has open, and
// with follow what the entry leads to.
func StatAt(dir *os.File, name string, follow bool) (fs.FileInfo, error) {
	path := filepath.Join(dir.Name(), name)
	if follow {
		return os.Stat(path)
	}
	return os.Lstat(path)
}
