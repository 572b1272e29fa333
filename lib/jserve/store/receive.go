package store

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"syscall"
)

// Delivery is bytes on their way to an upload target.
type Delivery struct {
	User   string
	Token  string // from an Allocation
	Offset int64  // where the bytes belong; what is held beyond is overwritten
	Body   io.Reader
	Abort  func() // makes a Read of Body return soon; called when another delivery takes over. May be nil.
}

// receiver is a delivery under way.
type receiver struct {
	abort func()
	done  chan struct{} // closed when it is over
}

// Receive stores bytes at an upload target, and completes the revision with the
// last of them. It returns the echo of the announcement. Errors:
// ErrIncomplete if more bytes are needed, and those sent are safe on disk;
// ErrCorrupt if the digest is wrong, and ErrInvalid if there were more bytes
// than announced: the revision is corrupt and its bytes are gone; ErrRange if
// Offset lies beyond what is held; ErrNoUpload. ErrBroken
// if Body fails: what came before is kept for a later resume. Of two deliveries to one target, the later
// one wins. Source: docs/protocol.md, section 8.2.
func (s *Store) Receive(ctx context.Context, d Delivery) (e Entry, echo string, err error) {
	r, err := s.takeOver(ctx, d)
	if err != nil {
		return e, "", err
	}
	defer s.release(d.Token, r)

	// Looked up only now: the delivery before may just have completed it.
	u, err := s.upload(d)
	if err != nil {
		return e, "", err
	}
	if d.Offset == 0 && u.size <= smallSize {
		e, err = s.receiveSmall(d, &u)
	} else {
		e, err = s.receiveLarge(d, &u)
	}
	return e, u.echo, err
}

// receiveLarge collects the bytes in the target's file.
func (s *Store) receiveLarge(d Delivery, u *upload) (e Entry, err error) {
	f, err := os.OpenFile(s.uploadFile(d.Token), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return e, fmt.Errorf("receive: %w", err)
	}
	defer f.Close() // again after the checked one below, which is harmless
	sum, err := s.fill(f, u, d)
	switch {
	case errors.Is(err, ErrInvalid):
		return e, errors.Join(err, f.Close(), s.corrupt(d.Token))
	case err != nil:
		return e, err
	case sum != u.md5:
		return e, errors.Join(wrongSum(sum, u), f.Close(), s.corrupt(d.Token))
	}
	if err := errors.Join(s.settleFile(f, d.Offset), f.Close()); err != nil {
		return e, err
	}
	return s.complete(d, u, func(blob string) error { return os.Rename(s.uploadFile(d.Token), blob) })
}

func wrongSum(sum MD5, u *upload) error {
	return fmt.Errorf("%w: received %s, announced %s", ErrCorrupt, sum, u.md5)
}

// receiveSmall collects the bytes in memory, so that a small file costs one file
// to be made instead of one to be made and moved. Most files are small.
func (s *Store) receiveSmall(d Delivery, u *upload) (e Entry, err error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	n, err := readBody(d.Body, buf[:u.size+1])
	data := buf[:n]
	switch {
	case int64(n) > u.size:
		return e, errors.Join(tooMany(), s.corrupt(d.Token))
	case err != nil:
		return e, errors.Join(broken(int64(n), err), s.keepSmall(d.Token, data))
	case int64(n) < u.size:
		if err := s.keepSmall(d.Token, data); err != nil {
			return e, err
		}
		return e, incomplete(int64(n), u)
	case md5.Sum(data) != u.md5:
		return e, errors.Join(wrongSum(md5.Sum(data), u), s.corrupt(d.Token))
	}
	return s.complete(d, u, func(blob string) error {
		err := writeFile(blob, data)
		if err != nil {
			_ = os.Remove(blob) // nothing but this call knows of it
		}
		return err
	})
}

// readBody reads until buf is full or the body ends, which is no error here.
func readBody(body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) {
		got, err := body.Read(buf[n:])
		n += got
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func broken(n int64, err error) error {
	return fmt.Errorf("%w: after %d bytes: %w", ErrBroken, n, err)
}

func incomplete(held int64, u *upload) error {
	return fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, held, u.size)
}

