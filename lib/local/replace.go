package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes content as the file called name, readable by its owner only, in place
// of the one before, which stays if this fails. It is written aside, beside it, and put
// into its place once it is on disk.
//
// Only a regular file is ever replaced. A device or FIFO is written to instead, as if
// the shell did it; anything else is an error.
func Replace(name string, content []byte) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe) != 0:
		return writeInto(name, content)
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "write", Path: name, Err: ErrNotRegular}
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func writeInto(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
