//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/readahead"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

// Service is the part of a [jfs.Client] that a mount needs.
type Service interface {
	transfer.Putter
	AllocateNew(context.Context, jfs.Path, jfs.Content) (*jfs.Allocation, error)
	Customer(context.Context) (jfs.Customer, error)
	Account(context.Context) (jfs.Account, error)
	List(context.Context, jfs.Path) (jfs.Info, []jfs.Entry, error)
	ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	Stat(context.Context, jfs.Path) (jfs.Info, error)
	Open(ctx context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error)
	OpenRevision(ctx context.Context, p jfs.Path, number, offset, length int64) (io.ReadCloser, error)
	MkDir(context.Context, jfs.Path) error
	Move(ctx context.Context, from, to jfs.Path) error
	MoveDir(ctx context.Context, from, to jfs.Path) error
	TouchFile(context.Context, jfs.Path, jfs.Content) error
	Trash(context.Context, jfs.Path) error
	TrashDir(context.Context, jfs.Path) error
	Remove(context.Context, jfs.Path) error
	RemoveDir(context.Context, jfs.Path) error
	Trashed(context.Context) iter.Seq2[jfs.Info, error]
	Share(context.Context, jfs.Path) (jfs.Link, error)
	Unshare(context.Context, jfs.Path) error
	LinkTo(context.Context, jfs.Info) (jfs.Link, error)
}

// fileSystem is what is behind a mount, without the kernel: the tree, what was
// read and what was written.
type fileSystem struct {
	service Service
	o       Options
	tree    *tree
	spool   *spool.Spool
	cache   *chunks.Cache
	line    readahead.Line
	uploads *uploads
	running sync.WaitGroup // what happens in the background
	ctx     context.Context
	stop    context.CancelCauseFunc

	// renaming is read-locked while something is changed at the service by its path,
	// and locked while a folder gets another path. Whoever takes an entry's remote
	// lock, too, takes that first.
	renaming sync.RWMutex
	// oneRename is held by each rename.
	oneRename sync.Mutex

	mu        sync.Mutex // guards what follows
	files     map[chunks.ID]*shared
	checked   map[chunks.ID]bool // contents that are being verified
	account   jfs.Account
	asked     time.Time // when the account was
	owner     string    // the account that the spool belongs to; "" if that is not known yet
	lastErr   string    // for status
	conflicts int       // contents stored under a name of their own
	aside     []string  // the paths of the last of them
	lastAt    time.Time
	refused   error // the login is not good any more; nil: it is, as far as is known
	away      error // the service does not answer; likewise
}

// forOp returns the context of an operation that is carried out whether or not its
// caller is interrupted: half an operation would be worse than a slow one. Fsync and
// the fetching of content go on as long as there is progress. Where the service is known
// to be away, the context has ended.
func (f *fileSystem) forOp() (context.Context, context.CancelFunc) {
	if away := f.isAway(); away != nil {
		ctx, cancel := context.WithCancelCause(f.ctx)
		cancel(away)
		return ctx, func() {}
	}
	return f.forAnswer()
}

func (f *fileSystem) forAnswer() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(f.ctx, f.o.Timeout, noAnswer(f.o.Timeout))
}

// interruptGrace is how long a caller who was interrupted waits for his answer all
// the same. Most signals are none that end a program, and few programs can do with
// EINTR.
const interruptGrace = 2 * time.Second

