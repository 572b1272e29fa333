package store

import (
	"bytes"
	"encoding/binary"
)

func parseID(v []byte) (ID, bool) {
	if len(v) != 8 {
		return 0, false
	}
	return ID(binary.BigEndian.Uint64(v)), true
}

// Trashed calls visit for the top of each deleted subtree of an account,
// longest deleted first. visit runs without a transaction open.
func (s *Store) Trashed(user string, visit func(*Entry) error) error {
	return s.indexed(user, bucketTrash, func(t *tx, e *Entry) bool {
		parent, err := t.climb(e.Parent)
		return err == nil && parent[len(parent)-1].Deleted == 0
	}, visit)
}

// Links calls visit for each shared entry of an account, trashed ones included.
func (s *Store) Links(user string, visit func(*Entry) error) error {
	return s.indexed(user, bucketShares, func(*tx, *Entry) bool { return true }, visit)
}

// indexed pages through an index whose keys start with the account's number.
// The node's number is the value, or the end of the key if there is no value.
func (s *Store) indexed(user string, bucket []byte, keep func(*tx, *Entry) bool, visit func(*Entry) error) error {
	const page = 256
	var last []byte
	for {
		var entries []Entry
		more := false
		err := s.view(func(t *tx) error {
			u, err := t.user(user)
			if err != nil {
				return err
			}
			prefix := idKey(u.ID)
			b := t.trash
			if bytes.Equal(bucket, bucketShares) {
				b = t.shares
			}
			c := b.Cursor()
			k, v := c.Seek(prefix)
			if last != nil {
				if k, v = c.Seek(last); bytes.Equal(k, last) {
					k, v = c.Next()
				}
			}
			for n := 0; bytes.HasPrefix(k, prefix); k, v = c.Next() {
				if n == page {
					more = true
					return nil
				}
				n++
				last = bytes.Clone(k)
				if len(v) == 0 {
					v = k[len(k)-8:]
				}
				id, ok := parseID(v)
				if !ok {
					continue
				}
				chain, err := t.climb(id)
				if err != nil {
					continue // removed, not reaped yet
				}
				if e := entry(chain); keep(t, &e) {
					entries = append(entries, e)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range entries {
			if err := visit(&entries[i]); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// PurgeTrash removes everything in an account's trash for good and counts what
// was at the top of it. Source: docs/protocol.md, section 9.
func (s *Store) PurgeTrash(user string) (files, folders int, err error) {
	type top struct {
		id   ID
		file bool
	}
	const page = 1000
	for {
		// What has been purged is out of the index, so each round starts at its head.
		var tops []top
		err := s.Trashed(user, func(e *Entry) error {
			tops = append(tops, top{e.ID, e.Kind == KindFile})
			if len(tops) == page {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			return files, folders, err
		}
		var nf, nd int
		err2 := s.deletion(func(t *tx) error {
			nf, nd = 0, 0
			u, err := t.user(user)
			if err != nil {
				return err
			}
			for _, x := range tops {
				n, err := t.node(x.id)
				if err != nil || n.Deleted == 0 || n.Parent == limboID {
					continue // revived or removed since
				}
				if err := t.remove(u.ID, x.id); err != nil {
					return err
				}
				if x.file {
					nf++
				} else {
					nd++
				}
			}
			return nil
		})
		files, folders = files+nf, folders+nd
		if err2 != nil || err == nil {
			return files, folders, err2
		}
	}
}
