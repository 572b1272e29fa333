package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Segment is one name on a path. Alt, if not empty, is tried when nothing is
// called Name (docs/protocol.md, section 3.2, rule 2).
type Segment struct {
	Name string
	Alt  string
}

// Path leads from an account down: device, mount point, folders, file.
type Path []Segment

// NewPath makes a path of plain names.
func NewPath(names ...string) Path {
	p := make(Path, len(names))
	for i, n := range names {
		p[i].Name = n
	}
	return p
}

// String joins the names with slashes, with one in front.
func (p Path) String() string {
	var b strings.Builder
	for _, seg := range p {
		b.WriteByte('/')
		b.WriteString(seg.Name)
	}
	return b.String()
}

// Built-in places (docs/protocol.md, section 2).
const (
	BuiltinDevice = "Jotta"
	deviceType    = "JOTTA"
)

var builtinMountPoints = []string{"Archive", "Shared", "Sync"}

// virtualMountPoints are views of the built-in device; no node stands behind them.
var virtualMountPoints = []string{"Trash", "Links", "Latest"}

// IsView tells whether name is one of the views Trash, Links and Latest of the
// built-in device, and returns its usual spelling.
func IsView(device, name string) (string, bool) {
	if Fold(device) != Fold(BuiltinDevice) {
		return "", false
	}
	for _, v := range virtualMountPoints {
		if Fold(v) == Fold(name) {
			return v, true
		}
	}
	return "", false
}

// Entry is a node as found on a path.
type Entry struct {
	Node          // Deleted is its own time, or inherited from the folder above it
	Dir    string // path of its parent as spelled in the store: /user/device/…
	Device string // name of the device it is on; empty on the account itself
}

// Path is the entry's own path.
func (e *Entry) Path() string { return e.Dir + "/" + e.Name }

func (t *tx) newID() (ID, error) {
	id, err := t.ids.NextSequence()
	return ID(id), err
}

func newUUID() (u [16]byte) {
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func idKey(id ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// runKey is the common prefix of all entries of one class in a folder.
func runKey(parent ID, c class) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 64), uint64(parent)), byte(c))
}

// nameKey is the common prefix of all entries of one name.
func nameKey(parent ID, c class, name string) []byte {
	return append(appendFold(runKey(parent, c), name), 0) // no name has a NUL, so no name is a prefix of another
}

func entryKey(parent ID, c class, name string, id ID) []byte {
	return binary.BigEndian.AppendUint64(nameKey(parent, c, name), uint64(id))
}

// node loads a node by number. ErrNoPath if it is gone.
func (t *tx) node(id ID) (Node, error) {
	var n Node
	key := t.ids.Get(idKey(id))
	if key == nil {
		return n, fmt.Errorf("%w: node %d", ErrNoPath, id)
	}
	err := decodeNode(key, t.entries.Get(key), &n)
	return n, err
}

// put writes a node under its present parent and name.
func (t *tx) put(n *Node) error {
	return t.entries.Put(entryKey(n.Parent, n.Kind.class(), n.Name, n.ID), appendNode(nil, n))
}

// insert adds a node that has no entry yet, or that was taken out with unlink.
func (t *tx) insert(n *Node) error {
	key := entryKey(n.Parent, n.Kind.class(), n.Name, n.ID)
	return errors.Join(t.entries.Put(key, appendNode(nil, n)), t.ids.Put(idKey(n.ID), key))
}

// unlink takes a node's entry away, to be inserted elsewhere.
func (t *tx) unlink(n *Node) error {
	return t.entries.Delete(entryKey(n.Parent, n.Kind.class(), n.Name, n.ID))
}