// writeFile writes and syncs a file.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// keepSmall writes the received data of a small file to the target's file.
func (s *Store) keepSmall(token string, data []byte) error {
	if err := errors.Join(writeFile(s.uploadFile(token), data), syncDir(s.uploadDir())); err != nil {
		_ = os.Remove(s.uploadFile(token)) // it would pass for what was received
		return fmt.Errorf("receive: %w", err)
	}
	err := s.view(func(t *tx) error { return t.pending(token) })
	if err != nil {
		_ = os.Remove(s.uploadFile(token)) // made after its target was removed, so nobody else would
	}
	return err
}

// takeOver makes this delivery the only one to its target.
func (s *Store) takeOver(ctx context.Context, d Delivery) (*receiver, error) {
	mine := &receiver{abort: d.Abort, done: make(chan struct{})}
	for {
		s.uploadMu.Lock()
		other := s.active[d.Token]
		if other == nil {
			s.active[d.Token] = mine
			s.uploadMu.Unlock()
			return mine, nil
		}
		if other.abort != nil {
			other.abort()
		}
		s.uploadMu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: while another upload to the same target ended: %w", ErrBroken, context.Cause(ctx))
		}
	}
}

func (s *Store) release(token string, r *receiver) {
	s.uploadMu.Lock()
	delete(s.active, token)
	s.uploadMu.Unlock()
	close(r.done)
}

// upload looks a target up, and checks that it is the user's.
func (s *Store) upload(d Delivery) (u upload, err error) {
	err = s.view(func(t *tx) error {
		gone := fmt.Errorf("%w: it was never allocated, is complete, or was replaced; allocate again", ErrNoUpload)
		v := t.uploads.Get([]byte(d.Token))
		if v == nil {
			return gone
		}
		if u, err = decodeUpload(v); err != nil {
			return err
		}
		owner, err := t.user(d.User)
		if err != nil || owner.ID != u.user {
			return gone
		}
		return nil
	})
	return u, err
}

