//go:build linux

package mount

import (
	"context"
	"errors"
	"strings"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// views are folders of the built-in device that show what is elsewhere.
var views = map[string]bool{"latest": true, "links": true, "trash": true}

// list makes sure that it is known what a folder holds, asking the service if that has
// not been done for a while. If there is no answer, what was known has to do.
func (f *fileSystem) list(ctx context.Context, dir *entry) error {
	err := f.isAway()
	if err == nil {
		err = f.renew(ctx, dir)
		f.noteSilence(err)
	}
	if err == nil || !mayPass(err) {
		return err
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if dir.listed.IsZero() {
		return err
	}
	f.note(err)
	return nil
}

// renew is list without a second thought.
func (f *fileSystem) renew(ctx context.Context, dir *entry) error {
	for tries := 0; ; tries++ {
		f.tree.mu.Lock()
		if !dir.listed.IsZero() && time.Since(dir.listed) < f.o.DirTTL || dir.gone {
			f.tree.mu.Unlock()
			return nil
		}
		filling := f.fillOf(dir)
		f.tree.mu.Unlock()
		if filling != nil && tries == 0 {
			select { // a listing of all is under way; it may be here in a moment
			case <-filling:
				continue
			case <-time.After(fillPatience):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		fresh, err := f.relist(ctx, dir)
		if err != nil || fresh || tries > 3 {
			return err
		}
	}
}

// renewSoon is list for somebody who does not wait for it.
func (f *fileSystem) renewSoon(dir *entry) {
	f.tree.mu.Lock()
	busy := dir.renewing
	dir.renewing = true
	f.tree.mu.Unlock()
	if busy {
		return
	}
	f.running.Go(func() {
		ctx, cancel := f.forAnswer()
		defer cancel()
		if err := f.list(ctx, dir); err != nil && f.ctx.Err() == nil {
			f.note(err)
		}
		f.tree.mu.Lock()
		dir.renewing = false
		f.tree.mu.Unlock()
	})
}

// relist asks the service what a folder holds. It reports false if the answer was
// older than what has been changed here.
func (f *fileSystem) relist(ctx context.Context, dir *entry) (bool, error) {
	f.tree.mu.Lock()
	p, version, asked := f.tree.path(dir), dir.version, time.Now()
	f.tree.mu.Unlock()
	info, entries, err := f.service.List(ctx, p)
	if err == nil && !info.Deleted.IsZero() {
		err = &jfs.Error{Op: "list", Path: p, Class: record.ClassNotFound, Message: "it is in the trash"}
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if errors.Is(err, jfs.ErrNotExist) && dir.holdsWork() {
		// Somebody else has removed the folder. Storing what is in it will make it again.
		entries, err = nil, nil
	}
	if errors.Is(err, jfs.ErrNotExist) && !dir.gone {
		f.tree.detach(dir)
	}
	if err != nil {
		return false, err
	}
	if dir.version != version {
		return false, nil
	}
	found := make([]foundEntry, 0, len(entries))
	dir.hidden = ""
	for i := range entries {
		e, ok := f.visible(dir, &entries[i])
		switch {
		case ok && p.Covers(p.Join(entries[i].Path)):
			found = append(found, e)
		case entries[i].Deleted.IsZero():
			dir.hidden = entries[i].Path
		}
	}
	f.merge(dir, found, asked)
	return true, nil
}

// foundEntry is one name in a listing.
type foundEntry struct {
	name string
	kind kind
	rev  revision
}

// visible turns an entry of a listing into what the mount shows.
func (f *fileSystem) visible(dir *entry, e *jfs.Entry) (foundEntry, bool) {
	name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]
	if e.Foreign || !e.Live() || name == "" {
		return foundEntry{}, false
	}
	found := foundEntry{name: name, kind: kindFolder}
	switch e.Kind {
	case jfs.KindDevice:
		found.kind = kindDevice
	case jfs.KindMountPoint:
		found.kind = kindMountPoint
		if views[record.Fold(name)] && record.Fold(dir.name) == "jotta" {
			return found, false
		}
	case jfs.KindFile:
		if e.MD5 == "" || e.Size < 0 {
			return found, false
		}
		found.kind, found.rev = kindFile, revisionOf(&e.Revision)
	}
	return found, true
}

// merge brings a folder up to what a listing says. What was written here and is not
// stored yet stays. The tree's mu is held.
func (f *fileSystem) merge(dir *entry, found []foundEntry, asked time.Time) {
	if dir.children == nil {
		dir.children = make(map[string]*entry, len(found))
	}
	seen := make(map[string]bool, len(found))
	changed := false
	for _, n := range found {
		key := record.Fold(n.name)
		if seen[key] {
			continue // the service should not have both
		}
		seen[key] = true
		e := dir.children[key]
		if e != nil && e.isDir() != (n.kind != kindFile) {
			if e.holdsWork() {
				continue // it will be told why it cannot be stored
			}
			f.tree.detach(e)
			e = nil
		}
		if e == nil {
			e = f.tree.add(dir, n.name, n.kind)
			e.modified = f.o.started
			changed = true
		}
		e.name, e.kind = n.name, n.kind
		if n.kind == kindFile {
			number := e.rev.number
			if n.rev.number == 0 && n.rev.md5 == e.rev.md5 {
				n.rev.number = number
			}
			if n.rev.md5 == e.rev.md5 && (number == 0 || number == n.rev.number) {
				n.rev.updated = e.rev.updated
			}
			e.stored, e.rev = true, n.rev
		}
	}
	for key, e := range dir.children {
		switch {
		case seen[key]:
		case e.holdsWork():
			e.stored = false
		default:
			f.tree.detach(e)
			changed = true
		}
	}
	if !changed {
		dir.listed = asked
		return
	}
	if dir.listed.IsZero() {
		dir.modified = f.o.started // that was no change but news
	}
	dir.listed = asked
}

// The rules by which a walk is noticed, and by which it is helped along.
const (
	walkWindow   = 15 * time.Second // how soon folders must be read after each other
	walkFolders  = 3                // how many of them
	fillPatience = 2 * time.Second  // how long a folder waits for the listing of all
	fillMost     = 200_000          // entries that one may bring, so that memory is bounded
	fillPause    = 5 * time.Minute  // after one that failed
)

// noteWalk notes that a folder is read as a whole. If its neighbours have just been,
// somebody walks the tree, and everything is listed with one request.
func (f *fileSystem) noteWalk(dir *entry) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	now := time.Now()
	fresh := !dir.listed.IsZero() && now.Sub(dir.listed) < f.o.DirTTL
	dir.walked = now
	if fresh {
		return
	}
	dir.walks = 0
	var top *entry
	for e := dir.parent; e != nil && e.kind >= kindMountPoint && now.Sub(e.walked) < walkWindow; e = e.parent {
		e.walks++
		top = e
	}
	if top == nil || top.walks < walkFolders || f.fillOf(top) != nil || now.Sub(top.unfilled) < fillPause {
		return
	}
	top.filling = make(chan struct{})
	f.running.Go(func() { f.fill(top) })
}

// fillOf returns what to wait for if all of a folder is being listed. The tree's mu
// is held.
func (f *fileSystem) fillOf(e *entry) chan struct{} {
	for ; e != nil; e = e.parent {
		if e.filling != nil {
			return e.filling
		}
	}
	return nil
}

// errTooMany ends a listing of all that would take too much memory.
var errTooMany = errors.New("too many entries to keep them all")

// fill lists everything below a folder with one request.
func (f *fileSystem) fill(top *entry) {
	f.tree.mu.Lock()
	p, asked := f.tree.path(top), time.Now()
	versions := map[*entry]int{}
	f.noteVersions(top, versions)
	f.tree.mu.Unlock()

	folders := map[string][]foundEntry{"": nil}
	err := f.listAll(p, folders)

	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	close(top.filling)
	top.filling = nil
	if err != nil {
		top.unfilled = time.Now()
		f.o.Info("list all of %s: %v; folders are listed one by one", p, err)
		return
	}
	f.mergeAll(top, "", folders, versions, asked)
}

// noteVersions remembers which state of each known folder a listing is older than.
func (f *fileSystem) noteVersions(dir *entry, versions map[*entry]int) {
	versions[dir] = dir.version
	for _, e := range dir.children {
		if e.isDir() {
			f.noteVersions(e, versions)
		}
	}
}

func (f *fileSystem) listAll(p jfs.Path, folders map[string][]foundEntry) error {
	n := 0
	for e, err := range f.service.ListTree(f.ctx, p) {
		if err != nil {
			return err
		}
		if !p.Covers(p.Join(e.Path)) {
			continue
		}
		if n++; n > fillMost {
			return errTooMany
		}
		dir := ""
		if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
			dir = e.Path[:i]
		}
		if found, ok := f.visible(nil, &e); ok {
			folders[dir] = append(folders[dir], found)
			if found.kind == kindFolder && folders[e.Path] == nil {
				folders[e.Path] = []foundEntry{}
			}
		}
	}
	return nil
}

// mergeAll brings all folders up to a listing, except those that were changed here
// or listed since it was asked for. The tree's mu is held.
func (f *fileSystem) mergeAll(dir *entry, path string, folders map[string][]foundEntry, versions map[*entry]int, asked time.Time) {
	found, listed := folders[path]
	version, known := versions[dir]
	if known && dir.version != version || !listed {
		return
	}
	if dir.listed.Before(asked) {
		f.merge(dir, found, asked)
	}
	for _, e := range dir.children {
		if e.isDir() {
			below := e.name
			if path != "" {
				below = path + "/" + e.name
			}
			f.mergeAll(e, below, folders, versions, asked)
		}
	}
}
