//go:build linux

package mount

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// trashName is the folder at every mount point that shows what is in the trash. It is
// in no listing, so that nobody walks into it by chance.
const trashName = ".trash"

// revisionName is the name of an older revision of a file: FILE@revN.
var revisionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(.+)@rev([1-9][0-9]{0,17})$`) })

// lookupExtra finds what is there for those who know its name only.
func (n *node) lookupExtra(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if name == trashName && n.entry.kind == kindMountPoint {
		n.fs.tree.mu.Lock()
		p := n.fs.tree.path(n.entry)
		n.fs.tree.mu.Unlock()
		return n.NewInode(ctx, &trashNode{fs: n.fs, top: p}, fs.StableAttr{Mode: syscall.S_IFDIR}), setDir(n.fs, out)
	}
	if m := revisionName().FindStringSubmatch(name); m != nil {
		return n.lookupRevision(ctx, m[1], m[2], out)
	}
	return nil, syscall.ENOENT
}

func setDir(f *fileSystem, out *fuse.EntryOut) syscall.Errno {
	out.Mode, out.Nlink, out.Uid, out.Gid = syscall.S_IFDIR|0o555&^f.o.Umask, 2, f.o.UID, f.o.GID
	out.SetTimes(nil, ptr(f.o.started), ptr(f.o.started))
	out.SetAttrTimeout(minTTL)
	out.SetEntryTimeout(minTTL)
	return 0
}

func (n *node) lookupRevision(ctx context.Context, name, number string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f := n.fs
	e, err := f.lookup(ctx, n.entry, name)
	if err != nil {
		return nil, f.errno(err)
	}
	if e == nil || e.isDir() {
		return nil, syscall.ENOENT
	}
	want, _ := strconv.ParseInt(number, 10, 64)
	f.tree.mu.Lock()
	p := f.tree.path(e)
	f.tree.mu.Unlock()
	waitCtx, cancel := f.forWait(ctx)
	defer cancel()
	info, err := f.service.Stat(waitCtx, p)
	if err != nil {
		return nil, f.errno(err)
	}
	for _, r := range append([]jfs.Revision{info.Revision}, info.Older...) {
		if r.Number == want && r.State == record.StateCompleted && r.MD5 != "" && r.Size >= 0 {
			return f.showOld(ctx, n, p, revisionOf(&r), out), 0
		}
	}
	return nil, syscall.ENOENT
}

// oldNode is a content that cannot be changed: an older revision, or a file in the
// trash.
type oldNode struct {
	fs.Inode
	fs    *fileSystem
	entry *entry // in no folder; its parent chain gives the path
}

// showOld returns the node of a content that the service has at p.
func (f *fileSystem) showOld(ctx context.Context, parent fs.InodeEmbedder, p jfs.Path, rev revision, out *fuse.EntryOut) *fs.Inode {
	var e *entry
	for _, part := range append([]string{""}, strings.Split(strings.TrimPrefix(string(p), "/"), "/")...) {
		e = &entry{parent: e, name: part, kind: kindFolder}
	}
	e.kind, e.stored, e.rev = kindFile, true, rev
	n := &oldNode{fs: f, entry: e}
	n.attributes(&out.Attr)
	out.SetAttrTimeout(minTTL)
	out.SetEntryTimeout(minTTL)
	return parent.EmbeddedInode().NewInode(ctx, n, fs.StableAttr{Mode: syscall.S_IFREG})
}

func (n *oldNode) attributes(out *fuse.Attr) {
	rev := n.entry.rev
	out.Mode, out.Nlink = syscall.S_IFREG|0o444&^n.fs.o.Umask, 1
	out.Uid, out.Gid = n.fs.o.UID, n.fs.o.GID
	out.Size, out.Blocks, out.Blksize = uint64(rev.size), uint64((rev.size+511)/512), blockSize
	out.SetTimes(nil, ptr(rev.modified), ptr(rev.updated))
	out.Atime = out.Mtime
}

// Getattr tells of the content.
func (n *oldNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attributes(&out.Attr)
	return 0
}

// Open opens the content for reading.
func (n *oldNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	return &oldHandle{h: &handle{fs: n.fs, entry: n.entry}}, fuse.FOPEN_KEEP_CACHE, 0
}

// oldHandle reads only.
type oldHandle struct{ h *handle }

// Read reads from the service.
func (o *oldHandle) Read(caller context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	ctx, cancel := o.h.fs.forWait(caller)
	defer cancel()
	n, err := o.h.fs.readEntry(ctx, o.h, dest, offset)
	if err != nil && err != io.EOF {
		return nil, o.h.fs.errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Release is the end of the handle.
func (o *oldHandle) Release(context.Context) syscall.Errno {
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	o.h.closeRemote()
	return 0
}

// trashNode is a folder in the trash, or the trash of a mount point.
type trashNode struct {
	fs.Inode
	fs   *fileSystem
	top  jfs.Path // the mount point; "" below the first level
	path jfs.Path // the folder that was deleted

	mu     sync.Mutex // guards what follows
	found  map[string]jfs.Entry
	order  []string
	looked time.Time
}

var (
	_ fs.NodeLookuper  = (*trashNode)(nil)
	_ fs.NodeReaddirer = (*trashNode)(nil)
	_ fs.NodeGetattrer = (*trashNode)(nil)
)

// Getattr tells that it is a folder.
func (t *trashNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var e fuse.EntryOut
	setDir(t.fs, &e)
	out.Attr = e.Attr
	return 0
}

// look asks the service what is in it. The Path of each entry is absolute then.
func (t *trashNode) look(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) < t.fs.o.DirTTL {
		return nil
	}
	found, order := map[string]jfs.Entry{}, []string(nil)
	add := func(e jfs.Entry, p string) {
		if e.Foreign || e.Kind == jfs.KindFile && (e.MD5 == "" || e.Size < 0) {
			return
		}
		e.Path = p
		name := path.Base(p)
		for n := 2; ; n++ { // several may have had the same name
			if _, taken := found[name]; !taken {
				break
			}
			name = fmt.Sprintf("%s (%d)", path.Base(p), n)
		}
		found[name] = e
		order = append(order, name)
	}
	if t.top != "" {
		for info, err := range t.fs.service.Trashed(ctx) {
			if err != nil {
				return err
			}
			if p := jfs.Path(info.Path); p.In(t.top) && p != t.top && t.top.Covers(p) {
				add(info.Entry, info.Path)
			}
		}
	} else {
		_, entries, err := t.fs.service.List(ctx, t.path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Deleted.IsZero() {
				add(e, string(t.path.Join(path.Base(e.Path))))
			}
		}
	}
	t.found, t.order, t.looked = found, order, time.Now()
	return nil
}

// Readdir lists what is in it.
func (t *trashNode) Readdir(caller context.Context) (fs.DirStream, syscall.Errno) {
	ctx, cancel := t.fs.forWait(caller)
	defer cancel()
	if err := t.look(ctx); err != nil {
		return nil, t.fs.errno(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var entries []fuse.DirEntry
	for _, name := range t.order {
		mode := uint32(syscall.S_IFDIR)
		if t.found[name].Kind == jfs.KindFile {
			mode = syscall.S_IFREG
		}
		entries = append(entries, fuse.DirEntry{Name: name, Mode: mode})
	}
	return fs.NewListDirStream(entries), 0
}

// Lookup finds a name in it.
func (t *trashNode) Lookup(caller context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	ctx, cancel := t.fs.forWait(caller)
	defer cancel()
	if err := t.look(ctx); err != nil {
		return nil, t.fs.errno(err)
	}
	t.mu.Lock()
	e, ok := t.found[name]
	t.mu.Unlock()
	switch {
	case !ok:
		out.SetEntryTimeout(1) // what is removed appears here; see lookupMissing
		return nil, syscall.ENOENT
	case e.Kind == jfs.KindFile:
		return t.fs.showOld(caller, t, jfs.Path(e.Path), revisionOf(&e.Revision), out), 0
	}
	return t.NewInode(caller, &trashNode{fs: t.fs, path: jfs.Path(e.Path)}, fs.StableAttr{Mode: syscall.S_IFDIR}), setDir(t.fs, out)
}