// lookup finds name in a folder: the live entry if there is one, else the one
// trashed last (docs/protocol.md, section 9). Only an entry's own mark counts here.
func (t *tx) lookup(parent ID, name string, classes ...class) (found Node, ok bool, err error) {
	c := t.entries.Cursor()
	for _, cl := range classes {
		prefix := nameKey(parent, cl, name)
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			var n Node
			if err := decodeNode(k, v, &n); err != nil {
				return n, false, err
			}
			if !ok || n.Deleted == 0 || found.Deleted != 0 && n.Deleted >= found.Deleted {
				found, ok = n, true
			}
			if n.Deleted == 0 {
				return found, true, nil
			}
		}
	}
	return found, ok, nil
}

// step is lookup with the segment's second spelling.
func (t *tx) step(parent ID, seg Segment, classes ...class) (Node, bool, error) {
	n, ok, err := t.lookup(parent, seg.Name, classes...)
	if !ok && err == nil && seg.Alt != "" {
		return t.lookup(parent, seg.Alt, classes...)
	}
	return n, ok, err
}

// user loads an account.
func (t *tx) user(name string) (Node, error) {
	n, ok, err := t.lookup(usersID, name, classDir)
	if err == nil && !ok {
		err = fmt.Errorf("%w: account %s", ErrNoPath, name)
	}
	return n, err
}

// resolve follows a path. The chain holds every node from the account on; each
// has its deletion mark inherited from the one before.
func (t *tx) resolve(user string, p Path) ([]Node, error) {
	n, err := t.user(user)
	if err != nil {
		return nil, err
	}
	chain := append(make([]Node, 0, len(p)+1), n)
	for i, seg := range p {
		parent := &chain[len(chain)-1]
		if parent.Kind == KindFile {
			return nil, missing(user, p, i)
		}
		n, ok, err := t.step(parent.ID, seg, classDir, classFile)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, missing(user, p, i)
		}
		if n.Deleted == 0 {
			n.Deleted = parent.Deleted
		}
		chain = append(chain, n)
	}
	return chain, nil
}

// missing is the error for a path that ends at its i-th segment.
func missing(user string, p Path, i int) error {
	if i < 2 {
		return fmt.Errorf("%w: /%s%s", ErrNoMountPoint, user, p)
	}
	return fmt.Errorf("%w: Directory /%s%s", ErrNoPath, user, p)
}

// entry makes an Entry of the last node of a chain.
func entry(chain []Node) Entry {
	last := len(chain) - 1
	e := Entry{Node: chain[last]}
	var b strings.Builder
	for _, n := range chain[:last] {
		b.WriteByte('/')
		b.WriteString(n.Name)
	}
	e.Dir = b.String()
	if len(chain) > 1 {
		e.Device = chain[1].Name
	}
	return e
}

// climb loads a node and everything above it, the account first, and inherits
// marks downwards. ErrNoPath if the node hangs under something removed.
func (t *tx) climb(id ID) ([]Node, error) {
	var up []Node
	for id != usersID {
		if id == limboID {
			return nil, fmt.Errorf("%w: removed", ErrNoPath)
		}
		n, err := t.node(id)
		if err != nil {
			return nil, err
		}
		up = append(up, n)
		id = n.Parent
	}
	chain := make([]Node, 0, len(up))
	for i := len(up) - 1; i >= 0; i-- {
		n := up[i]
		if n.Deleted == 0 && len(chain) > 0 {
			n.Deleted = chain[len(chain)-1].Deleted
		}
		chain = append(chain, n)
	}
	return chain, nil
}

func trashKey(user ID, n *Node) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(user))
	k = binary.BigEndian.AppendUint64(k, uint64(n.Deleted))
	return binary.BigEndian.AppendUint64(k, uint64(n.ID))
}

// mark puts a live node into the trash as of when.
func (t *tx) mark(user ID, n *Node, when int64) error {
	if err := t.addUsage(n.Parent, -t.weight(n), 0); err != nil {
		return err
	}
	n.Deleted = when
	if err := errors.Join(t.put(n), t.trash.Put(trashKey(user, n), nil)); err != nil {
		return err
	}
	return t.note(ChangeTrashed, n.ID, "")
}

