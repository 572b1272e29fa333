package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"jottatools/lib/record"
)

// ErrAstray is wrapped by the errors of a [Root], and of [OpenRegularAt], for entries that can
// only be reached through a symbolic link that was not listed. The user who made the
// link may not be allowed to read its target.
var ErrAstray = errors.New("a symbolic link is in the way, which is not followed")

// Root is the folder that the paths of records are relative to. It is open, and so is
// whatever is opened in it found from there: no symbolic link on the way is followed, so
// that nothing outside is opened, whatever others put into the tree meanwhile. (Windows
// follows links that stay within the folder.) Its own path may lead through links.
//
// It is safe for concurrent use.
type Root struct {
	path string
	handle
}

// OpenRoot opens the folder at dir. It must be closed.
func OpenRoot(dir string) (*Root, error) {
	h, err := openHandle(dir)
	if err != nil {
		return nil, err
	}
	return &Root{dir, h}, nil
}

// OpenDir opens the folder at the slash-separated path for listing; "" is the root.
// It never blocks, whatever has taken the folder's place.
func (r *Root) OpenDir(path string) (*os.File, error) { return r.openDir(Join(r.path, path), path) }

// OpenRegular opens the file at path for reading, and describes it, as the function
// [OpenRegular] does.
func (r *Root) OpenRegular(path string) (*os.File, fs.FileInfo, error) {
	return regular(r.openFile(Join(r.path, path), path))
}

// Lstat describes the entry at path.
func (r *Root) Lstat(name string) (fs.FileInfo, error) {
	above, name := path.Split(name)
	dir, err := r.OpenDir(path.Clean("/" + above)[1:])
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return StatAt(dir, name, false)
}

// OpenRegularAt opens the file called name in the folder that dir has open, as
// [Root.OpenRegular] does.
func OpenRegularAt(dir *os.File, name string) (*os.File, fs.FileInfo, error) {
	return regular(openFileAt(dir, name))
}

// OpenLinked opens the file that the symbolic link at the slash-separated path beneath the
// folder root leads to. That is refused if it is outside of root or not of the link's
// owner, who might have put the link there to see what becomes of files of others.
func OpenLinked(root, name string) (*os.File, error) {
	refuse := func(why error) error {
		return &record.Error{Class: record.ClassPermission, Message: fmt.Sprintf(
			"%s is a symbolic link, and such a file may only lead to one of the same owner beneath %s (%v); put a copy in its place", Join(root, name), root, why)}
	}
	top, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	link, err := top.Lstat(name)
	if err != nil {
		return nil, err
	}
	file, _, err := regular(top.OpenFile(name, os.O_RDONLY|nonblock, 0))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotRegular) {
		return nil, err
	}
	if err != nil {
		return nil, refuse(err)
	}
	if info, err := file.Stat(); err != nil || owner(info) != owner(link) {
		file.Close()
		return nil, refuse(errors.New("it is of another owner"))
	}
	return file, nil
}

// regular describes a file that was opened, unless it is no regular one.
func regular(f *os.File, err error) (*os.File, fs.FileInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// asContent makes no Content of a file that is nil.
func asContent(f *os.File, fi fs.FileInfo, err error) (Content, fs.FileInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	return f, fi, nil
}