// fill writes the bytes of a delivery and returns the digest of the whole once it is there.
func (s *Store) fill(f *os.File, u *upload, d Delivery) (sum MD5, err error) {
	fi, err := f.Stat()
	if err != nil {
		return sum, fmt.Errorf("receive: %w", err)
	}
	if d.Offset < 0 || d.Offset > fi.Size() {
		return sum, fmt.Errorf("%w: offset %d, but %d bytes are held", ErrRange, d.Offset, fi.Size())
	}
	if err := f.Truncate(d.Offset); err != nil {
		return sum, fmt.Errorf("receive: %w", err)
	}
	if _, err := f.Seek(d.Offset, io.SeekStart); err != nil {
		return sum, fmt.Errorf("receive: %w", err)
	}
	var h hash.Hash // of everything, if this delivery brings everything
	if d.Offset == 0 {
		h = md5.New()
	}
	n, err := copyBody(f, h, d.Body, u.size-d.Offset)
	held := d.Offset + n
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			// Half a file must not take the room that a smaller one would fit
			// into. What was acknowledged before stays.
			err = errors.Join(err, f.Truncate(d.Offset))
		}
		// Whatever went wrong, the bytes before it are good.
		return sum, errors.Join(err, s.keep(f, d.Offset))
	}
	if held < u.size {
		if err := s.keep(f, d.Offset); err != nil {
			return sum, err
		}
		return sum, incomplete(held, u)
	}
	if h == nil {
		h = md5.New()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return sum, fmt.Errorf("receive: %w", err)
		}
		if _, err := io.Copy(h, f); err != nil {
			return sum, fmt.Errorf("receive: %w", err)
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

// keep makes a partial upload durable.
func (s *Store) keep(f *os.File, offset int64) error {
	if err := s.settleFile(f, offset); err != nil {
		return err
	}
	if err := syncDir(s.uploadDir()); err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return nil
}

// settleFile syncs what was received, from offset on. If that fails the system
// may have dropped the bytes, and a second try would succeed without them: so
// they are taken for lost.
func (s *Store) settleFile(f *os.File, offset int64) error {
	if err := s.syncFile(f); err != nil {
		return fmt.Errorf("receive: %w", errors.Join(err, f.Truncate(offset)))
	}
	return nil
}

// copySize is the piece in which bodies are read: large enough that a fast line
// is not slowed by calls, small enough for many uploads at once.
const (
	copySize  = 256 << 10
	smallSize = copySize - 1 // fits into a buffer, with one byte to see that there are more
)

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copyBody copies body to f and h (which may be nil), at most limit bytes.
// More than that is ErrInvalid.
func copyBody(f io.Writer, h io.Writer, body io.Reader, limit int64) (n int64, err error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	for {
		got, rerr := body.Read(buf[:])
		if int64(got) > limit-n {
			return n, tooMany()
		}
		if got > 0 {
			if _, err := f.Write(buf[:got]); err != nil {
				return n, fmt.Errorf("receive: %w", err)
			}
			if h != nil {
				h.Write(buf[:got])
			}
			n += int64(got)
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, broken(n, rerr)
		}
	}
}

func tooMany() error { return fmt.Errorf("%w: more bytes than announced", ErrInvalid) }

// complete has the received bytes placed among the blobs, synced, and makes
// their revision complete.
func (s *Store) complete(d Delivery, u *upload, place func(blob string) error) (e Entry, err error) {
	// From the renaming to the commit nobody may take the blob for garbage.
	lock := &s.blobLocks[u.md5[0]]
	lock.Lock()
	defer lock.Unlock()
	known := false
	err = s.view(func(t *tx) error {
		known = t.known(u.md5, u.size)
		return t.pending(d.Token)
	})
	if err != nil {
		return e, err
	}
	// A blob in use is not touched, unless it is damaged. A file without a record
	// is what a crash left over, perhaps half written, and is replaced.
	if !known {
		if err := s.placeBlob(u.md5, u.size, place); err != nil {
			if gone := s.view(func(t *tx) error { return t.pending(d.Token) }); gone != nil {
				return e, gone // and the bytes with it, just now
			}
			return e, fmt.Errorf("receive: %w", err)
		}
	}
	e, err = s.change(func(t *tx) ([]Node, error) { return t.complete(d.Token) })
	if err != nil && !known {
		// The bytes are good, only nothing could be done with them: leave
		// them to the janitor unless another file has the same content.
		err = errors.Join(err, s.update(func(t *tx) error {
			if t.blobs.Get(blobKey(u.md5, u.size)) != nil {
				return nil
			}
			t.reap = true
			return t.garbage.Put(blobKey(u.md5, u.size), nil)
		}))
	}
	return e, err
}

// pending tells whether bytes may be sent to a target.
func (t *tx) pending(token string) error {
	if t.uploads.Get([]byte(token)) == nil {
		return fmt.Errorf("%w: replaced while it was sent; allocate again", ErrNoUpload)
	}
	return nil
}

// complete turns the revision of a target into a complete one. The file and the
// folders above it become live. It counts towards the quota since it was announced.
func (t *tx) complete(token string) ([]Node, error) {
	if err := t.pending(token); err != nil {
		return nil, err
	}
	u, err := decodeUpload(t.uploads.Get([]byte(token)))
	if err != nil {
		return nil, err
	}
	chain, err := t.climb(u.node)
	if err != nil {
		return nil, fmt.Errorf("%w: the file was removed while it was sent", ErrNoUpload)
	}
	if err := t.reviveChain(chain); err != nil {
		return nil, err
	}
	n := &chain[len(chain)-1]
	before := n.currentSize()
	for i := range n.Revisions {
		r := &n.Revisions[i]
		if r.token != token {
			continue
		}
		if err := t.dropUpload(r); err != nil {
			return nil, err
		}
		r.State, r.Updated, r.token = Completed, t.now, ""
		if err := errors.Join(t.ref(u.user, r.MD5, r.Size), t.drop(u.user, n.trim()), t.put(n)); err != nil {
			return nil, err
		}
		if err := t.addUsage(n.Parent, n.currentSize()-before, t.now); err != nil {
			return nil, err
		}
		return chain, t.note(ChangeContent, n.ID, "")
	}
	return nil, fmt.Errorf("%w: its revision is gone", ErrNoUpload)
}

// corrupt marks the revision of a target as corrupt, and drops its bytes.
func (s *Store) corrupt(token string) error {
	return s.update(func(t *tx) error {
		u, err := decodeUpload(t.uploads.Get([]byte(token)))
		if err != nil {
			return nil // replaced meanwhile
		}
		n, err := t.node(u.node)
		if err != nil {
			return nil // removed meanwhile
		}
		for i := range n.Revisions {
			if r := &n.Revisions[i]; r.token == token {
				r.State, r.Updated = Corrupt, t.now
				if err := t.dropUpload(r); err != nil {
					return err
				}
				r.token = ""
			}
		}
		return errors.Join(t.drop(u.user, n.trim()), t.put(&n))
	})
}
