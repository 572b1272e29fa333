package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// ID numbers a node. It never changes and is never used again.
type ID uint64

// Parents that are no nodes themselves.
const (
	limboID     ID = 0  // what has been removed and waits for the janitor
	usersID     ID = 1  // the accounts
	firstFreeID ID = 15 // the sequence starts after this one
)

// Kind says what a node is.
type Kind byte

// The levels of an account, from the top (docs/protocol.md, section 2).
const (
	KindUser Kind = iota + 1
	KindDevice
	KindMountPoint
	KindFolder
	KindFile
)

// class splits the names of a folder into two sorted runs, folders first.
type class byte

const (
	classDir  class = 'D'
	classFile class = 'F'
)

func (k Kind) class() class {
	if k == KindFile {
		return classFile
	}
	return classDir
}

// State is what is known about the content of a revision (docs/protocol.md, section 2.1).
type State byte

// The states this store uses.
const (
	Completed State = iota + 1
	Incomplete
	Corrupt
)

// String returns the word the protocol uses.
func (s State) String() string {
	switch s {
	case Completed:
		return "COMPLETED"
	case Incomplete:
		return "INCOMPLETE"
	case Corrupt:
		return "CORRUPT"
	}
	return fmt.Sprintf("State(%d)", byte(s))
}

// MD5 is the digest of a content.
type MD5 [16]byte

// String returns 32 lower-case hex digits.
func (m MD5) String() string { return hex.EncodeToString(m[:]) }

// ParseMD5 reads 32 hex digits of either case.
func ParseMD5(text string) (MD5, error) {
	var m MD5
	if len(text) != 2*len(m) {
		return m, fmt.Errorf("%w: md5 needs 32 hex digits", ErrInvalid)
	}
	if _, err := hex.Decode(m[:], []byte(text)); err != nil {
		return m, fmt.Errorf("%w: md5 needs 32 hex digits", ErrInvalid)
	}
	return m, nil
}

// Revision is one version of a file. Times are Unix seconds.
type Revision struct {
	Number   int64
	State    State
	Size     int64 // bytes announced; what has been received of an incomplete one is Store.Received
	MD5      MD5
	Created  int64 // as the client said
	Modified int64 // as the client said
	Updated  int64 // when the content arrived
	token    string
}

// Node is one device, mount point, folder, file or account.
type Node struct {
	ID         ID
	Parent     ID
	Kind       Kind
	Name       string // as first spelled
	Deleted    int64  // Unix seconds; 0 means live. Set by itself, or inherited where a method says so.
	UUID       [16]byte
	DeviceType string     // devices only
	PublicURI  string     // 32 hex digits while shared
	Revisions  []Revision // files only, newest first
}

// Current returns the newest complete revision, or nil.
func (n *Node) Current() *Revision {
	for i := range n.Revisions {
		if n.Revisions[i].State == Completed {
			return &n.Revisions[i]
		}
	}
	return nil
}

// Latest returns the newest revision if it is not complete, or nil.
func (n *Node) Latest() *Revision {
	if len(n.Revisions) > 0 && n.Revisions[0].State != Completed {
		return &n.Revisions[0]
	}
	return nil
}

// Older yields the revisions that are neither Current nor Latest, newest first.
func (n *Node) Older() []Revision {
	current, latest := n.Current(), n.Latest()
	var older []Revision
	for i := range n.Revisions {
		if r := &n.Revisions[i]; r != current && r != latest {
			older = append(older, *r)
		}
	}
	return older
}

// maxOlder is how many revisions are kept beside the current and the latest
// one (docs/protocol.md, section 2.2).
const maxOlder = 4

// addRevision puts r in front with the next number and returns the revisions
// that had to go. The current one never goes.
func (n *Node) addRevision(r Revision) (dropped []Revision) {
	r.Number = 1
	if len(n.Revisions) > 0 {
		r.Number = n.Revisions[0].Number + 1
	}
	n.Revisions = append([]Revision{r}, n.Revisions...)
	return n.trim()
}

// trim drops the oldest revisions beyond maxOlder.
func (n *Node) trim() (dropped []Revision) {
	current, latest := n.Current(), n.Latest()
	kept, older := make([]Revision, 0, len(n.Revisions)), 0
	for i := range n.Revisions {
		r := &n.Revisions[i]
		if r != current && r != latest {
			if older++; older > maxOlder {
				dropped = append(dropped, *r)
				continue
			}
		}
		kept = append(kept, *r)
	}
	n.Revisions = kept
	return dropped
}

// live is the size a file adds to its folders.
func (n *Node) currentSize() int64 {
	if c := n.Current(); c != nil {
		return c.Size
	}
	return 0
}

const nodeFormat = 1

var errNode = errors.New("damaged node")

// appendNode encodes what is not already in the node's key.
func appendNode(b []byte, n *Node) []byte {
	b = append(b, nodeFormat, byte(n.Kind))
	b = appendString(b, n.Name)
	b = binary.AppendVarint(b, n.Deleted)
	b = append(b, n.UUID[:]...)
	b = appendString(b, n.DeviceType)
	b = appendString(b, n.PublicURI)
	b = binary.AppendUvarint(b, uint64(len(n.Revisions)))
	for i := range n.Revisions {
		r := &n.Revisions[i]
		b = binary.AppendVarint(b, r.Number)
		b = append(b, byte(r.State))
		b = binary.AppendVarint(b, r.Size)
		b = append(b, r.MD5[:]...)
		b = binary.AppendVarint(b, r.Created)
		b = binary.AppendVarint(b, r.Modified)
		b = binary.AppendVarint(b, r.Updated)
		b = appendString(b, r.token)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeNode fills n from an entry. It reuses n's revision slice, so a scan
// over many nodes allocates little; keep a node past the next one with Clone.
func decodeNode(key, value []byte, n *Node) error {
	if len(key) < 18 {
		return errNode
	}
	d := decoder{b: value}
	if d.byte() != nodeFormat {
		return errNode
	}
	revisions := n.Revisions[:0]
	*n = Node{
		ID:     ID(binary.BigEndian.Uint64(key[len(key)-8:])),
		Parent: ID(binary.BigEndian.Uint64(key)),
		Kind:   Kind(d.byte()),
		Name:   d.string(),
	}
	n.Deleted = d.varint()
	d.bytes(n.UUID[:])
	n.DeviceType = d.string()
	n.PublicURI = d.string()
	for range d.uvarint() {
		var r Revision
		r.Number = d.varint()
		r.State = State(d.byte())
		r.Size = d.varint()
		d.bytes(r.MD5[:])
		r.Created = d.varint()
		r.Modified = d.varint()
		r.Updated = d.varint()
		r.token = d.string()
		if d.bad {
			return errNode
		}
		revisions = append(revisions, r)
	}
	n.Revisions = revisions
	if d.bad || len(d.b) > 0 {
		return errNode
	}
	return nil
}

// Clone copies n so that it outlives the scan it came from.
func (n *Node) Clone() Node {
	c := *n
	c.Revisions = append([]Revision(nil), n.Revisions...)
	return c
}

// decoder takes values off b, and remembers when it ran out.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || uint64(len(d.b)) < n {
		d.bad = true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) bytes(dst []byte) { copy(dst, d.take(uint64(len(dst)))) }

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}
