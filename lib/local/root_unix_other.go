//go:build unix && !linux

package local

import "golang.org/x/sys/unix"

const searchFlags = unix.O_RDONLY | unix.O_DIRECTORY

// openBeneath opens what is at path beneath the folder dir, without following any
// symbolic link.
func openBeneath(dir int, path string, flags int) (int, error) { return openParts(dir, path, flags) }
