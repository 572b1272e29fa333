//go:build !unix

package local

import (
	"errors"
	"os"
)

var errStale = errors.New("stale file handle") // only unix has it

// nonblock is not needed: FIFOs have no place in the tree here.
const nonblock = 0

func isUnread(error) bool { return false }

// openNonblock needs no care: FIFOs have no place in the tree here.
func openNonblock(path string) (*os.File, error) { return os.Open(path) }

// OpenDir opens the folder at path for listing, and follows symbolic links.
func OpenDir(path string) (*os.File, error) { return os.Open(path) }

// SyncDir does nothing: the file system makes names last by itself here.
func SyncDir(string) error { return nil }
