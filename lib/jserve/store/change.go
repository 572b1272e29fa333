package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// change runs fn in a write transaction and returns the entry at the end of the
// chain that fn returns.
func (s *Store) change(fn func(*tx) ([]Node, error)) (e Entry, err error) {
	return s.changeBy(s.update, fn)
}

// growth is change for what may take an account beyond its quota.
func (s *Store) growth(fn func(*tx) ([]Node, error)) (e Entry, err error) {
	err = s.makingRoom(func() (err error) {
		e, err = s.change(fn)
		return err
	})
	return e, err
}

func (s *Store) changeBy(submit func(func(*tx) error) error, fn func(*tx) ([]Node, error)) (e Entry, err error) {
	err = submit(func(t *tx) error {
		chain, err := fn(t)
		if err != nil {
			return err
		}
		e = entry(chain)
		return nil
	})
	return e, err
}

// MakeDevice makes a device, and returns the one of that name if there is one.
// The type is kept in capitals; none means WORKSTATION. Source: docs/protocol.md, section 7.9.
func (s *Store) MakeDevice(user, name, kind string) (Entry, error) {
	if kind == "" {
		kind = "WORKSTATION"
	}
	if err := CheckName(kind); err != nil {
		return Entry{}, fmt.Errorf("type of the device: %w", err)
	}
	return s.change(func(t *tx) ([]Node, error) {
		u, err := t.user(user)
		if err != nil {
			return nil, err
		}
		d, ok, err := t.lookup(u.ID, name, classDir)
		if err == nil && !ok {
			if d, err = t.newChild(u.ID, KindDevice, name); err == nil {
				d.DeviceType = strings.ToUpper(kind)
				err = t.put(&d)
			}
		}
		return []Node{u, d}, err
	})
}

// MakeMountPoint makes a mount point, or revives or returns the one of that
// name. created is false if it was there. Source: docs/protocol.md, section 7.10.
func (s *Store) MakeMountPoint(user string, p Path) (e Entry, created bool, err error) {
	if len(p) != 2 {
		return e, false, fmt.Errorf("%w: %s is not a mount point", ErrInvalid, p)
	}
	err = s.update(func(t *tx) error {
		created = false
		chain, err := t.resolve(user, p[:1])
		if err != nil {
			return err
		}
		m, ok, err := t.step(chain[1].ID, p[1], classDir)
		switch {
		case err != nil:
		case !ok:
			created = true
			m, err = t.newChild(chain[1].ID, KindMountPoint, p[1].Name)
		case m.Deleted != 0:
			err = t.revive(chain[0].ID, &m)
		}
		e = entry(append(chain, m))
		return err
	})
	return e, created, err
}

// MakeFolder makes a folder and its parents, or revives or returns the one that
// is there. Source: docs/protocol.md, section 7.2.
func (s *Store) MakeFolder(user string, p Path) (Entry, error) {
	// Most folders a client asks for exist; then no commit is needed.
	if e, err := s.Stat(user, p); err == nil && e.Deleted == 0 && (e.Kind == KindFolder || e.Kind == KindMountPoint) {
		return e, nil
	}
	return s.change(func(t *tx) ([]Node, error) {
		chain, _, err := t.ensureFolder(user, p)
		return chain, err
	})
}

// Trash marks a file or mount point (command dl) or a folder (dlDir) as deleted.
// What is in the trash already keeps its time. The built-in mount points cannot
// be trashed. Source: docs/protocol.md, section 7.3.
func (s *Store) Trash(user string, p Path, dir bool) (Entry, error) {
	return s.changeBy(s.deletion, func(t *tx) ([]Node, error) {
		chain, n, err := t.target(user, p, dir)
		if err != nil {
			return nil, err
		}
		if n.Kind == KindDevice {
			return nil, fmt.Errorf("%w: the device /%s%s cannot be put into the trash; rm removes it", ErrInvalid, user, p)
		}
		if n.Deleted != 0 {
			return chain, nil
		}
		own, err := t.node(n.ID)
		if err != nil {
			return nil, err
		}
		if err := t.mark(chain[0].ID, &own, t.now); err != nil {
			return nil, err
		}
		n.Deleted = own.Deleted
		return chain, nil
	})
}

