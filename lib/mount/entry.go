//go:build linux

package mount

import (
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

// kind says what an entry is.
type kind uint8

const (
	kindAccount kind = iota
	kindDevice
	kindMountPoint
	kindFolder
	kindFile
)

// entry is a name in the tree: what the service says is there and what has been
// written here since. Entries live as long as the listing they are in, an open
// handle, or an inode of the kernel.
type entry struct {
	ino  uint64
	kind kind

	// remote is held by whoever changes the entry at the service, or sends its
	// content; see fileSystem.claim.
	remote sync.Mutex
	// fetch is held while the entry gets a local content.
	fetch sync.Mutex

	// All that follows is guarded by the tree's mu.

	parent *entry
	name   string // as the service shows it
	gone   bool   // removed or replaced; it may still be open

	// Of a file:
	stored   bool // the service has it, as rev says
	tried    bool // an upload began: the service may have it
	rev      revision
	local    *local    // what has been written; nil if the service has all
	handles  int       // open
	writers  int       // of them, those that can write
	sending  *sending  // the upload under way
	changed  time.Time // when it was last changed here
	accessed time.Time // what somebody set; zero: nobody has
	opened   chunks.ID // the content that the kernel has pages of
	inode    *fs.Inode // what the kernel knows it by; nil if it has not asked
	alias    *fs.Inode // what it knows it by in other letters; nil likewise

	dropping chan struct{} // closed when the spool is rid of the last local content; nil: it is

	// Of a folder:
	children map[string]*entry // by folded name; nil: not looked at yet
	listed   time.Time         // when the service was last asked; zero: never
	hidden   string            // the name of something in it that the mount does not show; "" if there is nothing
	version  int               // counts changes made here, so that a listing asked for before is known to be old
	renewing bool              // somebody is about to list it anew; see renewSoon
	cached   cached            // what the kernel remembers of the listing
	modified time.Time         // when something in it was changed, or what people set
	walked   time.Time         // when it was last read as a whole
	walks    int               // how many folders below it were read since, without a listing; see fill
	filling  chan struct{}     // closed when all below it has been listed; nil if nobody is at it
	unfilled time.Time         // when that failed
}

// revision is what the service has of a file.
type revision struct {
	size     int64
	md5      string
	number   int64 // 0: not known
	created  time.Time
	modified time.Time
	updated  time.Time // when the service got it; zero for what was sent from here, which is no change
}

func (r revision) id() chunks.ID { return chunks.ID{MD5: r.md5, Size: r.size} }

func (r revision) content() spool.Content { return spool.Content{MD5: r.md5, Size: r.size} }

func revisionOf(r *jfs.Revision) revision {
	return revision{size: r.Size, md5: r.MD5, number: r.Number, created: r.Created, modified: r.Modified, updated: r.Updated}
}

// tree is all entries that are known.
type tree struct {
	mu   sync.Mutex // guards all entries; held for moments only, never during a request
	root *entry
	ino  uint64 // the last one given

	// outdated is called with names that the kernel may remember wrongly. The mu is held.
	outdated func(dir *entry, names ...string)
}

func newTree() *tree {
	t := &tree{ino: 1, outdated: func(*entry, ...string) {}}
	t.root = &entry{ino: 1, kind: kindAccount, modified: time.Now()}
	return t
}

// add returns a new entry in a folder. The mu is held.
func (t *tree) add(dir *entry, name string, k kind) *entry {
	t.ino++
	e := &entry{ino: t.ino, kind: k, name: name, modified: time.Now()}
	t.attach(e, dir, name)
	return e
}

// attach gives an entry a place. The mu is held.
func (t *tree) attach(e, dir *entry, name string) {
	e.parent, e.name, e.gone = dir, name, false
	if dir.children == nil {
		dir.children = map[string]*entry{}
	}
	dir.children[record.Fold(name)] = e
	dir.touched()
	t.outdated(dir, dir.cached.appeared(name)...)
}

// detach takes an entry from its place. The mu is held.
func (t *tree) detach(e *entry) {
	if e.parent != nil && e.parent.children[record.Fold(e.name)] == e {
		delete(e.parent.children, record.Fold(e.name))
		e.parent.touched()
	}
	e.gone = true
}

// touched notes that a folder was changed here. The mu is held.
func (dir *entry) touched() {
	dir.version++
	dir.modified = time.Now()
}

// path returns where the entry is. The mu is held.
func (t *tree) path(e *entry) jfs.Path {
	var parts []string
	for ; e.parent != nil; e = e.parent {
		parts = append(parts, e.name)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	if b.Len() == 0 {
		return "/"
	}
	return jfs.Path(b.String())
}

// isDir reports whether the entry is a folder of any kind.
func (e *entry) isDir() bool { return e.kind != kindFile }

// under reports whether an entry is dir, or in it at any depth. The mu is held.
func (e *entry) under(dir *entry) bool {
	for ; e != nil; e = e.parent {
		if e == dir {
			return true
		}
	}
	return false
}

// holdsWork reports whether something was written at or below the entry that the
// service does not have. The mu is held.
func (e *entry) holdsWork() bool {
	if e.local != nil {
		return true
	}
	for _, child := range e.children {
		if child.holdsWork() {
			return true
		}
	}
	return false
}

// locals appends the files at or below the entry that have a local content. The mu is
// held.
func (e *entry) locals(all []*entry) []*entry {
	if e.local != nil {
		all = append(all, e)
	}
	for _, child := range e.children {
		all = child.locals(all)
	}
	return all
}

// before returns what the service may have in the place of a file, as far as is known.
// The mu is held.
func (e *entry) before() []spool.Content {
	var all []spool.Content
	if e.stored && (e.local == nil || !e.local.isFound()) { // else it may be somebody else's
		all = append(all, e.rev.content())
	}
	if e.local != nil {
		before, _ := e.local.before()
		all = append(all, before...)
	}
	return all
}

// size returns the size of a file. The mu is held.
func (e *entry) size() int64 {
	if e.local != nil {
		return e.local.size.Load()
	}
	return e.rev.size
}

// mtime returns when the entry was last modified, in whole seconds, since that is
// what the service keeps. The mu is held.
func (e *entry) mtime() time.Time {
	switch {
	case e.isDir():
		return e.modified
	case e.local != nil:
		return e.local.modified().Truncate(time.Second)
	}
	return e.rev.modified
}

// ctime returns when the entry was last changed in any way. The mu is held.
func (e *entry) ctime() time.Time {
	at := e.mtime()
	for _, t := range []time.Time{e.rev.updated, e.changed} {
		if t.After(at) {
			at = t
		}
	}
	return at
}
