package store

import (
	"bytes"
)

// Walker goes through the folders beneath one of them, depth first: for each
// folder Enter, then File for each of its files, then Files, then its folders.
// It holds no transaction between calls of Next, and memory for the depth of
// the tree only. A tree that changes meanwhile may come out part old, part new,
// but each folder's name comes up once at most.
type Walker struct {
	Enter func(f *Folder)          // a folder begins
	File  func(f *Folder, n *Node) // n is valid during the call only
	Files func(f *Folder)          // all files of the folder have been seen

	s     *Store
	live  bool
	stack []*Folder
	node  Node // decoded into, again and again
	seen  int  // entries since the last release
}

// Folder is where a Walker is.
type Folder struct {
	ID      ID
	Name    string
	Dir     string // path of the parent, in the form of the start's
	Deleted int64  // own or inherited mark
	Count   int    // files seen in it so far

	dirs  bool   // files are done
	last  []byte // key of the entry visited last
	shown []byte // start of the key of the entry shown last
}

// Path is the folder's own path.
func (f *Folder) Path() string { return f.Dir + "/" + f.Name }

// Walk starts at a folder, mount point or device. With live, trashed entries
// and files without a complete revision are left out. dir is put in front of
// the start's name to make paths.
func (s *Store) Walk(start *Node, dir string, live bool) *Walker {
	w := &Walker{s: s, live: live}
	w.stack = []*Folder{{ID: start.ID, Name: start.Name, Dir: dir, Deleted: start.Deleted}}
	return w
}

// releaseAfter is how many entries are visited before the pages they are on are
// given back: those of some 10 MB.
const releaseAfter = 30_000

// Next visits some more entries, about limit of them, in one read transaction
// that the callbacks should not hold up. It returns false at the end.
func (w *Walker) Next(limit int) (more bool, err error) {
	err = w.s.view(func(t *tx) error {
		c := t.entries.Cursor()
		for n := 0; n < limit && len(w.stack) > 0; {
			f := w.stack[len(w.stack)-1]
			if f.last == nil {
				w.enter(f)
			}
			cl := classFile
			if f.dirs {
				cl = classDir
			}
			prefix := runKey(f.ID, cl)
			k, v := c.Seek(f.last)
			if bytes.Equal(k, f.last) {
				k, v = c.Next()
			}
			for descended := false; n < limit && !descended; k, v = c.Next() {
				n++
				w.seen++
				if !bytes.HasPrefix(k, prefix) {
					w.runEnds(f)
					break
				}
				f.last = append(f.last[:0], k...)
				if err := decodeNode(k, v, &w.node); err != nil {
					return err
				}
				descended = w.visit(f, k[:len(k)-8])
			}
		}
		if w.seen >= releaseAfter {
			release(t.entries.Tx())
			w.seen = 0
		}
		return nil
	})
	return len(w.stack) > 0, err
}

// enter announces a folder the first time it is on top.
func (w *Walker) enter(f *Folder) {
	f.last = append(f.last, runKey(f.ID, classFile)...)
	if w.Enter != nil {
		w.Enter(f)
	}
}

// runEnds goes from files to folders, and from there back up.
func (w *Walker) runEnds(f *Folder) {
	if f.dirs {
		w.stack = w.stack[:len(w.stack)-1]
		return
	}
	if w.Files != nil {
		w.Files(f)
	}
	f.dirs, f.last = true, append(f.last[:0], runKey(f.ID, classDir)...)
}

// visit takes up the entry in w.node, whose key begins with name, and tells
// whether it is a folder to go into.
func (w *Walker) visit(f *Folder, name []byte) bool {
	n := &w.node
	if w.live {
		// A live name is unique in a folder; a second one was made while we walked.
		if n.Deleted != 0 || bytes.Equal(f.shown, name) || n.Kind == KindFile && n.Current() == nil {
			return false
		}
		f.shown = append(f.shown[:0], name...)
	}
	if n.Deleted == 0 {
		n.Deleted = f.Deleted
	}
	if n.Kind != KindFile {
		w.stack = append(w.stack, &Folder{ID: n.ID, Name: n.Name, Dir: f.Path(), Deleted: n.Deleted})
		return true
	}
	f.Count++
	if w.File != nil {
		w.File(f, n)
	}
	return false
}