// target resolves what dl, rm, dlDir and rmDir are about.
func (t *tx) target(user string, p Path, dir bool) (chain []Node, n *Node, err error) {
	chain, err = t.resolve(user, p)
	if err != nil {
		if !dir && errors.Is(err, ErrNoPath) {
			err = fmt.Errorf("%w: File /%s%s does not exist", ErrNoFile, user, p)
		}
		return nil, nil, err
	}
	n = &chain[len(chain)-1]
	switch {
	case dir && n.Kind != KindFolder:
		return nil, nil, fmt.Errorf("%w: Directory /%s%s", ErrNoPath, user, p)
	case n.Kind == KindFolder && !dir:
		return nil, nil, fmt.Errorf("%w: File /%s%s does not exist", ErrNoFile, user, p)
	case n.Kind == KindMountPoint && chain[1].DeviceType == deviceType && isBuiltin(n.Name),
		n.Kind == KindDevice && n.DeviceType == deviceType, n.Kind == KindUser:
		return nil, nil, fmt.Errorf("%w: /%s%s is built in", ErrForbidden, user, p)
	}
	return chain, n, nil
}

func isBuiltin(mountPoint string) bool {
	for _, b := range builtinMountPoints {
		if Fold(b) == Fold(mountPoint) {
			return true
		}
	}
	return false
}

// Remove deletes a file, mount point or device (command rm) or a folder (rmDir)
// for good, live or trashed, and returns its parent. The names are gone at once;
// the janitor frees what was beneath. Source: docs/protocol.md, section 7.4.
func (s *Store) Remove(user string, p Path, dir bool) (Entry, error) {
	return s.changeBy(s.deletion, func(t *tx) ([]Node, error) {
		chain, n, err := t.target(user, p, dir)
		if err != nil {
			return nil, err
		}
		if err := t.remove(chain[0].ID, n.ID); err != nil {
			return nil, err
		}
		return chain[:len(chain)-1], nil
	})
}

// remove puts a node in limbo.
func (t *tx) remove(user, id ID) error {
	n, err := t.node(id)
	if err != nil {
		return err
	}
	if n.Kind != KindFile || n.Current() != nil {
		if err := t.note(ChangeRemoved, id, ""); err != nil {
			return err
		}
	}
	if n.Deleted == 0 {
		if err := t.addUsage(n.Parent, -t.weight(&n), 0); err != nil {
			return err
		}
	} else if err := t.trash.Delete(trashKey(user, &n)); err != nil {
		return err
	}
	t.reap = true
	if err := t.unlink(&n); err != nil {
		return err
	}
	n.Parent, n.Deleted = limboID, 0
	return errors.Join(t.insert(&n), t.removed.Put(idKey(id), idKey(user)))
}

// Move gives a file (command mv) or folder (mvDir; mv takes folders too) another
// place and name, with everything it has. A live file in the way of a file goes
// to the trash. Source: docs/protocol.md, section 7.5.
func (s *Store) Move(user string, from, to Path, dir bool) (Entry, error) {
	return s.change(func(t *tx) ([]Node, error) {
		chain, err := t.resolve(user, from)
		if errors.Is(err, ErrNoPath) || err == nil && chain[len(chain)-1].Deleted != 0 {
			return nil, sourceMissing(user, from, dir)
		}
		if err != nil {
			return nil, err
		}
		n, err := t.node(chain[len(chain)-1].ID)
		switch {
		case err != nil:
			return nil, err
		case n.Kind != KindFile && n.Kind != KindFolder:
			return nil, fmt.Errorf("%w: /%s%s cannot be moved", ErrInvalid, user, from)
		case dir && n.Kind == KindFile:
			return nil, sourceMissing(user, from, true)
		case len(to) < 3:
			return nil, fmt.Errorf("%w: cannot move to %s", ErrInvalid, to)
		}
		if err := checkWritable(to); err != nil {
			return nil, err
		}
		name := to[len(to)-1].Name
		if err := CheckName(name); err != nil {
			return nil, err
		}
		parents, _, err := t.ensureFolder(user, to[:len(to)-1])
		if err != nil {
			return nil, err
		}
		for _, above := range parents {
			if above.ID == n.ID {
				return nil, fmt.Errorf("%w: cannot move /%s%s into itself", ErrInvalid, user, from)
			}
		}
		parent := parents[len(parents)-1].ID
		there, ok, err := t.lookup(parent, name, classDir, classFile)
		if err != nil {
			return nil, err
		}
		if ok && there.Deleted == 0 && there.ID != n.ID {
			if n.Kind != KindFile || there.Kind != KindFile {
				return nil, fmt.Errorf("%w: /%s%s exists", ErrConflict, user, to)
			}
			if err := t.mark(parents[0].ID, &there, t.now); err != nil {
				return nil, err
			}
		}
		old := entry(chain)
		weight := t.weight(&n)
		if err := errors.Join(t.addUsage(n.Parent, -weight, 0), t.unlink(&n)); err != nil {
			return nil, err
		}
		n.Parent, n.Name = parent, name
		if err := errors.Join(t.insert(&n), t.addUsage(parent, weight, 0)); err != nil {
			return nil, err
		}
		return append(parents, n), t.note(ChangeMoved, n.ID, old.Path())
	})
}

