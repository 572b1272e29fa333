//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"math"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/readahead"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

// fetchWhole is the size of a file, in bytes, up to which the first change waits
// until all of it is here. Of larger ones a rest stays at the service until it is
// needed: to be read, to be changed in part, or to be sent back with the change.
var fetchWhole int64 = 8 << 20

// restPiece is how much of a rest is fetched at a time before an upload, in bytes.
const restPiece = 1 << 20

// rest is the part of a local file that has not been fetched from the service yet. The
// mu of the local guards limit, here, open and from. rev does not change, the mu of
// the fileSystem guards src.rev.number, and only the holder of the entry's turn uses err.
type rest struct {
	rev   revision // that has it
	limit int64    // where it ends: all above has been cut off or written here
	here  []bool   // of each block of it: written or fetched
	src   *source  // that it is read from
	open  *shared  // nil: nobody has read from it yet
	from  *readahead.Reader
	err   error // why it must not be used
}

func newRest(e *entry, rev revision, limit int64) *rest {
	blocks := (rev.size + chunks.BlockSize - 1) / chunks.BlockSize
	r := &rest{rev: rev, here: make([]bool, blocks), src: &source{e, rev}, limit: rev.size}
	r.cut(limit)
	return r
}

// elsewhere says that a part of a content has to be fetched first.
type elsewhere struct{ from, to int64 }

func (e *elsewhere) Error() string {
	return fmt.Sprintf("the bytes from %d up to %d are still at the service", e.from, e.to)
}

// missing reports whether the byte at an offset is elsewhere.
func (r *rest) missing(offset int64) bool {
	return r != nil && offset < r.limit && !r.here[offset/chunks.BlockSize]
}

// run returns up to where the bytes from offset on are all here, or all elsewhere.
func (r *rest) run(offset int64) int64 {
	if r == nil || offset >= r.limit {
		return math.MaxInt64
	}
	missing, b := r.missing(offset), offset/chunks.BlockSize
	for b++; b*chunks.BlockSize < r.limit; b++ {
		if r.missing(b*chunks.BlockSize) != missing {
			return b * chunks.BlockSize
		}
	}
	if missing {
		return r.limit
	}
	return math.MaxInt64
}

// next returns the first part from offset on that is elsewhere; nil if there is none.
func (r *rest) next(offset int64) *elsewhere {
	for ; r != nil && offset < r.limit; offset = r.run(offset) {
		if r.missing(offset) {
			return &elsewhere{offset, r.run(offset)}
		}
	}
	return nil
}

// away returns how many bytes are elsewhere.
func (r *rest) away() int64 {
	n := int64(0)
	for part := r.next(0); part != nil; part = r.next(part.to) {
		n += part.to - part.from
	}
	return n
}

// edge returns what has to be fetched before the bytes from offset up to end can be
// written, since it shares a block with them; nil if there is nothing.
func (r *rest) edge(offset, end int64) error {
	for _, edge := range []int64{offset, end - 1} {
		from := edge / chunks.BlockSize * chunks.BlockSize
		to := min(from+chunks.BlockSize, r.limit)
		if r.missing(from) && (offset > from || end < to) {
			return &elsewhere{from, to}
		}
	}
	return nil
}

// wrote notes that the bytes from offset up to end have been written here.
func (r *rest) wrote(offset, end int64) {
	first := (offset + chunks.BlockSize - 1) / chunks.BlockSize
	for b := first; b*chunks.BlockSize < min(end, r.limit); b++ {
		if min((b+1)*chunks.BlockSize, r.limit) <= end {
			r.here[b] = true
		}
	}
}

// cut notes that what is behind a size is not part of the content any more.
func (r *rest) cut(size int64) { r.limit = min(r.limit, size) }

// note returns what the spool has to know of a rest.
func (r *rest) note() *spool.Rest {
	if r.next(0) == nil {
		return nil
	}
	n := &spool.Rest{MD5: r.rev.md5, Size: r.rev.size, Limit: r.limit, Here: make([]byte, (len(r.here)+7)/8)}
	for b, here := range r.here {
		if here {
			n.Here[b/8] |= 1 << (b % 8)
		}
	}
	return n
}

// restOf is the reverse of note.
func restOf(e *entry, n *spool.Rest, size int64) (*rest, error) {
	if n == nil {
		return nil, nil
	}
	rev := revision{md5: n.MD5, size: n.Size}
	if blocks := (n.Size + chunks.BlockSize - 1) / chunks.BlockSize; n.Size < 0 || n.Limit < 0 || int64(len(n.Here)) != (blocks+7)/8 {
		return nil, errors.New("its note contradicts itself")
	}
	r := newRest(e, rev, min(n.Limit, size))
	for b := range r.here {
		r.here[b] = n.Here[b/8]&(1<<(b%8)) != 0
	}
	return r, nil
}

