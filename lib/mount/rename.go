//go:build linux

package mount

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// The flags of renameat2.
const (
	renameNoReplace = 1 << iota
	renameExchange
	renameWhiteout
)

// Rename gives an entry another place; what was there goes.
func (n *node) Rename(ctx context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := newParent.(*node)
	if !ok {
		return syscall.EXDEV
	}
	if flags&^renameNoReplace != 0 {
		return syscall.EINVAL
	}
	return n.fs.errno(n.fs.rename(ctx, n.entry, name, to.entry, newName, flags&renameNoReplace != 0))
}

func (f *fileSystem) rename(caller context.Context, dir *entry, name string, newDir *entry, newName string, noReplace bool) error {
	f.oneRename.Lock()
	defer f.oneRename.Unlock()
	e, err := f.lookup(caller, dir, name)
	if err != nil {
		return err
	}
	if e == nil {
		return syscall.ENOENT
	}
	if err := errors.Join(f.mayRemove(e), f.mayAdd(newDir, newName)); err != nil {
		return err
	}
	if f.isLink(e) {
		newName += linkSuffix
	}
	if _, err := f.lookup(caller, newDir, newName); err != nil {
		return err
	}
	f.tree.mu.Lock()
	target := newDir.children[record.Fold(newName)]
	shown := f.shownName(e)
	f.tree.mu.Unlock()
	defer f.changedAs(dir, shown, name)
	switch {
	case target == e:
		target = nil // other letters, the same name to the service
	case target == nil:
	case noReplace:
		return syscall.EEXIST
	case target.isDir() && !e.isDir():
		return syscall.EISDIR
	case !target.isDir() && e.isDir():
		return syscall.ENOTDIR
	default:
		defer f.changedAs(newDir, target.name, newName)
	}
	if e.isDir() {
		return f.renameDir(e, newDir, newName, target)
	}
	return f.renameFile(e, newDir, newName, target)
}

// renameFile moves a file at the service, as far as that has it. A file that is
// replaced gets a new revision, so that whoever reads it finds the old content or the
// new one, and the old one stays among the revisions.
func (f *fileSystem) renameFile(e, newDir *entry, newName string, target *entry) error {
	f.claim(e)
	defer e.remote.Unlock()
	if target != nil {
		f.claim(target)
		defer target.remote.Unlock()
	}
	f.tree.mu.Lock()
	begun := e.local
	f.tree.mu.Unlock()
	if target != nil && begun != nil {
		// What the service has of it is about to be removed.
		if err := f.bringAll(f.ctx, e, begun, func() bool { return false }); err != nil {
			return err
		}
	}
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	ctx, cancel := f.forOp()
	defer cancel()

	f.tree.mu.Lock()
	from, to := f.tree.path(e), f.tree.path(newDir).Join(newName)
	rev, stored, l := e.rev, e.stored || e.tried, e.local
	over := target != nil && (target.stored || target.tried)
	f.tree.mu.Unlock()

	var err error
	switch {
	case !stored: // it is here only
	case !over:
		err = f.moveStored(ctx, f.service.Move, from, to)
		if errors.Is(err, jfs.ErrNotExist) && l != nil {
			err = nil // an upload that had begun came to nothing, or somebody removed it
			stored = false
		}
	case l != nil:
		// What was written goes to the new place; what the service had at the old one
		// goes.
		if err = f.moveLocal(l, to); err == nil {
			err = f.removeStored(e)
		}
	default:
		err = f.service.TouchFile(ctx, to, jfs.Content{Size: rev.size, MD5: rev.md5, Created: rev.created, Modified: rev.modified})
		if err == nil {
			err = f.removeStored(e)
		}
	}
	if err != nil {
		return err
	}
	if l != nil {
		if err := f.moveLocal(l, to); err != nil {
			return err
		}
	}

	f.tree.mu.Lock()
	if target != nil {
		f.tree.detach(target)
	}
	f.tree.detach(e)
	f.tree.attach(e, newDir, newName)
	e.changed = time.Now()
	switch {
	case !over:
		e.stored = e.stored && stored
	case l != nil: // until it is uploaded, the service has what it had there
		e.stored = true
		e.rev.created, e.rev.number = target.rev.created, 0
	default:
		e.stored = true
		e.rev.number = 0
	}
	f.tree.mu.Unlock()
	if target != nil {
		err = f.forgetLocal(target)
	}
	if l != nil {
		f.again(e, l)
	}
	return err
}

// moveLocal notes that what was written belongs elsewhere, as lasting as it was.
func (f *fileSystem) moveLocal(l *local, to jfs.Path) error { return l.file.Move(string(to)) }

// moveStored moves something at the service, with a note of it as long as it is not
// known how that went.
func (f *fileSystem) moveStored(ctx context.Context, move func(ctx context.Context, from, to jfs.Path) error, from, to jfs.Path) error {
	intent, err := f.spool.Intend(string(from), string(to))
	if err != nil {
		return err
	}
	err = move(ctx, from, to)
	return errors.Join(err, intent.Settle(err == nil))
}

// again has an entry uploaded whose upload was broken off, unless somebody still
// writes to it.
func (f *fileSystem) again(e *entry, l *local) {
	f.tree.mu.Lock()
	idle := e.writers == 0 && e.local == l && !e.gone
	f.tree.mu.Unlock()
	if _, sent := l.state(); idle && !sent {
		f.uploads.add(e, f.o.WriteBack)
	}
}

// renameDir moves a folder at the service. Uploads of files in it are broken off and
// go on at the new place.
func (f *fileSystem) renameDir(e, newDir *entry, newName string, target *entry) error {
	if target != nil {
		if err := f.rmdir(target); err != nil {
			return err
		}
	}
	f.renaming.Lock()
	defer f.renaming.Unlock()
	ctx, cancel := f.forOp()
	defer cancel()

	f.tree.mu.Lock()
	if newDir.under(e) {
		f.tree.mu.Unlock()
		return syscall.EINVAL
	}
	from, to := f.tree.path(e), f.tree.path(newDir).Join(newName)
	var under []*sending
	sendings(e, &under)
	f.tree.mu.Unlock()
	for _, s := range under {
		s.stop()
		<-s.done
	}
	if err := f.moveStored(ctx, f.service.MoveDir, from, to); err != nil {
		return err
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	f.tree.detach(e)
	f.tree.attach(e, newDir, newName)
	return nil
}

// sendings collects the uploads under way below a folder. The tree's mu is held.
func sendings(dir *entry, found *[]*sending) {
	if dir.sending != nil {
		*found = append(*found, dir.sending)
	}
	for _, e := range dir.children {
		sendings(e, found)
	}
}