func sourceMissing(user string, p Path, dir bool) error {
	if dir {
		return fmt.Errorf("%w: Source directory /%s%s does not exist", ErrNoPath, user, p)
	}
	return fmt.Errorf("%w: Source file /%s%s does not exist", ErrNoFile, user, p)
}

// Copy makes the file at to hold the current content and times of the one at
// from, as a new revision if there is one already. Source: docs/protocol.md, section 7.6.
func (s *Store) Copy(user string, from, to Path, quota int64) (Entry, error) {
	return s.copy(user, from, to, quota, (*tx).addContent)
}

// CopyIntoTrash is Copy with a fault of the service: a copy onto a trashed file
// succeeds, but stays in the trash. Source: docs/protocol.md, section 7.6.
func (s *Store) CopyIntoTrash(user string, from, to Path, quota int64) (Entry, error) {
	return s.copy(user, from, to, quota, func(t *tx, user ID, n *Node, r Revision, quota int64) error {
		if n.Deleted == 0 {
			return t.addContent(user, n, r, quota)
		}
		if err := t.replaced(n); err != nil {
			return err
		}
		r.State, r.token = Completed, ""
		held := t.holds(user)
		if err := errors.Join(t.ref(user, r.MD5, r.Size), t.drop(user, n.addRevision(r)), t.put(n)); err != nil {
			return err
		}
		return t.fits(user, held, quota)
	})
}

// copy has add give the target its content.
func (s *Store) copy(user string, from, to Path, quota int64, add func(*tx, ID, *Node, Revision, int64) error) (Entry, error) {
	return s.growth(func(t *tx) ([]Node, error) {
		chain, err := t.resolve(user, from)
		if err != nil && !errors.Is(err, ErrNoPath) {
			return nil, err
		}
		if err != nil || chain[len(chain)-1].Deleted != 0 || chain[len(chain)-1].Current() == nil {
			return nil, sourceMissing(user, from, false)
		}
		src := chain[len(chain)-1]
		if len(to) < 3 {
			return nil, fmt.Errorf("%w: cannot copy to %s", ErrInvalid, to)
		}
		parents, n, err := t.ensureFile(user, to)
		if err != nil {
			return nil, err
		}
		if n.ID == src.ID {
			return append(parents, n), nil
		}
		r := *src.Current()
		r.Updated, r.token = t.now, ""
		err = add(t, parents[0].ID, &n, r, quota)
		return append(parents, n), err
	})
}

// ensureFile finds the live or last trashed file at a path, or makes one
// without revisions. The folders above are made and revived; a trashed file
// stays in the trash until it has content.
func (t *tx) ensureFile(user string, p Path) (parents []Node, n Node, err error) {
	if len(p) < 3 {
		return nil, n, fmt.Errorf("%w: %s is not the path of a file", ErrInvalid, p)
	}
	if err := checkWritable(p); err != nil {
		return nil, n, err
	}
	last := p[len(p)-1]
	parents, _, err = t.ensureFolder(user, p[:len(p)-1])
	if err != nil {
		return nil, n, err
	}
	parent := parents[len(parents)-1].ID
	n, ok, err := t.step(parent, last, classFile)
	if err != nil {
		return nil, n, err
	}
	if !ok || n.Deleted != 0 {
		if d, found, err := t.lookup(parent, last.Name, classDir); err != nil {
			return nil, n, err
		} else if found && d.Deleted == 0 {
			return nil, n, fmt.Errorf("%w: a folder is called /%s%s", ErrConflict, user, p)
		}
	}
	if !ok {
		n, err = t.newChild(parent, KindFile, last.Name)
	}
	return parents, n, err
}

