package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// How many nodes one transaction of the janitor frees: few enough to let others in
// between, and on a full disk so few that there is room for it.
const (
	reapBatch     = 500
	reapFullBatch = 5
)

// janitor frees what was removed, and ages trash and unfinished uploads, until ctx ends.
func (s *Store) janitor(ctx context.Context) {
	defer s.wg.Done()
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		// An error here is a full or broken disk; the next request will meet
		// it too and report it. The work is kept in the database.
		var again <-chan time.Time
		if s.Tidy(ctx) != nil {
			again = time.After(tidyAgain)
		}
		select {
		case <-again:
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-hourly.C:
		}
	}
}

// tidyAgain is when the janitor tries again after it failed.
const tidyAgain = time.Minute

// Tidy does at once what is otherwise done in the background: it frees what was
// removed, and ends what is too old.
func (s *Store) Tidy(ctx context.Context) error {
	for _, step := range []func(limit int) (int, error){s.expireTrash, s.expireUploads, s.reapLimbo, s.collect} {
		limit := reapBatch
		for n := 1; n > 0; {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var err error
			n, err = step(limit)
			if isFull(err) && limit > reapFullBatch {
				n, limit = 1, reapFullBatch
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return s.keepReserve()
}

// reapLimbo frees up to limit nodes that were removed.
func (s *Store) reapLimbo(limit int) (n int, err error) {
	empty := false
	err = s.view(func(t *tx) error {
		k, _ := t.entries.Cursor().Seek(idKey(limboID))
		empty = !bytes.HasPrefix(k, idKey(limboID))
		return nil
	})
	if err != nil || empty {
		return 0, err
	}
	err = s.deletion(func(t *tx) error {
		n = 0
		for n < limit {
			k, v := t.entries.Cursor().Seek(idKey(limboID))
			if !bytes.HasPrefix(k, idKey(limboID)) {
				return nil
			}
			var node Node
			if err := decodeNode(k, v, &node); err != nil {
				return err
			}
			moved, err := t.dismantle(&node, limit-n)
			if err != nil {
				return err
			}
			n += moved
		}
		return nil
	})
	return n, err
}

// dismantle moves up to limit children of a removed node into limbo, or frees
// the node once it has none. It returns how many nodes it touched.
func (t *tx) dismantle(n *Node, limit int) (int, error) {
	if n.Kind != KindFile {
		prefix := idKey(n.ID)
		var children []Node
		c := t.entries.Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(children) < limit; k, v = c.Next() {
			var child Node
			if err := decodeNode(k, v, &child); err != nil {
				return 0, err
			}
			children = append(children, child)
		}
		for i := range children {
			child := &children[i]
			if child.Deleted != 0 {
				if err := t.untrash(n, child); err != nil {
					return 0, err
				}
			}
			if err := t.unlink(child); err != nil {
				return 0, err
			}
			child.Parent, child.Deleted = limboID, 0
			if err := errors.Join(t.insert(child), t.stillOf(child.ID, n.ID)); err != nil {
				return 0, err
			}
		}
		if len(children) > 0 {
			return len(children), nil
		}
	}
	if n.PublicURI != "" {
		if err := t.unshare(n); err != nil {
			return 0, err
		}
	}
	return 1, errors.Join(t.drop(t.removedFrom(n.ID), n.Revisions), t.unlink(n), t.ids.Delete(idKey(n.ID)), t.sizes.Delete(idKey(n.ID)),
		t.removed.Delete(idKey(n.ID)))
}

// untrash and unshare take a node in limbo out of the indexes. Its account can
// no longer be found by climbing, so every account is tried: there are few.
func (t *tx) untrash(_ *Node, n *Node) error {
	return t.eachUser(func(user ID) error { return t.trash.Delete(trashKey(user, n)) })
}

func (t *tx) unshare(n *Node) error {
	return t.eachUser(func(user ID) error { return t.shares.Delete(shareKey(user, n.PublicURI)) })
}

func (t *tx) eachUser(fn func(ID) error) error {
	prefix := idKey(usersID)
	c := t.entries.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if err := fn(ID(binary.BigEndian.Uint64(k[len(k)-8:]))); err != nil {
			return err
		}
	}
	return nil
}

// expireTrash removes up to most entries that have been in the trash too long.
func (s *Store) expireTrash(most int) (n int, err error) {
	type old struct {
		user, id ID
		key      []byte
	}
	var due []old
	limit := s.opts.Now().Add(-s.opts.TrashKeep).Unix()
	err = s.view(func(t *tx) error {
		return t.eachUser(func(user ID) error {
			prefix := idKey(user)
			c := t.trash.Cursor()
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(k) == 24 && len(due) < most; k, _ = c.Next() {
				if int64(binary.BigEndian.Uint64(k[8:])) > limit {
					break
				}
				due = append(due, old{user, ID(binary.BigEndian.Uint64(k[16:])), bytes.Clone(k)})
			}
			return nil
		})
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	return len(due), s.deletion(func(t *tx) error {
		for _, d := range due {
			// Whatever the node says, this entry of the index is done with: damage
			// must not keep the janitor at it for ever.
			if err := t.trash.Delete(d.key); err != nil {
				return err
			}
			n, err := t.node(d.id)
			if err != nil || n.Deleted == 0 || n.Deleted > limit {
				continue // gone or revived since
			}
			if err := t.remove(d.user, d.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// expireUploads gives up to most upload targets up that are too old. An
// unfinished revision goes with its target, and a file that never had content
// goes with its last revision.
func (s *Store) expireUploads(most int) (n int, err error) {
	var due []string
	limit := s.opts.Now().Add(-s.opts.UploadTTL).Unix()
	err = s.view(func(t *tx) error {
		c := t.uploads.Cursor()
		for k, v := c.First(); k != nil && len(due) < most; k, v = c.Next() {
			if u, err := decodeUpload(v); err != nil || u.allocated < limit {
				due = append(due, string(k))
			}
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	return len(due), s.deletion(func(t *tx) error {
		for _, token := range due {
			if err := t.expireUpload(token); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) expireUpload(token string) error {
	u, err := decodeUpload(t.uploads.Get([]byte(token)))
	if err := t.dropUpload(&Revision{token: token}); err != nil {
		return err
	}
	if err != nil {
		return nil // nothing more is known about it
	}
	n, err := t.node(u.node)
	if err != nil || n.Parent == limboID {
		return nil
	}
	for i := range n.Revisions {
		if n.Revisions[i].token == token {
			n.Revisions = append(n.Revisions[:i], n.Revisions[i+1:]...)
			break
		}
	}
	if len(n.Revisions) > 0 {
		return t.put(&n)
	}
	return t.remove(u.user, n.ID)
}

// cleanUploads is part of opening: it removes received bytes that no target
// claims, and blobs that a crash left between their renaming and their commit.
func (s *Store) cleanUploads() error {
	dir, err := os.Open(s.uploadDir())
	if err != nil {
		return err
	}
	defer dir.Close()
	var stale []string
	for {
		names, err := dir.Readdirnames(1000)
		if len(names) == 0 {
			break
		}
		if err2 := s.view(func(t *tx) error {
			for _, name := range names {
				if t.uploads.Get([]byte(name)) == nil {
					stale = append(stale, name)
				}
			}
			return nil
		}); err2 != nil {
			return err2
		}
		if err != nil {
			break
		}
	}
	for _, name := range stale {
		if err := os.RemoveAll(s.uploadFile(name)); err != nil {
			return fmt.Errorf("clean up %s: %w", name, err)
		}
	}
	return s.adoptOrphans()
}

// adoptOrphans hands to the janitor each blob that a pending upload had put in
// place without getting to its commit.
func (s *Store) adoptOrphans() error {
	var orphans [][]byte
	err := s.view(func(t *tx) error {
		return t.uploads.ForEach(func(k, v []byte) error {
			u, err := decodeUpload(v)
			if err != nil || t.blobs.Get(blobKey(u.md5, u.size)) != nil {
				return nil
			}
			if _, err := os.Stat(s.uploadFile(string(k))); !errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if _, err := os.Stat(s.blobFile(u.md5, u.size)); err == nil {
				orphans = append(orphans, blobKey(u.md5, u.size))
			}
			return nil
		})
	})
	if err != nil || len(orphans) == 0 {
		return err
	}
	return s.discard(orphans)
}

// discard hands blobs to the janitor. Only for opening, before the committer runs.
func (s *Store) discard(blobs [][]byte) error {
	return s.db.Update(func(b *bolt.Tx) error {
		for _, k := range blobs {
			if err := b.Bucket(bucketGarbage).Put(k, nil); err != nil {
				return err
			}
		}
		return nil
	})
}