// elsewhere returns the first part of the content from offset on that is not here; nil
// if all is.
func (l *local) elsewhere(offset int64) *elsewhere {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.rest.next(offset)
}

// here returns how many bytes of the content are.
func (l *local) here() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.size.Load() - l.rest.away()
}

// put writes what was fetched, except where something has been written meanwhile.
func (l *local) put(p []byte, offset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		return errDropped
	}
	for at, end := offset, offset+int64(len(p)); at < end; {
		next := min(at/chunks.BlockSize*chunks.BlockSize+chunks.BlockSize, end)
		if l.rest.missing(at) {
			if _, err := l.file.WriteAt(p[at-offset:min(next, l.rest.limit)-offset], at); err != nil {
				return err
			}
			l.rest.here[at/chunks.BlockSize] = true
		}
		at = next
	}
	return l.file.SetModified(l.mtime) // that was no change
}

// LostError says that the rest of a content is not at the service any more. To
// programs it is an error like any other that makes a content unreadable.
type LostError struct {
	Path jfs.Path
	Err  error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s was changed in part, and the rest of what it was is not to be had at the service any more: %v", e.Path, e.Err)
}

// findRest makes sure that the service still has the revision that a rest is of. The
// number of it is all that a request for a part of it can name, and it could be that
// of another file by now.
func (f *fileSystem) findRest(ctx context.Context, e *entry, r *rest) error {
	f.tree.mu.Lock()
	p := f.tree.path(e)
	f.tree.mu.Unlock()
	number, err := f.number(ctx, e, p, r.rev)
	if class := jfs.RecordError(err); err != nil && (class.Class == record.ClassNotFound || class.Class == record.ClassChanging) {
		err = &LostError{p, err}
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.src.rev.number = number
	return nil
}

// readRest reads p, which must be elsewhere, from where it is.
func (f *fileSystem) readRest(ctx context.Context, e *entry, l *local, p []byte, offset int64) (int, error) {
	l.mu.RLock()
	r, dropped := l.rest, l.dropped
	var from *readahead.Reader
	if r != nil {
		from = r.from
	}
	l.mu.RUnlock()
	switch {
	case dropped || r == nil:
		return 0, errDropped // it is all here by now, or at the service
	case from == nil:
		if err := f.findRest(ctx, e, r); err != nil {
			return 0, err
		}
		open, err := f.read(r.src)
		if err != nil {
			return 0, err
		}
		l.mu.Lock()
		if r.open == nil && l.rest == r && !l.dropped {
			r.open, r.from = open, open.Reader()
			open = nil
		}
		from = r.from
		l.mu.Unlock()
		if open != nil {
			f.doneReading(open, r.src) // another was faster
		}
		if from == nil {
			return 0, errDropped
		}
	}
	return from.ReadAt(ctx, p, offset)
}

// bring fetches a part of a rest.
func (f *fileSystem) bring(ctx context.Context, e *entry, l *local, part *elsewhere) error {
	p := make([]byte, part.to-part.from)
	n, err := f.readRest(ctx, e, l, p, part.from)
	if err == nil {
		err = l.put(p[:n], part.from)
	}
	return err
}

// bringAll fetches all of a rest and notes that nothing is elsewhere any more. It goes
// on as long as there is progress, until it is stopped.
func (f *fileSystem) bringAll(ctx context.Context, e *entry, l *local, stopped func() bool) error {
	l.mu.RLock()
	r := l.rest
	l.mu.RUnlock()
	switch {
	case r == nil:
		return nil
	case r.err != nil:
		return r.err
	}
	for part := l.elsewhere(0); part != nil; part = l.elsewhere(part.to) {
		if stopped() {
			return errOutdated
		}
		part.to = min(part.to, part.from+restPiece)
		pieceCtx, cancel := f.forWait(ctx)
		err := f.bring(pieceCtx, e, l, part)
		cancel()
		if err != nil {
			return err
		}
	}
	l.mu.RLock()
	open := r.open
	l.mu.RUnlock()
	if open != nil {
		// It was that revision all the time, and it is not damaged, as far as can be told
		// without the parts that were written here.
		ctx, cancel := f.forWait(ctx)
		defer cancel()
		if err := f.findRest(ctx, e, r); err != nil {
			return err
		}
		if err := f.verify(f.ctx, open.Content()); errors.Is(err, chunks.ErrDamaged) {
			r.err = &LostError{jfs.Path(l.file.Path()), err}
			return r.err
		}
	}
	if err := f.commit(e); err != nil {
		return err
	}
	f.doneRest(l)
	return nil
}

// doneRest gives back what a rest was read through, and forgets it.
func (f *fileSystem) doneRest(l *local) {
	l.mu.Lock()
	r := l.rest
	l.rest = nil
	l.mu.Unlock()
	if r != nil && r.open != nil {
		f.doneReading(r.open, r.src)
	}
}
