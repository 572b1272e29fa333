//go:build !unix

package local

import (
	"errors"
	"os"
)

var errStale = errors.New("stale file handle") // only unix has it

// openNonblock needs no care: FIFOs have no place in the tree here.
func openNonblock(path string) (*os.File, error) { return os.Open(path) }

func openDir(path string, _ bool) (*os.File, error) { return os.Open(path) }
