package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
)

// Stamp is a time that a client may have left out.
type Stamp struct {
	Unix  int64
	Given bool
}

// At is a given stamp.
func At(unix int64) Stamp { return Stamp{unix, true} }

// Content announces what a file is to hold.
type Content struct {
	Size     int64 // bytes
	MD5      MD5
	Created  Stamp
	Modified Stamp

	// Echo is given back when the upload completes; the path as the client wrote it.
	Echo string
	// RejectConflicts fails with ErrConflict if a live file with other content is there.
	RejectConflicts bool
	// Quota is how many bytes the account may hold; below 0 there is no limit.
	Quota int64
}

// apply sets the times of r: those given, else those it has, else created from
// modified, else now. fresh says that r has none yet.
func (c *Content) apply(r *Revision, fresh bool, now int64) {
	switch {
	case c.Modified.Given:
		r.Modified = c.Modified.Unix
	case fresh:
		r.Modified = now
	}
	switch {
	case c.Created.Given:
		r.Created = c.Created.Unix
	case fresh:
		r.Created = r.Modified
	}
}

func (c *Content) same(r *Revision) bool { return r != nil && r.Size == c.Size && r.MD5 == c.MD5 }

// Allocation is the answer to an announcement.
type Allocation struct {
	Entry    Entry
	State    State  // Completed: nothing to send
	Token    string // names the upload target; empty if Completed
	Received int64  // bytes held already
}

// upload is a target that bytes can be sent to.
type upload struct {
	node      ID
	user      ID
	size      int64
	md5       MD5
	allocated int64 // Unix seconds, renewed by each allocate
	echo      string
}

func appendUpload(b []byte, u *upload) []byte {
	b = binary.AppendUvarint(b, uint64(u.node))
	b = binary.AppendUvarint(b, uint64(u.user))
	b = binary.AppendVarint(b, u.size)
	b = append(b, u.md5[:]...)
	b = binary.AppendVarint(b, u.allocated)
	return appendString(b, u.echo)
}

func decodeUpload(v []byte) (u upload, err error) {
	d := decoder{b: v}
	u.node = ID(d.uvarint())
	u.user = ID(d.uvarint())
	u.size = d.varint()
	d.bytes(u.md5[:])
	u.allocated = d.varint()
	u.echo = d.string()
	if d.bad || len(d.b) > 0 {
		return u, errors.New("damaged upload target")
	}
	return u, nil
}

// Allocate announces a content for the file at a path: it is put there at once
// if the store has it, otherwise there is a target to send the bytes to.
// Source: docs/protocol.md, sections 8.1 and 17.
func (s *Store) Allocate(user string, p Path, c Content) (Allocation, error) {
	return s.allocate(func(t *tx) (Allocation, error) {
		parents, n, err := t.ensureFile(user, p)
		if err != nil {
			return Allocation{}, err
		}
		if c.RejectConflicts && n.Deleted == 0 && n.Current() != nil && !c.same(n.Current()) {
			return Allocation{}, fmt.Errorf("%w: /%s%s has other content", ErrConflict, user, p)
		}
		done, err := t.settle(parents[0].ID, &n, &c)
		if err != nil {
			return Allocation{}, err
		}
		if done {
			return Allocation{Entry: entry(append(parents, n)), State: Completed}, nil
		}
		if latest := n.Latest(); latest != nil && latest.State == Incomplete && latest.token != "" && c.same(latest) {
			return t.resume(parents, &n, &c)
		}
		return t.announce(parents, &n, &c)
	})
}

// AllocateRaw announces bytes that come with the same request: a new revision
// even if the content is known. If length, the number of bytes to come (below 0:
// unknown), is just what an unfinished upload lacks, that one is continued.
// Source: docs/protocol.md, section 8.3.
func (s *Store) AllocateRaw(user string, p Path, c Content, length int64) (Allocation, error) {
	rest := false // the body is what is missing
	a, err := s.allocate(func(t *tx) (Allocation, error) {
		parents, n, err := t.ensureFile(user, p)
		if err != nil {
			return Allocation{}, err
		}
		latest := n.Latest()
		rest = latest != nil && latest.State == Incomplete && latest.token != "" && c.same(latest) &&
			length >= 0 && length != c.Size && length == c.Size-s.Received(latest)
		if rest {
			return t.resume(parents, &n, &c)
		}
		return t.announce(parents, &n, &c)
	})
	if err == nil && rest {
		a.Received = c.Size - length // more may have come since: the end of a broken connection
	}
	return a, err
}

func (s *Store) allocate(fn func(*tx) (Allocation, error)) (a Allocation, err error) {
	err = s.makingRoom(func() error {
		return s.update(func(t *tx) (err error) {
			a, err = fn(t)
			return err
		})
	})
	if err == nil && a.Token != "" && a.State == Incomplete {
		a.Received = s.received(a.Token)
	}
	return a, err
}

