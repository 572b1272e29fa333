package store

import "errors"

// ChangeKind says what has happened to an entry.
type ChangeKind int

// The kinds of changes.
const (
	ChangeMade     ChangeKind = iota + 1 // a device, mount point or folder is new
	ChangeContent                        // a file has another content or other times; new files are such, too
	ChangeTrashed                        // it went to the trash, with all that is beneath
	ChangeRestored                       // it came back from there
	ChangeRemoved                        // it is gone for good
	ChangeMoved                          // it has another place or name
	ChangeShared                         // it has a public URI
	ChangeUnshared                       // it has none any more
)

// Change is something that has happened to an entry, and is on disk.
type Change struct {
	Kind  ChangeKind
	User  string // whose entry it is, as first spelled
	Entry Entry  // as it is now; of a removed one, as it was
	From  string // the full path that a moved one had
}

// Watch has fn called with all changes to come, in the order in which they
// happened; nil ends that. There is one fn at a time. It is called by the
// goroutine that all changes wait for, so it must return at once, and must not
// call the store.
func (s *Store) Watch(fn func([]Change)) {
	if fn == nil {
		s.watcher.Store(nil)
		return
	}
	s.watcher.Store(&fn)
}

// note keeps a change for the watchers until it is committed. n is what
// it happened to, as it is; from is where a moved one was.
func (t *tx) note(kind ChangeKind, id ID, from string) error {
	if t.s.watcher.Load() == nil {
		return nil
	}
	chain, err := t.climb(id)
	if errors.Is(err, ErrNoPath) {
		return nil // beneath something that was removed before
	}
	if err != nil {
		return err
	}
	t.changes = append(t.changes, Change{Kind: kind, User: chain[0].Name, Entry: entry(chain), From: from})
	return nil
}