// addContent gives a file a new complete revision whose content is stored, and
// takes the file out of the trash. Its folder must be live.
func (t *tx) addContent(user ID, n *Node, r Revision, quota int64) error {
	held := t.holds(user)
	if n.Deleted != 0 {
		if err := t.revive(user, n); err != nil {
			return err
		}
	}
	before := n.currentSize()
	if err := t.replaced(n); err != nil {
		return err
	}
	r.State, r.token = Completed, ""
	if err := errors.Join(t.ref(user, r.MD5, r.Size), t.drop(user, n.addRevision(r))); err != nil {
		return err
	}
	if err := t.fits(user, held, quota); err != nil {
		return err
	}
	if err := errors.Join(t.put(n), t.addUsage(n.Parent, r.Size-before, r.Updated)); err != nil {
		return err
	}
	return t.note(ChangeContent, n.ID, "")
}

// drop frees what revisions held that have been taken out of their node, of an account.
func (t *tx) drop(user ID, revisions []Revision) error {
	for i := range revisions {
		r := &revisions[i]
		if r.State == Completed {
			if err := t.unref(user, r.MD5, r.Size); err != nil {
				return err
			}
		}
		if err := t.dropUpload(r); err != nil {
			return err
		}
	}
	return nil
}

// Share gives a file or folder its public URI; sharing twice keeps the first.
// Source: docs/protocol.md, section 6.11.
func (s *Store) Share(user string, p Path) (Entry, error) {
	return s.change(func(t *tx) ([]Node, error) {
		chain, n, err := t.shareable(user, p)
		if err != nil || n.PublicURI != "" {
			return chain, err
		}
		var uri [16]byte
		rand.Read(uri[:])
		return chain, t.setShare(chain, n, hex.EncodeToString(uri[:]))
	})
}

// Unshare takes the public URI away; it is no error if there is none.
func (s *Store) Unshare(user string, p Path) (Entry, error) {
	return s.change(func(t *tx) ([]Node, error) {
		chain, n, err := t.shareable(user, p)
		if err != nil || n.PublicURI == "" {
			return chain, err
		}
		return chain, t.setShare(chain, n, "")
	})
}

func (t *tx) shareable(user string, p Path) ([]Node, *Node, error) {
	chain, err := t.resolve(user, p)
	if err != nil {
		return nil, nil, err
	}
	n := &chain[len(chain)-1]
	if n.Kind != KindFile && n.Kind != KindFolder {
		return nil, nil, fmt.Errorf("%w: /%s%s cannot be shared", ErrInvalid, user, p)
	}
	return chain, n, nil
}

func (t *tx) setShare(chain []Node, n *Node, uri string) error {
	if n.PublicURI != "" {
		if err := t.shares.Delete(shareKey(chain[0].ID, n.PublicURI)); err != nil {
			return err
		}
	}
	own, err := t.node(n.ID) // without inherited marks
	if err != nil {
		return err
	}
	own.PublicURI, n.PublicURI = uri, uri
	if err := t.put(&own); err != nil {
		return err
	}
	if uri == "" {
		return t.note(ChangeUnshared, n.ID, "")
	}
	if err := t.shares.Put(shareKey(chain[0].ID, uri), idKey(n.ID)); err != nil {
		return err
	}
	return t.note(ChangeShared, n.ID, "")
}

func shareKey(user ID, uri string) []byte { return append(idKey(user), uri...) }

// Shared finds a live shared entry by its public URI. ErrNoFile if there is none.
func (s *Store) Shared(user, uri string) (e Entry, err error) {
	err = s.view(func(t *tx) error {
		gone := fmt.Errorf("%w: share %s", ErrNoFile, uri)
		u, err := t.user(user)
		if err != nil {
			return gone
		}
		id, ok := parseID(t.shares.Get(shareKey(u.ID, uri)))
		if !ok {
			return gone
		}
		chain, err := t.climb(id)
		if err != nil || chain[len(chain)-1].Deleted != 0 {
			return gone
		}
		e = entry(chain)
		return nil
	})
	return e, err
}
