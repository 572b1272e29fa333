//go:build linux

package mount

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/record"
)

// The kernel keeps what it is told: names and attributes for as long as the listing
// is believed that they come from (see ttl), names that are not there for a part of
// that, listings until they change, and the pages of files until their content does.
// What it changes itself, it knows of. What it cannot know is that names in other
// letters are the same, and what a new listing brings; that it is told of here.

// cached is what the kernel remembers of a folder, as far as we have to know.
type cached struct {
	version int       // of the listing that it has
	listed  time.Time // likewise

	missing map[string][]string // names that it was told are not there, by folded name
	until   time.Time           // when it has forgotten the last of them
}

// mostMissing bounds how many missing names are kept in mind for a folder. The kernel
// asks for more of them each time.
const mostMissing = 1000

// missingTTL is how long the kernel remembers that a name is not there. go-fuse takes
// one time for all, so it has to fit several times into that of a listing.
func (o *Options) missingTTL() time.Duration { return o.DirTTL / 4 }

// isMissing notes that the kernel is told that a name is not there. It reports
// whether it may remember that.
func (c *cached) isMissing(name string, ttl time.Duration) bool {
	now := time.Now()
	if now.After(c.until) || c.missing == nil {
		c.missing = map[string][]string{}
	}
	key := record.Fold(name)
	if !slices.Contains(c.missing[key], name) {
		if len(c.missing) >= mostMissing || len(c.missing[key]) > 10 {
			return false
		}
		c.missing[key] = append(c.missing[key], name)
	}
	c.until = now.Add(ttl)
	return true
}

// appeared returns the other spellings of a name that the kernel was told are not
// there. The name itself it knows of, if it was the one to ask for it.
func (c *cached) appeared(name string) []string {
	key := record.Fold(name)
	names := c.missing[key]
	delete(c.missing, key)
	return slices.DeleteFunc(names, func(n string) bool { return n == name })
}

// lookupMissing answers that there is no such name.
func (n *node) lookupMissing(name string, out *fuse.EntryOut) {
	f, dir := n.fs, n.entry
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	ttl := f.o.missingTTL()
	fresh := f.o.DirTTL-time.Since(dir.listed) >= ttl
	// These come and go without the name itself being made or removed.
	extra := name == trashName || revisionName().MatchString(name) || f.o.Symlinks == SymlinksLinks
	if ttl == 0 || !fresh || extra || f.child(dir, name) != nil || !dir.cached.isMissing(name, ttl) {
		out.SetEntryTimeout(1) // any time at all keeps go-fuse from setting its own
	}
}

// outdated tells the kernel that it may remember names wrongly. It must not be told
// by those who answer it: it keeps the folder locked for them. The tree's mu is held.
func (f *fileSystem) outdated(dir *entry, names ...string) {
	inode := dir.inode
	if inode == nil {
		return
	}
	for _, name := range names {
		f.running.Go(func() { inode.NotifyEntry(name) }) // it may not know the name; all the better
	}
}

// changedAs tells the kernel, after it has removed or moved an entry under a name,
// that it may still have it in other letters.
func (f *fileSystem) changedAs(dir *entry, shown, name string) {
	if shown == name {
		return
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	f.outdated(dir, shown)
}

// inodeFor returns what the kernel is to know an entry by that it looked up as name.
//
// A file has another inode, with the same number, in other letters. For the kernel
// drops a rename from one name of an inode to another one of it without a word, and
// a change of letters is such a rename. Programs still see by the number that it is
// one file. The tree's mu is held.
func (n *node) inodeFor(ctx context.Context, e *entry, name string, mode uint32) *fs.Inode {
	known, id := &e.inode, fs.StableAttr{Mode: mode & syscall.S_IFMT, Ino: e.ino}
	if mode&syscall.S_IFMT == syscall.S_IFREG && name != n.fs.shownName(e) {
		known, id.Gen = &e.alias, 1
	}
	if *known == nil {
		*known = n.NewInode(ctx, &node{fs: n.fs, entry: e}, id)
	}
	return *known
}

// isAlias reports whether the node is that of a file in other letters. The tree's mu
// is held.
func (n *node) isAlias() bool { return n.entry.alias == n.EmbeddedInode() }

// rewritten tells the kernel, after a change through one inode of a file, to forget
// the pages and attributes that it has of the other one.
func (f *fileSystem) rewritten(e *entry, byAlias bool) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	other := e.alias
	if byAlias {
		other = e.inode
	}
	if e.alias != nil && other != nil {
		f.running.Go(func() { other.NotifyContent(0, 0) })
	}
}

// OnForget is called when the kernel has forgotten the node.
func (n *node) OnForget() {
	n.fs.tree.mu.Lock()
	defer n.fs.tree.mu.Unlock()
	switch n.EmbeddedInode() {
	case n.entry.inode:
		n.entry.inode = nil
	case n.entry.alias:
		n.entry.alias = nil
	}
}

// keepListing reports whether the kernel may go on with the listing that it has of a
// folder, and notes that it gets the one there is now. The tree's mu is held.
func (dir *entry) keepListing() bool {
	c := &dir.cached
	keep := c.version == dir.version && c.listed.Equal(dir.listed)
	c.version, c.listed = dir.version, dir.listed
	return keep
}
