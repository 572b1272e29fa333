package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// install makes links to this file in a folder, under the names of the programs.
func install(dir string, names []string) error {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return fmt.Errorf("find the file that is running: %w", err)
	}
	folder, err := filepath.EvalSymlinks(dir)
	if err == nil {
		folder, err = filepath.Abs(folder)
	}
	if err != nil {
		return fmt.Errorf("%w; make the folder first", err)
	}
	target := self
	if filepath.Dir(self) == folder {
		target = filepath.Base(self) // so that the folder can be moved
	}
	for _, name := range names {
		if err := link(self, target, filepath.Join(folder, name+filepath.Ext(self))); err != nil {
			return err
		}
	}
	return nil
}

// link makes a link to target, as which self is seen from there, in place of another
// link. Where symbolic links are not for everybody, as on Windows, it is a hard one.
func link(self, target, name string) error {
	switch info, err := os.Lstat(name); {
	case os.IsNotExist(err):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSymlink && !sameFile(self, info):
		return fmt.Errorf("%s is there already, and is no link; remove it, or choose another folder", name)
	}
	made := name + ".new"
	if err := os.Remove(made); err != nil && !os.IsNotExist(err) {
		return err
	}
	if os.Symlink(target, made) != nil {
		if err := os.Link(self, made); err != nil {
			return err
		}
	}
	return os.Rename(made, name)
}

func sameFile(name string, info fs.FileInfo) bool {
	other, err := os.Stat(name)
	return err == nil && os.SameFile(other, info)
}