// revive takes the mark off a node whose parent is live. What lies in a folder
// stays in the trash: each child that had inherited the mark now gets its own
// (docs/protocol.md, section 7.2).
func (t *tx) revive(user ID, n *Node) error {
	when := n.Deleted
	if n.Kind != KindFile {
		for _, cl := range []class{classDir, classFile} {
			prefix := runKey(n.ID, cl)
			c := t.entries.Cursor()
			for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); {
				var child Node
				if err := decodeNode(k, v, &child); err != nil {
					return err
				}
				next := append([]byte(nil), k...)
				if child.Deleted == 0 {
					child.Deleted = when
					if err := errors.Join(t.put(&child), t.trash.Put(trashKey(user, &child), nil)); err != nil {
						return err
					}
				}
				c.Seek(next) // a cursor does not survive a change
				k, v = c.Next()
			}
		}
		u := t.usage(n.ID)
		u.Bytes = 0
		if err := t.putUsage(n.ID, u); err != nil {
			return err
		}
	}
	if err := t.trash.Delete(trashKey(user, n)); err != nil {
		return err
	}
	n.Deleted = 0
	if err := t.put(n); err != nil {
		return err
	}
	if err := t.addUsage(n.Parent, t.weight(n), 0); err != nil {
		return err
	}
	return t.note(ChangeRestored, n.ID, "")
}

// reviveChain makes every node of a chain live, from the top. The marks of the
// chain may be inherited; they are read afresh.
func (t *tx) reviveChain(chain []Node) error {
	for i := range chain {
		n, err := t.node(chain[i].ID)
		if err != nil {
			return err
		}
		if n.Deleted != 0 {
			if err := t.revive(chain[0].ID, &n); err != nil {
				return err
			}
		}
		chain[i] = n
	}
	return nil
}

// newChild adds a node to a live folder.
func (t *tx) newChild(parent ID, kind Kind, name string) (Node, error) {
	if err := CheckName(name); err != nil {
		return Node{}, err
	}
	id, err := t.newID()
	if err != nil {
		return Node{}, err
	}
	n := Node{ID: id, Parent: parent, Kind: kind, Name: name}
	if kind == KindFile || kind == KindDevice {
		n.UUID = newUUID()
	}
	if err := t.insert(&n); err != nil || kind == KindFile || kind == KindUser {
		return n, err // a file is news once it has content
	}
	return n, t.note(ChangeMade, id, "")
}

// ensureFolder follows a path to a folder (or mount point), making and reviving
// what is missing. On a device of the user's own this includes the mount point
// (docs/protocol.md, section 7.2); on the built-in one it must exist. created
// tells whether the last folder is new.
func (t *tx) ensureFolder(user string, p Path) (chain []Node, created bool, err error) {
	if len(p) < 2 {
		return nil, false, fmt.Errorf("%w: path %s needs a device and a mount point", ErrInvalid, p)
	}
	if err := checkWritable(p); err != nil {
		return nil, false, err
	}
	n, err := t.user(user)
	if err != nil {
		return nil, false, err
	}
	chain = append(make([]Node, 0, len(p)+2), n)
	for i, seg := range p {
		parent := chain[len(chain)-1].ID
		n, ok, err := t.step(parent, seg, classDir)
		if err != nil {
			return nil, false, err
		}
		if ok && n.Deleted == 0 {
			chain, created = append(chain, n), false
			continue
		}
		if i == 0 {
			return nil, false, missing(user, p, i) // devices are made by name only
		}
		if f, found, err := t.lookup(parent, seg.Name, classFile); err != nil {
			return nil, false, err
		} else if found && f.Deleted == 0 {
			return nil, false, fmt.Errorf("%w: a file is called /%s%s", ErrConflict, user, p[:i+1])
		}
		switch {
		case ok:
			err = t.revive(chain[0].ID, &n)
		case i == 1 && chain[1].DeviceType == deviceType:
			err = missing(user, p, i)
		case i == 1:
			n, err = t.newChild(parent, KindMountPoint, seg.Name)
		default:
			n, err = t.newChild(parent, KindFolder, seg.Name)
		}
		if err != nil {
			return nil, false, err
		}
		chain, created = append(chain, n), !ok
	}
	return chain, created, nil
}

