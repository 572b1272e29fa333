//go:build linux

package mount

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/spool"
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
		if err := errors.Join(f.bringBefore(e), f.noteBefore(target)); err != nil {
			return err
		}
	}
	f.renaming.RLock()
	defer f.renaming.RUnlock()
	m := f.moveOf(e, newDir, newName, target)
	if err := f.moveFile(m); err != nil {
		return err
	}
	f.moved(m, newDir, newName)
	var err error
	if target != nil {
		err = f.forgetLocal(target)
	}
	if m.local != nil {
		err = errors.Join(err, f.follow(e, m.local))
		f.again(e, m.local)
	}
	return err
}

// noteBefore notes what of an entry that is about to be replaced an earlier mount may
// have sent.
func (f *fileSystem) noteBefore(e *entry) error {
	f.tree.mu.Lock()
	l := e.local
	f.tree.mu.Unlock()
	if l == nil {
		return nil
	}
	if err := l.noteFound(); !errors.Is(err, errDropped) {
		return err
	}
	return nil // the service has it, and the entry says so
}

// fileMove is the renaming of a file.
type fileMove struct {
	entry, target *entry // target is what is replaced; nil if nothing is
	from, to      jfs.Path
	local         *local   // what was written to it; nil if nothing was
	rev           revision // what the service has of it
	stored        bool     // it has, or may have
	over          bool     // it has, or may have, something of the target
	before        []spool.Content
}

func (f *fileSystem) moveOf(e, newDir *entry, newName string, target *entry) *fileMove {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	m := &fileMove{entry: e, target: target, from: f.tree.path(e), to: f.tree.path(newDir).Join(newName),
		local: e.local, rev: e.rev, stored: e.stored || e.tried}
	if target != nil {
		m.over = target.stored || target.tried
		m.before = target.before()
	}
	return m
}

// bringBefore fetches what of an entry is still at the service, where it is about to
// be removed.
func (f *fileSystem) bringBefore(e *entry) error {
	f.tree.mu.Lock()
	l := e.local
	f.tree.mu.Unlock()
	if l == nil {
		return nil
	}
	return f.bringAll(f.ctx, e, l, func() bool { return false })
}

// moveFile does what there is to do at the service and in the spool. That an upload of
// the file came to nothing is found out here.
func (f *fileSystem) moveFile(m *fileMove) error {
	ctx, cancel := f.forOp()
	defer cancel()
	if m.stored && !m.over {
		err := f.moveStored(ctx, f.service.Move, m.from, m.to)
		if errors.Is(err, jfs.ErrNotExist) && m.local != nil {
			m.stored, err = false, nil // or somebody has removed it
		}
		if err != nil {
			return err
		}
	}
	if m.local != nil {
		if err := m.local.file.Move(string(m.to), m.before...); err != nil {
			return err
		}
	}
	if !m.stored || !m.over {
		return nil
	}
	if m.local == nil {
		content := jfs.Content{Size: m.rev.size, MD5: m.rev.md5, Created: m.rev.created, Modified: m.rev.modified}
		if err := f.service.TouchFile(ctx, m.to, content); err != nil {
			return err
		}
	}
	return f.removeStored(m.entry)
}

// moved carries a renaming out in the tree.
func (f *fileSystem) moved(m *fileMove, newDir *entry, newName string) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e := m.entry
	if m.target != nil {
		f.tree.detach(m.target)
	}
	f.tree.detach(e)
	f.tree.attach(e, newDir, newName)
	e.changed = time.Now()
	if !m.over {
		e.stored = e.stored && m.stored
		return
	}
	e.stored, e.rev.number = true, 0
	if m.local != nil { // until it is uploaded, the service has what it had there
		e.rev.created = m.target.rev.created
	}
}

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
	f.tree.detach(e)
	f.tree.attach(e, newDir, newName)
	files := e.locals(nil)
	f.tree.mu.Unlock()
	var err error
	for _, e := range files { // that got theirs while the folder was moved
		f.tree.mu.Lock()
		l := e.local
		f.tree.mu.Unlock()
		if l != nil {
			err = errors.Join(err, f.follow(e, l))
		}
	}
	return err
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
