//go:build linux

package mount

import (
	"context"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// node is what the kernel knows an entry by. There may be several for one entry,
// one after the other: all they hold is in the entry.
type node struct {
	fs.Inode
	fs    *fileSystem
	entry *entry
}

var (
	_ fs.NodeLookuper       = (*node)(nil)
	_ fs.NodeOnForgetter    = (*node)(nil)
	_ fs.NodeOpendirHandler = (*node)(nil)
	_ fs.NodeGetattrer      = (*node)(nil)
	_ fs.NodeSetattrer      = (*node)(nil)
	_ fs.NodeStatfser       = (*node)(nil)
	_ fs.NodeOpener         = (*node)(nil)
	_ fs.NodeCreater        = (*node)(nil)
	_ fs.NodeMknoder        = (*node)(nil)
	_ fs.NodeMkdirer        = (*node)(nil)
	_ fs.NodeUnlinker       = (*node)(nil)
	_ fs.NodeRmdirer        = (*node)(nil)
	_ fs.NodeRenamer        = (*node)(nil)
	_ fs.NodeSymlinker      = (*node)(nil)
	_ fs.NodeReadlinker     = (*node)(nil)
	_ fs.NodeLinker         = (*node)(nil)
	_ fs.NodeGetxattrer     = (*node)(nil)
	_ fs.NodeSetxattrer     = (*node)(nil)
	_ fs.NodeRemovexattrer  = (*node)(nil)
	_ fs.NodeListxattrer    = (*node)(nil)
)

const blockSize = 4096 // that sizes on disk are told in

// attributes tells the kernel of an entry. The tree's mu is held.
func (f *fileSystem) attributes(e *entry, out *fuse.Attr) {
	out.Ino = e.ino
	out.Uid, out.Gid = f.o.UID, f.o.GID
	out.Nlink = 1
	if e.gone {
		out.Nlink = 0
	}
	out.Blksize = blockSize
	out.Mode = f.mode(e)
	if e.isDir() {
		out.Nlink = 1 // as where folders in it are not counted
	} else {
		size := e.size()
		out.Size, out.Blocks = uint64(size), uint64((size+511)/512)
	}
	mtime := e.mtime()
	atime := e.accessed
	if atime.IsZero() {
		atime = mtime
	}
	out.SetTimes(&atime, &mtime, ptr(e.ctime()))
}

func ptr[T any](v T) *T { return &v }

// mode returns type and permissions of an entry.
func (f *fileSystem) mode(e *entry) uint32 {
	switch {
	case e.kind < kindMountPoint:
		return syscall.S_IFDIR | 0o555&^f.o.Umask
	case e.isDir():
		return syscall.S_IFDIR | 0o777&^f.o.Umask
	case f.isLink(e):
		return syscall.S_IFLNK | 0o777
	}
	return syscall.S_IFREG | 0o666&^f.o.Umask
}

// ttl returns how long the kernel may believe what it was told of an entry: as long
// as its folder's listing. The tree's mu is held.
func (f *fileSystem) ttl(e *entry) time.Duration {
	if e.parent == nil {
		return f.o.DirTTL
	}
	if e.gone || e.alias != nil {
		return 0
	}
	left := f.o.DirTTL - time.Since(e.parent.listed)
	return min(max(left, minTTL), f.o.DirTTL)
}

// minTTL spares questions about what was looked at a moment ago.
const minTTL = time.Second

// show answers a question for an entry. The tree's mu is held.
func (n *node) show(ctx context.Context, e *entry, name string, out *fuse.EntryOut) *fs.Inode {
	n.fs.attributes(e, &out.Attr)
	inode := n.inodeFor(ctx, e, name, out.Mode)
	ttl := n.fs.ttl(e)
	out.SetAttrTimeout(ttl)
	if name == n.fs.shownName(e) {
		out.SetEntryTimeout(ttl)
	} // else it is asked for in other letters: the kernel must not keep that as a name of its own
	return inode
}

// Lookup finds a name in a folder.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e, err := n.fs.lookup(ctx, n.entry, name)
	if err != nil {
		return nil, n.fs.errno(err)
	}
	if e == nil {
		inode, errno := n.lookupExtra(ctx, name, out)
		if errno != syscall.ENOENT {
			return inode, errno
		}
		if _, err := jfs.WireName(name); err != nil && jfs.RecordError(err).Class == record.ClassNameTooLong {
			return nil, syscall.ENAMETOOLONG
		}
		n.lookupMissing(name, out)
		return nil, errno
	}
	n.fs.tree.mu.Lock()
	defer n.fs.tree.mu.Unlock()
	return n.show(ctx, e, name, out), 0
}

// lookup returns the entry called name, nil if there is none.
func (f *fileSystem) lookup(caller context.Context, dir *entry, name string) (*entry, error) {
	f.tree.mu.Lock()
	e := f.child(dir, name)
	fresh := !dir.listed.IsZero() && time.Since(dir.listed) < f.o.DirTTL
	f.tree.mu.Unlock()
	if fresh || e != nil && e.local != nil {
		return e, nil
	}
	ctx, cancel := f.forWait(caller)
	defer cancel()
	err := f.list(ctx, dir)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if now := f.child(dir, name); err == nil || now != nil && now.holdsWork() {
		return now, nil // what was written here is here, whatever the service says
	}
	return nil, err
}

