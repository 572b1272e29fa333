//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

// junk is what systems leave in folders and nobody wants stored, in folded letters.
var junk = map[string]bool{".ds_store": true, ".spotlight-v100": true, ".trashes": true, ".fseventsd": true, "thumbs.db": true, "desktop.ini": true}

func isJunk(name string) bool {
	return junk[record.Fold(name)] || strings.HasPrefix(name, "._")
}

// mayAdd says whether a folder takes a new name.
func (f *fileSystem) mayAdd(dir *entry, name string) error {
	switch {
	case f.o.ReadOnly:
		return syscall.EROFS
	case dir.kind < kindMountPoint:
		return fmt.Errorf("create %s: devices and mount points are not made here: %w", name, syscall.EPERM)
	case isJunk(name) && !f.o.Junk:
		return fmt.Errorf("create %s: such files are kept out; --junk lets them in: %w", name, syscall.EPERM)
	case name == trashName || revisionName().MatchString(name):
		return fmt.Errorf("create %s: the name stands for something else: %w", name, syscall.EPERM)
	}
	f.tree.mu.Lock()
	p := f.tree.path(dir).Join(name)
	f.tree.mu.Unlock()
	if p.Reserved() {
		return fmt.Errorf("create %s: the name is that of a folder for notes of these programs, which a mount does not show; choose another one: %w", p, syscall.EPERM)
	}
	_, err := jfs.CheckName(name)
	return err
}

// mayRemove says whether a name may be taken away.
func (f *fileSystem) mayRemove(e *entry) error {
	switch {
	case f.o.ReadOnly:
		return syscall.EROFS
	case e.kind <= kindMountPoint:
		return fmt.Errorf("devices and mount points are not removed here: %w", syscall.EPERM)
	}
	return nil
}

// create makes an empty file that exists here only, until it is uploaded.
func (f *fileSystem) create(ctx context.Context, dir *entry, name string) (*entry, error) {
	if err := f.mayAdd(dir, name); err != nil {
		return nil, err
	}
	switch e, err := f.lookup(ctx, dir, name); {
	case err != nil:
		return nil, err
	case e != nil:
		return nil, syscall.EEXIST
	}
	file, err := f.spool.Create()
	if err != nil {
		return nil, err
	}
	f.tree.mu.Lock()
	p := f.tree.path(dir).Join(name)
	f.tree.mu.Unlock()
	// It is noted before anybody sees it: what a program has written must not have a
	// place only after it has been closed.
	if err := file.Place(string(p), time.Now(), nil); err != nil {
		return nil, errors.Join(err, file.Remove(), file.Close())
	}
	f.tree.mu.Lock()
	if f.child(dir, name) != nil || dir.gone {
		f.tree.mu.Unlock()
		return nil, errors.Join(syscall.EEXIST, file.Remove(), file.Close())
	}
	e := f.tree.add(dir, name, kindFile)
	e.changed = time.Now()
	l := newLocal(file, 0, time.Now())
	e.local = l
	f.tree.mu.Unlock()
	return e, f.follow(e, l)
}

// Create makes and opens a file.
func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := n.fs
	e, err := f.create(ctx, n.entry, name)
	if err != nil {
		return nil, nil, 0, f.errno(err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	// Whatever it may do, its end is what starts the upload.
	return n.show(ctx, e, name, out), f.newHandle(e, true), 0, 0
}

// Mknod makes a file; the service has no others.
func (n *node) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, syscall.EPERM
	}
	f := n.fs
	e, err := f.create(ctx, n.entry, name)
	if err != nil {
		return nil, f.errno(err)
	}
	if err := f.commit(e); err != nil {
		return nil, f.errno(err)
	}
	f.uploads.add(e, f.o.WriteBack)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	return n.show(ctx, e, name, out), 0
}

// Mkdir makes a folder at the service.
func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e, err := n.fs.mkdir(ctx, n.entry, name)
	if err != nil {
		return nil, n.fs.errno(err)
	}
	n.fs.tree.mu.Lock()
	defer n.fs.tree.mu.Unlock()
	return n.show(ctx, e, name, out), 0
}