// forWait returns the context of something that can be broken off: by a caller who
// has been interrupted, after a while of grace, and by time.
func (f *fileSystem) forWait(caller context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := f.forAnswer()
	ctx, interrupt := context.WithCancelCause(ctx)
	stop := context.AfterFunc(caller, func() {
		grace := time.NewTimer(interruptGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			interrupt(errInterrupted)
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); interrupt(nil); cancel() }
}

// claim makes sure that nobody else changes the entry at the service: an upload
// under way is broken off. The caller unlocks e.remote.
func (f *fileSystem) claim(e *entry) {
	for !e.remote.TryLock() {
		f.tree.mu.Lock()
		s := e.sending
		f.tree.mu.Unlock()
		if s == nil {
			e.remote.Lock()
			return
		}
		s.stop()
		<-s.done
	}
}

// errOutdated breaks an upload off: the content or the place is about to change.
var errOutdated = errors.New("the file is being changed")

// shared is a content that is read by one or several handles.
type shared struct {
	*readahead.File
	from []*source // one for each handle; guarded by the file system's mu

	verified atomic.Bool // the MD5 is right
	// damaged is set once the MD5 is known to be wrong. From then on all reads fail, until
	// the last handle has gone: the kernel asks again for what it could not read ahead,
	// and the programs that have the rest must not get it as if nothing had been.
	damaged atomic.Bool
}

// source is a place where the service has a content.
type source struct {
	entry *entry
	rev   revision
}

// read opens the content of a revision. Give it back with doneReading.
func (f *fileSystem) read(from *source) (*shared, error) {
	id := from.rev.id()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.files[id]
	if s == nil {
		content, err := f.cache.Content(id)
		if err != nil {
			return nil, err
		}
		s = &shared{}
		s.File = readahead.New(content, func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			return f.open(ctx, f.livingSource(s), offset, length)
		}, f.o.Timeout, &f.line)
		f.files[id] = s
	}
	s.from = append(s.from, from)
	return s, nil
}

// doneReading gives back what read returned.
func (f *fileSystem) doneReading(s *shared, from *source) {
	f.mu.Lock()
	i := slices.Index(s.from, from)
	if len(s.from) > 1 { // the last stays, for requests that are under way
		s.from = slices.Delete(s.from, i, i+1)
		f.mu.Unlock()
		return
	}
	delete(f.files, s.Content().ID())
	f.mu.Unlock()
	f.running.Go(func() {
		if errors.Is(f.verify(f.ctx, s.Content()), chunks.ErrDamaged) {
			f.distrust(from.entry)
		}
		s.Close()
	})
}

// livingSource returns where a content can be fetched from.
func (f *fileSystem) livingSource(s *shared) *source {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	for _, from := range s.from {
		if !from.entry.gone {
			return from
		}
	}
	return s.from[0] // what is in the trash can be read, too
}

// open asks the service for a part of a content.
func (f *fileSystem) open(ctx context.Context, from *source, offset, length int64) (io.ReadCloser, error) {
	e, rev := from.entry, from.rev
	f.tree.mu.Lock()
	p := f.tree.path(e)
	if rev.number == 0 && e.rev.md5 == rev.md5 {
		rev.number = e.rev.number
	}
	f.tree.mu.Unlock()
	if rev.number == 0 && length < rev.size {
		// A part of the newest revision might be of another one by now. The whole of
		// it is checked.
		number, err := f.number(ctx, e, p, rev)
		if err != nil {
			return nil, err
		}
		rev.number = number
	}
	if rev.number == 0 {
		return f.service.Open(ctx, p, offset, length)
	}
	return f.service.OpenRevision(ctx, p, rev.number, offset, length)
}

// number finds out which revision has the content that rev says.
func (f *fileSystem) number(ctx context.Context, e *entry, p jfs.Path, rev revision) (int64, error) {
	info, err := f.service.Stat(ctx, p)
	if err != nil {
		return 0, err
	}
	for _, r := range append([]jfs.Revision{info.Revision}, info.Older...) {
		if r.MD5 == rev.md5 && r.Size == rev.size {
			f.tree.mu.Lock()
			if e.rev.md5 == rev.md5 {
				e.rev.number = r.Number
			}
			f.tree.mu.Unlock()
			return r.Number, nil
		}
	}
	return 0, &jfs.Error{Op: "download", Path: p, Class: record.ClassChanging, Message: "the service has another version of it by now"}
}

// verify compares a content that has been read whole with its MD5, once.
func (f *fileSystem) verify(ctx context.Context, content *chunks.Content) error {
	id := content.ID()
	if !content.Complete() || content.Verified() {
		return nil
	}
	f.mu.Lock()
	busy := f.checked[id]
	f.checked[id] = true
	f.mu.Unlock()
	if busy {
		return nil
	}
	err := content.Verify(ctx)
	f.mu.Lock()
	delete(f.checked, id)
	f.mu.Unlock()
	if errors.Is(err, chunks.ErrDamaged) {
		err = fmt.Errorf("a content that was read does not have the MD5 %s that the service says, and will be fetched again: %w", id.MD5, err)
		f.o.Warn("%v", err)
		f.note(err)
	}
	return err
}