// child returns the entry that is shown as name. The tree's mu is held.
func (f *fileSystem) child(dir *entry, name string) *entry {
	e := dir.children[record.Fold(name)]
	if f.o.Symlinks == SymlinksLinks {
		if e != nil && f.isLink(e) {
			return nil // it is shown under another name
		}
		if link := dir.children[record.Fold(name+linkSuffix)]; e == nil && link != nil && f.isLink(link) {
			return link
		}
	}
	return e
}

// Getattr tells of an entry.
func (n *node) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fs.tree.mu.Lock()
	stale := n.entry.parent != nil && !n.entry.gone && n.entry.local == nil && time.Since(n.entry.parent.listed) >= n.fs.o.DirTTL
	parent := n.entry.parent
	open := n.entry.handles > 0
	n.fs.tree.mu.Unlock()
	var listErr error
	switch {
	case stale && open: // who has a file open does not wait, and sees a change the next time
		n.fs.renewSoon(parent)
	case stale:
		waitCtx, cancel := n.fs.forWait(ctx)
		listErr = n.fs.list(waitCtx, parent)
		cancel()
	}
	n.fs.tree.mu.Lock()
	defer n.fs.tree.mu.Unlock()
	if listErr != nil && !n.entry.holdsWork() {
		return n.fs.errno(listErr)
	}
	n.fs.attributes(n.entry, &out.Attr)
	out.SetTimeout(n.fs.ttl(n.entry))
	return 0
}

// OpendirHandle reads a folder as a whole.
func (n *node) OpendirHandle(ctx context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	d := &dirHandle{node: n}
	if errno := d.look(ctx); errno != 0 {
		return nil, 0, errno
	}
	n.fs.tree.mu.Lock()
	keep := n.entry.keepListing()
	n.fs.tree.mu.Unlock()
	if !keep {
		n.NotifyContent(0, 0)
	}
	return d, fuse.FOPEN_CACHE_DIR, 0
}

// dirHandle is an open folder, as it was when it was first read or rewound.
type dirHandle struct {
	node    *node
	entries []fuse.DirEntry // nil: not read yet
	next    int
}

var (
	_ fs.FileReaddirenter = (*dirHandle)(nil)
	_ fs.FileLookuper     = (*dirHandle)(nil)
	_ fs.FileSeekdirer    = (*dirHandle)(nil)
	_ fs.FileFsyncdirer   = (*dirHandle)(nil)
)

// look makes sure that it is known what is in the folder.
func (d *dirHandle) look(caller context.Context) syscall.Errno {
	f, dir := d.node.fs, d.node.entry
	f.noteWalk(dir)
	ctx, cancel := f.forWait(caller)
	defer cancel()
	return f.errno(f.list(ctx, dir))
}

func (d *dirHandle) read() {
	f, dir := d.node.fs, d.node.entry
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	up := dir.ino
	if dir.parent != nil {
		up = dir.parent.ino
	}
	d.entries = append(d.entries[:0], fuse.DirEntry{Name: ".", Ino: dir.ino, Mode: syscall.S_IFDIR}, fuse.DirEntry{Name: "..", Ino: up, Mode: syscall.S_IFDIR})
	for _, e := range dir.children {
		d.entries = append(d.entries, fuse.DirEntry{Name: f.shownName(e), Ino: e.ino, Mode: f.mode(e) & syscall.S_IFMT})
	}
	slices.SortFunc(d.entries[2:], func(a, b fuse.DirEntry) int { return record.CompareNames(a.Name, b.Name) })
	for i := range d.entries {
		d.entries[i].Off = uint64(i + 1)
	}
	d.next = 0
}

// Readdirent returns the next name.
func (d *dirHandle) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if d.entries == nil {
		d.read()
	}
	if d.next >= len(d.entries) {
		return nil, 0
	}
	d.next++
	return &d.entries[d.next-1], 0
}

// Seekdir goes on after the entry with that offset; 0 begins anew.
func (d *dirHandle) Seekdir(ctx context.Context, offset uint64) syscall.Errno {
	if offset == 0 && d.next > 0 {
		d.entries, d.next = nil, 0
		return d.look(ctx)
	}
	if d.entries == nil {
		d.read()
	}
	if offset > uint64(len(d.entries)) {
		return syscall.EINVAL
	}
	d.next = int(offset)
	return 0
}

// Lookup tells of a name that was just read, without asking the service.
func (d *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f := d.node.fs
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e := f.child(d.node.entry, name)
	if e == nil {
		return nil, syscall.ENOENT
	}
	return d.node.show(ctx, e, name, out), 0
}

// Fsyncdir has nothing to do: names are changed at the service at once.
func (d *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }

// Statfs tells how much space the account has.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	n.fs.statfs(out)
	return 0
}