// checkWritable refuses the places that hold no entries of the user's own
// (docs/protocol.md, section 7.10).
func checkWritable(p Path) error {
	if len(p) < 2 {
		return nil
	}
	if v, ok := IsView(p[0].Name, p[1].Name); ok {
		return fmt.Errorf("%w: nothing can be put into %s", ErrForbidden, v)
	}
	if Fold(p[0].Name) == Fold(BuiltinDevice) && Fold(p[1].Name) == Fold("Shared") && len(p) > 2 {
		return fmt.Errorf("%w: nothing can be put into Shared", ErrForbidden)
	}
	return nil
}

// EnsureUser makes an account with its built-in places, if there is none of that name.
func (s *Store) EnsureUser(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("account %q: %w", name, err)
	}
	err := s.view(func(t *tx) error { _, err := t.user(name); return err })
	if !errors.Is(err, ErrNoPath) {
		return err
	}
	return s.update(func(t *tx) error {
		if _, err := t.user(name); err == nil {
			return nil
		}
		u, err := t.newChild(usersID, KindUser, name)
		if err != nil {
			return err
		}
		d, err := t.newChild(u.ID, KindDevice, BuiltinDevice)
		if err != nil {
			return err
		}
		d.DeviceType = deviceType
		if err := t.put(&d); err != nil {
			return err
		}
		for _, mp := range builtinMountPoints {
			if _, err := t.newChild(d.ID, KindMountPoint, mp); err != nil {
				return err
			}
		}
		return nil
	})
}

// Stat finds the entry at a path of an account; an empty path means the account
// itself. Trashed entries are found too, with Deleted set.
func (s *Store) Stat(user string, p Path) (e Entry, err error) {
	err = s.view(func(t *tx) error {
		chain, err := t.resolve(user, p)
		if err != nil {
			return err
		}
		e = entry(chain)
		return nil
	})
	return e, err
}

// Children calls visit for each entry directly in a folder, folders first, then
// files, each run sorted by folded name; trashed ones are included, with the
// folder's own mark inherited if deleted says so. No transaction is open while
// visit runs, and no more than a page of nodes is held, so a slow reader harms
// nobody; a listing of a folder that changes meanwhile may mix old and new.
func (s *Store) Children(id ID, deleted int64, visit func(*Node) error) error {
	const page = 256
	for _, cl := range []class{classDir, classFile} {
		var last []byte
		for {
			nodes, next, err := s.page(id, cl, last, page)
			if err != nil {
				return err
			}
			for i := range nodes {
				if nodes[i].Deleted == 0 {
					nodes[i].Deleted = deleted
				}
				if err := visit(&nodes[i]); err != nil {
					return err
				}
			}
			if next == nil {
				break
			}
			last = next
		}
	}
	return nil
}

// page reads up to limit entries of one run after the key last. next is nil at the end.
func (s *Store) page(id ID, cl class, last []byte, limit int) (nodes []Node, next []byte, err error) {
	err = s.view(func(t *tx) error {
		prefix := runKey(id, cl)
		c := t.entries.Cursor()
		k, v := c.Seek(prefix)
		if last != nil {
			if k, v = c.Seek(last); bytes.Equal(k, last) {
				k, v = c.Next()
			}
		}
		for ; bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if len(nodes) == limit {
				return nil
			}
			var n Node
			if err := decodeNode(k, v, &n); err != nil {
				return err
			}
			nodes, next = append(nodes, n), append(next[:0], k...)
		}
		next = nil
		return nil
	})
	return nodes, next, err
}
