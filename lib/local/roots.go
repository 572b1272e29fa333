package local

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"jottatools/lib/record"
)

// Roots remembers what the root folders of records were like, so that of a file that has
// vanished it can be told whether all of them have: then they may only be out of sight,
// since a disk was unmounted. It is safe for concurrent use; the zero value is ready.
type Roots struct {
	mu    sync.Mutex
	known map[string]fs.FileInfo
}

// maxRoots bounds how many folders are remembered. A stream has one.
const maxRoots = 100

// Note remembers what root is like, if it is not known yet. Root may be empty.
func (r *Roots) Note(root string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.known[root]; known || root == "" || len(r.known) >= maxRoots {
		return
	}
	info, err := Stat(root)
	if err != nil {
		return
	}
	if r.known == nil {
		r.known = map[string]fs.FileInfo{}
	}
	r.known[root] = info
}

// Gone returns an error of the class vanished if root is not there, or is another folder
// than the one that was noted.
func (r *Roots) Gone(root string) error {
	if root == "" {
		return nil
	}
	info, err := Stat(root)
	r.mu.Lock()
	was := r.known[root]
	r.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) || err == nil && was != nil && !SameFile(was, info) {
		return &record.Error{Class: record.ClassVanished, Message: fmt.Sprintf("%s is gone, or another folder is in its place; was a disk unmounted?", root)}
	}
	return nil
}
