package store

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// reserveSize is how much room on the disk is kept for deletions, in bytes. The
// database writes before it frees: on a disk that is full to the last block
// nothing could be deleted, and it would stay full.
const reserveSize = 1 << 20

func (s *Store) reserveFile() string { return filepath.Join(s.dir, "reserve") }

// keepReserve makes the reserve if it is not there. A disk that has no room for
// it is no error: the janitor tries again once it has freed something.
func (s *Store) keepReserve() error {
	if fi, err := os.Stat(s.reserveFile()); err == nil && fi.Size() == reserveSize {
		return nil
	}
	fill := make([]byte, reserveSize)
	rand.Read(fill) // a file system that compresses would make nothing of zeros
	err := writeFile(s.reserveFile(), fill)
	if err == nil {
		return nil
	}
	_ = os.Remove(s.reserveFile()) // what there is of it
	if isFull(err) {
		return nil
	}
	return err
}

// spendReserve gives the room free; false if there is none.
func (s *Store) spendReserve() bool { return os.Remove(s.reserveFile()) == nil }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
