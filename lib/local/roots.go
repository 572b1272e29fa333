package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"jottatools/lib/record"
)

// Roots opens the local files of records. It keeps the root folders of the records open,
// and remembers what they were like, so that of a file that has vanished it can be told
// whether all of them have: then they may only be out of sight, since a disk was
// unmounted. It is safe for concurrent use until it is closed; the zero value is ready.
type Roots struct {
	mu    sync.Mutex // guards known
	known map[string]known
}

type known struct {
	*Root
	info fs.FileInfo
}

// maxRoots bounds how many folders are remembered. A stream has one.
const maxRoots = 100

// Note remembers what root is like, if it is not known yet. Root may be empty.
func (r *Roots) Note(root string) { r.note(root) }

// note returns the open folder, nil if it is not known now either.
func (r *Roots) note(root string) *Root {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.known[root]; ok {
		return k.Root
	}
	if root == "" || len(r.known) >= maxRoots {
		return nil
	}
	info, err := Stat(root)
	if err != nil {
		return nil
	}
	dir, err := OpenRoot(root)
	if err != nil {
		return nil
	}
	if r.known == nil {
		r.known = map[string]known{}
	}
	r.known[root] = known{dir, info}
	return dir
}

// Close lets go of the folders.
func (r *Roots) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.known {
		k.Root.Close()
	}
	r.known = nil
}

// Open opens the file of a record for reading, and describes it, as [Root.OpenRegular]
// does. Links are followed only to a file that was listed through them, and is still the
// same, and where nobody has listed anything: with a record that has no root, whose
// path counts from the working directory.
func (r *Roots) Open(rec *record.Record) (*os.File, fs.FileInfo, error) {
	return open(r, rec, (*Root).OpenRegular, OpenRegular)
}

// OpenContent is Open for reading the file from start to end. It is faster on some
// systems.
func (r *Roots) OpenContent(rec *record.Record) (Content, fs.FileInfo, error) {
	return open(r, rec, (*Root).OpenContent, func(path string) (Content, fs.FileInfo, error) {
		return asContent(OpenRegular(path))
	})
}

func open[F Content](r *Roots, rec *record.Record, beneath func(*Root, string) (F, fs.FileInfo, error), anywhere func(string) (F, fs.FileInfo, error)) (f F, fi fs.FileInfo, err error) {
	if rec.Root == "" || rec.Followed {
		if f, fi, err = anywhere(Path(rec)); err != nil || rec.Root == "" {
			return f, fi, err
		}
		if s := stateOf(fi); s.ino != rec.Ino || s.dev != rec.Dev {
			f.Close()
			var none F
			return none, nil, &fs.PathError{Op: "open", Path: Path(rec), Err: ErrOther}
		}
		return f, fi, nil
	}
	root := r.note(rec.Root)
	if root == nil {
		if root, err = OpenRoot(rec.Root); err != nil {
			return f, nil, err
		}
		defer root.Close()
	}
	return beneath(root, rec.Path)
}

// ErrOther is an [ErrAstray] about links that were followed on purpose.
var ErrOther error = &astrayError{"the symbolic links that it was listed through lead elsewhere now"}

type astrayError struct{ message string }

func (e *astrayError) Error() string { return e.message }
func (e *astrayError) Unwrap() error { return ErrAstray }

// Gone returns an error of the class vanished if root is not there, or is another folder
// than the one that was noted.
func (r *Roots) Gone(root string) error {
	if root == "" {
		return nil
	}
	info, err := Stat(root)
	r.mu.Lock()
	was := r.known[root].info
	r.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) || err == nil && was != nil && !SameFile(was, info) {
		return &record.Error{Class: record.ClassVanished, Message: fmt.Sprintf("%s is gone, or another folder is in its place; was a disk unmounted?", root)}
	}
	return nil
}
