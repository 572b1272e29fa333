package store

import (
	bolt "go.etcd.io/bbolt"
)

// maxBatch is how many changes share one commit at most. It bounds how long the
// first waits for the others; the disk's sync dwarfs it.
const maxBatch = 256

// request is one change on its way to the committer.
type request struct {
	fn    func(*tx) error
	frees bool       // makes room, now or later, and may use the reserve for it
	done  chan error // capacity 1
}

// tx is a transaction with its buckets at hand.
type tx struct {
	s                                                           *Store
	entries, ids, sizes, trash, shares, uploads, blobs, garbage *bolt.Bucket
	owned, held, removed                                        *bolt.Bucket // see holdings
	now                                                         int64        // Unix seconds; one moment for the whole change
	reap                                                        bool         // there is something for the janitor
	after                                                       []func()     // run once the commit is on disk
	changes                                                     []Change     // told to whoever watches, after the commit
}

func (s *Store) newTx(b *bolt.Tx) *tx {
	return &tx{
		s: s, now: s.now(),
		entries: b.Bucket(bucketEntries), ids: b.Bucket(bucketIDs), sizes: b.Bucket(bucketSizes), trash: b.Bucket(bucketTrash),
		shares: b.Bucket(bucketShares), uploads: b.Bucket(bucketUploads), blobs: b.Bucket(bucketBlobs), garbage: b.Bucket(bucketGarbage),
		owned: b.Bucket(bucketOwned), held: b.Bucket(bucketHeld), removed: b.Bucket(bucketRemoved),
	}
}

// update runs fn in a write transaction and returns once that is on disk.
// Changes that come in while the disk is busy share the next commit. When fn
// fails nothing of it is kept. Because a neighbour's failure rolls the shared
// transaction back, fn may run more than once: it must not build on what an
// earlier run left in captured variables.
func (s *Store) update(fn func(*tx) error) error { return s.submit(fn, false) }

// deletion is update for a change that makes room: it succeeds on a full disk, too.
func (s *Store) deletion(fn func(*tx) error) error { return s.submit(fn, true) }

func (s *Store) submit(fn func(*tx) error, frees bool) error {
	req := &request{fn: fn, frees: frees, done: make(chan error, 1)}
	s.sending.RLock()
	if s.isClosed {
		s.sending.RUnlock()
		return ErrClosed
	}
	s.queue <- req // the committer drains it until Close, which waits for this lock
	s.sending.RUnlock()
	return <-req.done
}

// commitLoop runs changes until Close, then those still queued.
func (s *Store) commitLoop() {
	defer s.wg.Done()
	for {
		select {
		case req := <-s.queue:
			s.commit(s.gather(req))
		case <-s.closing:
			for {
				select {
				case req := <-s.queue:
					s.commit(s.gather(req))
				default:
					return
				}
			}
		}
	}
}

// gather takes what has queued up behind first, without waiting for more.
func (s *Store) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case req := <-s.queue:
			batch = append(batch, req)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction. A change that fails is taken out and
// run again alone, so that its error does not come from a neighbour that was
// rolled back; a transaction without changes costs no sync.
func (s *Store) commit(batch []*request) {
	for len(batch) > 0 {
		failed := -1
		var t *tx
		err := s.db.Update(func(b *bolt.Tx) error {
			t = s.newTx(b)
			for i, req := range batch {
				t.now = s.now()
				if err := req.fn(t); err != nil {
					failed = i
					return err
				}
			}
			return stampHoldings(b)
		})
		if failed >= 0 && len(batch) > 1 {
			alone := batch[failed]
			batch = append(batch[:failed:failed], batch[failed+1:]...)
			s.commit([]*request{alone})
			continue
		}
		if failed < 0 && isFull(err) {
			// Deletions need not fail with what came along with them. Once they are
			// among themselves, they get the reserve; it is there only once.
			deletions, rest := splitDeletions(batch)
			if len(deletions) > 0 && (len(rest) > 0 || s.spendReserve()) {
				for _, req := range rest {
					req.done <- err
				}
				batch = deletions
				continue
			}
		}
		if err == nil {
			s.committed(t)
		}
		for _, req := range batch {
			req.done <- err
		}
		return
	}
}

func splitDeletions(batch []*request) (deletions, rest []*request) {
	for _, req := range batch {
		if req.frees {
			deletions = append(deletions, req)
		} else {
			rest = append(rest, req)
		}
	}
	return deletions, rest
}

// committed does what had to wait for the commit.
func (s *Store) committed(t *tx) {
	for _, f := range t.after {
		f()
	}
	if fn := s.watcher.Load(); fn != nil && len(t.changes) > 0 {
		(*fn)(t.changes)
	}
	if t.reap {
		select {
		case s.kick <- struct{}{}:
		default: // the janitor knows already
		}
	}
}
