package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// fence is a local folder that the entries of a plan must not be outside of.
type fence struct {
	dir  string // absolute, symbolic links resolved
	root *os.Root
}

func newFence(dir string) (*fence, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &fence{dir, root}, nil
}

func (f *fence) close() { f.root.Close() }

// inside returns the path of the local entry of rec relative to the folder, symbolic links
// resolved as they are now. A path that does not exist counts as where it would be; opening it
// will fail later.
func (f *fence) inside(rec *record.Record) (string, error) {
	path, err := filepath.Abs(local.Path(rec))
	if err == nil {
		path, err = resolved(path)
	}
	if err != nil {
		return "", local.NewError(err)
	}
	rel, err := filepath.Rel(f.dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", f.refuse(rec)
	}
	return rel, nil
}

// resolved returns an absolute path without symbolic links, as far as it exists.
func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(path) == path {
		return real, err
	}
	dir, err := resolved(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

func (f *fence) refuse(rec *record.Record) error {
	return &record.Error{Class: record.ClassForbidden, Message: fmt.Sprintf("%s %s: %s is not beneath %s, and --beneath allows nothing else", rec.Action, rec.Path, local.Path(rec), f.dir)}
}

// check refuses a record whose local entry is outside. One without a root has none.
func (f *fence) check(rec *record.Record) error {
	if rec.Root == "" {
		return nil
	}
	_, err := f.inside(rec)
	return err
}

// holds refuses an open file that is not the one beneath the folder: a link may have been
// put in the way since check.
func (f *fence) holds(rec *record.Record, open *os.File) error {
	rel, err := f.inside(rec)
	if err != nil {
		return err
	}
	have, err := open.Stat()
	if err != nil {
		return local.NewError(err)
	}
	there, err := f.root.Stat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return local.NewError(err)
	case err != nil || !os.SameFile(there, have):
		return f.refuse(rec)
	}
	return nil
}
