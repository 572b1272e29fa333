//go:build !unix

package local

import (
	"io/fs"
	"os"
)

// handle is an open folder. Links that stay within it are followed.
type handle struct{ root *os.Root }

func openHandle(dir string) (handle, error) {
	root, err := os.OpenRoot(dir)
	return handle{root}, err
}

// Close lets go of the folder.
func (h handle) Close() error { return h.root.Close() }

func (h handle) openDir(_, path string) (*os.File, error) {
	if path == "" {
		path = "."
	}
	return h.root.Open(path)
}

func (h handle) openFile(_, path string) (*os.File, error) { return h.root.Open(path) }

func openFileAt(dir *os.File, name string) (*os.File, error) {
	path := Join(dir.Name(), name)
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrAstray}
	}
	return os.Open(path)
}

// ReadlinkAt returns the text of the symbolic link called name in the folder that dir has
// open.
func ReadlinkAt(dir *os.File, name string) (string, error) {
	return os.Readlink(Join(dir.Name(), name))
}

// owner tells nobody from another here.
func owner(fs.FileInfo) uint32 { return 0 }
