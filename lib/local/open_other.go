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

// isLink: links are followed here, whoever made them.
func isLink(error) bool { return false }

// openNonblock needs no care: FIFOs have no place in the tree here.
func openNonblock(path string, _ bool) (*os.File, error) { return os.Open(path) }

func openDir(path string, _ bool) (*os.File, error) { return os.Open(path) }

// SyncDir does nothing: the file system makes names last by itself here.
func SyncDir(string) error { return nil }
