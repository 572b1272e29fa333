//go:build linux

package mount

import (
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/jfs"
)

// Setattr changes size and times. The time of the last access lasts as long as the mount. Owner and permissions are the same for all files;
// Options.Chmod says what becomes of wishes for others.
func (n *node) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f, e := n.fs, n.entry
	if f.o.ReadOnly {
		return syscall.EROFS
	}
	if errno := f.mayOwn(e, in); errno != 0 {
		return errno
	}
	if size, ok := in.GetSize(); ok {
		if e.isDir() {
			return syscall.EISDIR
		}
		if err := f.truncate(ctx, e, int64(size)); err != nil {
			return f.errno(err)
		}
	}
	if mtime, ok := in.GetMTime(); ok {
		if err := f.setModified(e, mtime); err != nil {
			return f.errno(err)
		}
	}
	f.tree.mu.Lock()
	alias := n.isAlias()
	f.tree.mu.Unlock()
	f.rewritten(e, alias)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if atime, ok := in.GetATime(); ok {
		e.accessed = atime
	}
	f.attributes(e, &out.Attr)
	out.SetTimeout(f.ttl(e))
	return 0
}

// mayOwn refuses another owner or other permissions than there are, if wanted.
func (f *fileSystem) mayOwn(e *entry, in *fuse.SetAttrIn) syscall.Errno {
	if !f.o.RefuseChmod {
		return 0
	}
	f.tree.mu.Lock()
	now := f.mode(e)
	f.tree.mu.Unlock()
	mode, chmod := in.GetMode()
	uid, chown := in.GetUID()
	gid, chgrp := in.GetGID()
	if chmod && mode&0o7777 != now&0o7777 || chown && uid != f.o.UID || chgrp && gid != f.o.GID {
		return syscall.EPERM
	}
	return 0
}

// truncate gives a file another size. Somebody who has it not open is its writer for
// that long.
func (f *fileSystem) truncate(caller context.Context, e *entry, size int64) error {
	f.tree.mu.Lock()
	if size > 0 && e.local == nil && e.rev.size == size {
		f.tree.mu.Unlock()
		return f.setModified(e, time.Now()) // there is nothing to fetch for
	}
	e.handles++
	e.writers++
	f.tree.mu.Unlock()
	err := f.change(caller, e, size, func(l *local) error { return l.truncate(size) })
	if releaseErr := f.release(e, true); err == nil {
		err = releaseErr
	}
	return err
}

// setModified sets the time of an entry: at the service, or on what waits to go
// there. Folders have times only here and now, since the service keeps none.
func (f *fileSystem) setModified(e *entry, t time.Time) error {
	if e.isDir() {
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		e.modified = t
		return nil
	}
	f.claim(e)
	defer e.remote.Unlock()
	f.tree.mu.Lock()
	l, gone, idle := e.local, e.gone, e.writers == 0
	e.changed = time.Now()
	f.tree.mu.Unlock()
	if l != nil {
		if err := l.setModified(t); err != nil {
			return err
		}
		if idle && !gone {
			f.uploads.add(e, f.o.WriteBack)
		}
		return nil
	}
	if gone {
		return nil
	}
	return f.touchStored(e, t)
}

func (f *fileSystem) touchStored(e *entry, t time.Time) error {
	t = t.Truncate(time.Second)
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	f.tree.mu.Lock()
	p, rev := f.tree.path(e), e.rev
	f.tree.mu.Unlock()
	if rev.modified.Equal(t) {
		return nil
	}
	created := rev.created
	if created.IsZero() {
		created = t
	}
	ctx, cancel := f.forOp()
	defer cancel()
	if err := f.service.TouchFile(ctx, p, jfs.Content{Size: rev.size, MD5: rev.md5, Created: created, Modified: t}); err != nil {
		return err
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if e.rev.md5 == rev.md5 {
		e.rev.modified = t
	}
	if e.parent != nil {
		e.parent.version++
	}
	return nil
}