// settle puts the content at n if no bytes are needed for it.
func (t *tx) settle(user ID, n *Node, c *Content) (bool, error) {
	if current := n.Current(); c.same(current) && t.known(c.MD5, c.Size) {
		before := *current
		c.apply(current, false, t.now)
		switch {
		case n.Deleted != 0:
			return true, t.revive(user, n)
		case *current == before:
			return true, nil
		}
		if err := t.put(n); err != nil {
			return false, err
		}
		return true, t.note(ChangeContent, n.ID, "")
	}
	if !t.proven(user, c.MD5, c.Size) {
		return false, nil
	}
	r := Revision{Size: c.Size, MD5: c.MD5, Updated: t.now}
	if current := n.Current(); current != nil {
		r.Created, r.Modified = current.Created, current.Modified
	}
	c.apply(&r, n.Current() == nil, t.now)
	return true, t.addContent(user, n, r, c.Quota)
}

// resume renews the target of the unfinished newest revision.
func (t *tx) resume(parents []Node, n *Node, c *Content) (Allocation, error) {
	r := &n.Revisions[0]
	c.apply(r, false, t.now)
	u := upload{node: n.ID, user: parents[0].ID, size: c.Size, md5: c.MD5, allocated: t.now, echo: c.Echo}
	err := errors.Join(t.put(n), t.uploads.Put([]byte(r.token), appendUpload(nil, &u)))
	return Allocation{Entry: entry(append(parents, *n)), State: Incomplete, Token: r.token}, err
}

// announce adds an unfinished revision with a target.
func (t *tx) announce(parents []Node, n *Node, c *Content) (Allocation, error) {
	user := parents[0].ID
	held := t.holds(user)
	state := Incomplete
	if latest := n.Latest(); latest != nil && latest.State == Corrupt && latest.MD5 == c.MD5 {
		state = Corrupt
	}
	if err := t.replaced(n); err != nil {
		return Allocation{}, err
	}
	r := Revision{State: Incomplete, Size: c.Size, MD5: c.MD5, Updated: t.now, token: newToken()}
	c.apply(&r, true, t.now)
	u := upload{node: n.ID, user: user, size: c.Size, md5: c.MD5, allocated: t.now, echo: c.Echo}
	err := errors.Join(
		t.drop(user, n.addRevision(r)),
		t.put(n),
		t.uploads.Put([]byte(r.token), appendUpload(nil, &u)),
		t.hold(user, c.Size),
	)
	if err == nil {
		err = t.fits(user, held, c.Quota)
	}
	return Allocation{Entry: entry(append(parents, *n)), State: state, Token: r.token}, err
}

func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// isToken tells whether newToken could have made it: no other may become the name
// of a file.
func isToken(text string) bool {
	raw, err := hex.DecodeString(text)
	return err == nil && len(raw) == 16
}

// replaced ends the target of an unfinished newest revision, which something
// newer is about to follow. The revision stays in the history.
func (t *tx) replaced(n *Node) error {
	latest := n.Latest()
	if latest == nil || latest.token == "" {
		return nil
	}
	err := t.dropUpload(latest)
	latest.token = ""
	return err
}

// dropUpload ends a revision's target, and removes the bytes once that is committed.
func (t *tx) dropUpload(r *Revision) error {
	if r.token == "" {
		return nil
	}
	file := t.s.uploadFile(r.token)
	t.after = append(t.after, func() { _ = os.Remove(file) }) // if it cannot, the next Open will
	if u, err := decodeUpload(t.uploads.Get([]byte(r.token))); err == nil {
		if err := t.hold(u.user, -u.size); err != nil {
			return err
		}
	}
	return t.uploads.Delete([]byte(r.token))
}

// Rehash makes the file at a path hold a content without any bytes being sent
// (command cphash). ErrNoContent if that cannot be done. Source: docs/protocol.md, section 7.8.
func (s *Store) Rehash(user string, p Path, c Content) (Entry, error) {
	return s.growth(func(t *tx) ([]Node, error) {
		unknown := fmt.Errorf("%w: /%s%s", ErrNoContent, user, p)
		u, err := t.user(user)
		if err != nil {
			return nil, err
		}
		chain, err := t.resolve(user, p)
		if err != nil && !errors.Is(err, ErrNoPath) {
			return nil, err
		}
		// Nothing may be made or revived before it is sure to succeed.
		here := err == nil && chain[len(chain)-1].Kind == KindFile && c.same(chain[len(chain)-1].Current())
		if !here && !t.proven(u.ID, c.MD5, c.Size) {
			return nil, unknown
		}
		if err == nil && chain[len(chain)-1].Kind != KindFile && chain[len(chain)-1].Deleted == 0 {
			return nil, unknown
		}
		parents, n, err := t.ensureFile(user, p)
		if err != nil {
			return nil, err
		}
		done, err := t.settle(parents[0].ID, &n, &c)
		if err == nil && !done {
			err = unknown
		}
		return append(parents, n), err
	})
}

// Received tells how many bytes of an unfinished revision have arrived.
func (s *Store) Received(r *Revision) int64 {
	if r.token == "" {
		return 0
	}
	return s.received(r.token)
}

func (s *Store) received(token string) int64 {
	fi, err := os.Stat(s.uploadFile(token))
	if err != nil {
		return 0
	}
	return fi.Size()
}
