package store

import (
	"encoding/binary"
)

// Usage is what lies beneath a folder, mount point, device or account, trash left out.
type Usage struct {
	Bytes    int64 // current revisions of live files
	Modified int64 // newest Updated ever seen beneath; 0 if there was none
}

func (t *tx) usage(id ID) (u Usage) {
	if v := t.sizes.Get(idKey(id)); len(v) == 16 {
		u.Bytes = int64(binary.BigEndian.Uint64(v))
		u.Modified = int64(binary.BigEndian.Uint64(v[8:]))
	}
	return u
}

func (t *tx) putUsage(id ID, u Usage) error {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(u.Bytes))
	return t.sizes.Put(idKey(id), binary.BigEndian.AppendUint64(v, uint64(u.Modified)))
}

// addUsage adds to folder id and to those above it, as far as they are live: a
// trashed folder's own sum says what its revival would bring back.
func (t *tx) addUsage(id ID, bytes, updated int64) error {
	if bytes == 0 && updated == 0 {
		return nil
	}
	for id != usersID && id != limboID {
		u := t.usage(id)
		u.Bytes += bytes
		u.Modified = max(u.Modified, updated)
		if err := t.putUsage(id, u); err != nil {
			return err
		}
		n, err := t.node(id)
		if err != nil {
			return err
		}
		if n.Deleted != 0 {
			return nil
		}
		id = n.Parent
	}
	return nil
}

// weight is what a node with no mark of its own adds to the folder it is in.
func (t *tx) weight(n *Node) int64 {
	if n.Kind == KindFile {
		return n.currentSize()
	}
	return t.usage(n.ID).Bytes
}

// Usage returns what lies beneath a folder, mount point, device or account.
func (s *Store) Usage(id ID) (u Usage, err error) {
	err = s.view(func(t *tx) error { u = t.usage(id); return nil })
	return u, err
}
