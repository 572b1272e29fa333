package spool

import (
	"errors"
	"os"
)

// Disk is how a spool changes what is on disk. A test puts one in its place that
// loses power.
type Disk interface {
	Create(name string) (*os.File, error) // a new file, to read and write
	Sync(*os.File) error                  // makes the content last
	Rename(from, to string) error
	Remove(name string) error
	SyncDir(dir string) error // makes what was made, renamed and removed in a folder last
}

// System is the disk that the system has.
type System struct{}

// Create makes a file that is not there yet.
func (System) Create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Sync is that of os.File.
func (System) Sync(f *os.File) error { return f.Sync() }

// Rename is that of package os.
func (System) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is that of package os.
func (System) Remove(name string) error { return os.Remove(name) }

// SyncDir syncs a folder.
func (System) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
