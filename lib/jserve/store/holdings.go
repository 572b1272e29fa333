package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// What each account holds is kept beside the tree, and follows from it:
//
//	owned    account, MD5, size → number of its revisions with this content
//	held     account → bytes that count towards its quota
//	removed  number of a node in limbo → the account it was of
//
// An account has proven to have a content while it owns a revision with it, in the
// history, the trash or limbo included: it has sent the bytes, or copied them from a
// file of its own. Towards the quota count the sizes of all these revisions, and the
// announced sizes of unfinished uploads.
//
// Stores made before there was this, imports, and stores that such a program has
// changed since are counted when they are opened: held also has the number of the last
// transaction that kept all three up to date.
var (
	bucketOwned   = []byte("owned")
	bucketHeld    = []byte("held")
	bucketRemoved = []byte("removed")
	holdings      = [][]byte{bucketOwned, bucketHeld, bucketRemoved}
	keyCounted    = []byte("counted") // in held; accounts have keys of 8 bytes
)

func ownedKey(user ID, m MD5, size int64) []byte { return append(idKey(user), blobKey(m, size)...) }

func parseCount(v []byte) int64 {
	if len(v) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v))
}

func putCount(b *bolt.Bucket, key []byte, n int64) error {
	if n <= 0 {
		return b.Delete(key)
	}
	return b.Put(key, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// counted tells whether the holdings are up to date as of transaction last.
func counted(b *bolt.Tx, last int) bool {
	held := b.Bucket(bucketHeld)
	return held != nil && b.Bucket(bucketOwned) != nil && b.Bucket(bucketRemoved) != nil && parseCount(held.Get(keyCounted)) == int64(last)
}

// stampHoldings says that this transaction keeps the holdings up to date.
func stampHoldings(b *bolt.Tx) error {
	return putCount(b.Bucket(bucketHeld), keyCounted, int64(b.ID()))
}

// own counts delta more revisions of an account with a content. Account 0 is one that
// is not known.
func (t *tx) own(user ID, m MD5, size, delta int64) error {
	if user == 0 || size == 0 {
		return nil
	}
	key := ownedKey(user, m, size)
	if err := putCount(t.owned, key, parseCount(t.owned.Get(key))+delta); err != nil {
		return err
	}
	return t.hold(user, delta*size)
}

// hold counts bytes towards an account's quota.
func (t *tx) hold(user ID, bytes int64) error {
	if user == 0 || bytes == 0 {
		return nil
	}
	return putCount(t.held, idKey(user), t.holds(user)+bytes)
}

// holds returns how many bytes count towards an account's quota.
func (t *tx) holds(user ID) int64 { return parseCount(t.held.Get(idKey(user))) }

// fits tells whether an account may hold what it does now, having held before. What
// makes it hold no more is always allowed. quota < 0 means no limit.
func (t *tx) fits(user ID, before, quota int64) error {
	if after := t.holds(user); quota >= 0 && after > quota && after > before {
		return fmt.Errorf("%w: %d of %d bytes used, %d more asked for", ErrQuota, before, quota, after-before)
	}
	return nil
}

// proven tells whether an account gets a content without sending it: the store has it,
// and so has the account, or all accounts share.
func (t *tx) proven(user ID, m MD5, size int64) bool {
	return t.known(m, size) && (size == 0 || t.s.opts.SharedDedup || t.owned.Get(ownedKey(user, m, size)) != nil)
}

// removedFrom returns the account that a node in limbo was of; 0 if that is not known.
func (t *tx) removedFrom(id ID) ID {
	user, _ := parseID(t.removed.Get(idKey(id)))
	return user
}

// stillOf notes that a node that follows its folder into limbo was of the same account.
func (t *tx) stillOf(id, folder ID) error {
	user := t.removedFrom(folder)
	if user == 0 {
		return nil
	}
	return t.removed.Put(idKey(id), idKey(user))
}

// Held returns how many bytes count towards the quota of an account: all complete
// revisions of its files, in the trash or not, and what its unfinished uploads have
// announced.
func (s *Store) Held(user string) (n int64, err error) {
	err = s.view(func(t *tx) error {
		u, err := t.user(user)
		if err == nil {
			n = t.holds(u.ID)
		}
		return err
	})
	return n, err
}

// makingRoom runs a change that may fail with ErrQuota. What has been removed counts
// until the janitor has freed it, so that is then seen to and the change tried again.
func (s *Store) makingRoom(change func() error) error {
	err := change()
	if !errors.Is(err, ErrQuota) {
		return err
	}
	for n := 1; n > 0; {
		var failed error
		if n, failed = s.reapLimbo(reapBatch); failed != nil {
			return err
		}
	}
	return change()
}

// accountOf returns the account that a folder is in, or that it was in before it was
// removed; 0 if there is none.
func (t *tx) accountOf(folder ID) ID {
	const deepest = 100_000 // a folder inside itself has no end
	for range deepest {
		if folder == limboID || folder == usersID {
			return 0
		}
		n, err := t.node(folder)
		switch {
		case err != nil:
			return 0
		case n.Parent == usersID:
			return n.ID
		case n.Parent == limboID:
			return t.removedFrom(n.ID)
		}
		folder = n.Parent
	}
	return 0
}

// holdings adds to uses what each account owns, by the tree itself, and returns what it
// holds.
func (t *tx) holdings(uses *tally) (held map[ID]int64, err error) {
	held = make(map[ID]int64)
	var n Node
	folder, user := limboID, ID(0)
	err = t.entries.ForEach(func(k, v []byte) error {
		if decodeNode(k, v, &n) != nil || n.Kind != KindFile {
			return nil // fsck reports damage
		}
		if n.Parent != folder {
			folder, user = n.Parent, t.accountOf(n.Parent) // entries are sorted by folder
		}
		owner := user
		if n.Parent == limboID {
			owner = t.removedFrom(n.ID)
		}
		if owner == 0 {
			return nil
		}
		for i := range n.Revisions {
			if r := &n.Revisions[i]; r.State == Completed && r.Size > 0 {
				held[owner] += r.Size
				if err := uses.add(ownedKey(owner, r.MD5, r.Size), 1); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = t.uploads.ForEach(func(_, v []byte) error {
		if u, err := decodeUpload(v); err == nil {
			held[u.user] += u.size
		}
		return nil
	})
	return held, err
}

// countHoldings is part of opening: it counts what each account holds.
func (s *Store) countHoldings() (err error) {
	const step = 50_000 // keys in one transaction, which it has in memory
	err = s.db.Update(func(b *bolt.Tx) error {
		for _, name := range holdings {
			if b.Bucket(name) == nil {
				continue
			}
			if err := b.DeleteBucket(name); err != nil {
				return err
			}
		}
		for _, name := range holdings {
			if _, err := b.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	uses, err := newTally()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, uses.close()) }()
	var held map[ID]int64
	err = s.view(func(t *tx) (err error) {
		held, err = t.holdings(uses)
		return err
	})
	if err != nil {
		return err
	}
	// Now that no transaction is open that the database could have to wait for.
	type pair struct {
		key []byte
		n   int64
	}
	var pairs []pair
	flush := func() error {
		defer func() { pairs = pairs[:0] }()
		return s.db.Update(func(b *bolt.Tx) error {
			owned := b.Bucket(bucketOwned)
			owned.FillPercent = 0.9 // keys come sorted
			for _, p := range pairs {
				if err := putCount(owned, p.key, p.n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = uses.each(func(key []byte, n int64) error {
		if pairs = append(pairs, pair{bytes.Clone(key), n}); len(pairs) < step {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return s.db.Update(func(b *bolt.Tx) error {
		for user, n := range held {
			if err := putCount(b.Bucket(bucketHeld), idKey(user), n); err != nil {
				return err
			}
		}
		return stampHoldings(b)
	})
}