func (f *fileSystem) mkdir(caller context.Context, dir *entry, name string) (*entry, error) {
	if err := f.mayAdd(dir, name); err != nil {
		return nil, err
	}
	switch e, err := f.lookup(caller, dir, name); {
	case err != nil:
		return nil, err
	case e != nil:
		return nil, syscall.EEXIST
	}
	ctx, cancel := f.forOp()
	defer cancel()
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	f.tree.mu.Lock()
	p := f.tree.path(dir).Join(name)
	f.tree.mu.Unlock()
	if err := f.service.MkDir(ctx, p); err != nil {
		return nil, err
	}
	if _, err := transfer.Respell(ctx, f.service, p); err != nil { // it is there all the same
		f.o.Warn("%s: %v", p, err)
		f.note(err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e := f.tree.add(dir, name, kindFolder)
	e.children = map[string]*entry{}
	e.listed = time.Now() // it is new, or came back from the trash without what was in it
	return e, nil
}

// Unlink puts a file into the trash, or deletes it for good.
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	e, err := n.fs.lookup(ctx, n.entry, name)
	switch {
	case err != nil:
		return n.fs.errno(err)
	case e == nil:
		return syscall.ENOENT
	case e.isDir():
		return syscall.EISDIR
	}
	n.fs.tree.mu.Lock()
	shown := n.fs.shownName(e)
	n.fs.tree.mu.Unlock()
	err = n.fs.unlink(e)
	n.fs.changedAs(n.entry, shown, name)
	return n.fs.errno(err)
}

func (f *fileSystem) unlink(e *entry) error {
	if err := f.mayRemove(e); err != nil {
		return err
	}
	f.claim(e)
	defer e.remote.Unlock()
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	if err := f.removeStored(e); err != nil {
		return err
	}
	f.tree.mu.Lock()
	f.tree.detach(e)
	f.tree.mu.Unlock()
	return f.forgetLocal(e)
}

// removeStored removes what the service has of a file. The caller has claimed the
// entry, and keeps folders from being renamed.
func (f *fileSystem) removeStored(e *entry) error {
	f.tree.mu.Lock()
	p, stored := f.tree.path(e), e.stored || e.tried
	f.tree.mu.Unlock()
	if !stored {
		return nil
	}
	ctx, cancel := f.forOp()
	defer cancel()
	remove := f.service.Trash
	if f.o.HardDelete {
		remove = f.service.Remove
	}
	err := remove(ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return nil // somebody was faster
	}
	return err
}

// forgetLocal ends what was written to an entry that has gone; those who have it
// open keep it until they close it.
func (f *fileSystem) forgetLocal(e *entry) error {
	f.uploads.forget(e)
	f.tree.mu.Lock()
	l, open := e.local, e.handles > 0
	if !open {
		e.local = nil
	}
	f.tree.mu.Unlock()
	switch {
	case l == nil:
		return nil
	case open:
		return l.file.Remove()
	}
	return f.drop(l, (*spool.File).Remove)
}

// Rmdir removes an empty folder.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	e, err := n.fs.lookup(ctx, n.entry, name)
	switch {
	case err != nil:
		return n.fs.errno(err)
	case e == nil:
		return syscall.ENOENT
	case !e.isDir():
		return syscall.ENOTDIR
	}
	return n.fs.errno(n.fs.rmdir(e))
}

func (f *fileSystem) rmdir(e *entry) error {
	if err := f.mayRemove(e); err != nil {
		return err
	}
	ctx, cancel := f.forOp()
	defer cancel()
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	// The service would remove what is in it, too, so the listing must be of now.
	for fresh, tries := false, 0; !fresh; tries++ {
		f.tree.mu.Lock()
		empty := len(e.children) == 0 || e.listed.IsZero()
		f.tree.mu.Unlock()
		if !empty || tries > 3 {
			return syscall.ENOTEMPTY
		}
		var err error
		fresh, err = f.relist(ctx, e)
		if errors.Is(err, jfs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	f.tree.mu.Lock()
	p, empty, hidden := f.tree.path(e), len(e.children) == 0, e.hidden
	f.tree.mu.Unlock()
	switch {
	case !empty:
		return syscall.ENOTEMPTY
	case hidden != "":
		return fmt.Errorf("%s holds %q, which a mount does not show; delete it elsewhere: %w", p, hidden, syscall.ENOTEMPTY)
	}
	remove := f.service.TrashDir
	if f.o.HardDelete {
		remove = f.service.RemoveDir
	}
	if err := remove(ctx, p); err != nil && !errors.Is(err, jfs.ErrNotExist) {
		return err
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	f.tree.detach(e)
	return nil
}

// Link fails: the service has no second names.
func (n *node) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}
