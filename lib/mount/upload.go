//go:build linux

package mount

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const (
	// firstRetry and lastRetry bound the pause before an upload that failed for a
	// passing reason is tried again; it doubles.
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
	// needyRetry is the pause after one that failed for a reason that people have to
	// see to, such as a full account.
	needyRetry = 2 * time.Minute
	// shortPause is that of an upload that was broken off by a change.
	shortPause = 100 * time.Millisecond
)

// sending is an upload under way.
type sending struct {
	cancel  context.CancelCauseFunc
	done    chan struct{}
	waited  bool // somebody waits for it; writers wait, too, instead of breaking it off
	stopped atomic.Bool
}

// answerPatience is how long an upload that is broken off may wait for the answer to
// a request that the service may be carrying out.
const answerPatience = 10 * time.Second

// stop breaks the upload off. A request that the service has all of is not given up
// but waited for: else it might be carried out after what is about to be done.
func (s *sending) stop() {
	if s.stopped.Swap(true) {
		return
	}
	time.AfterFunc(answerPatience, func() { s.cancel(errOutdated) })
}

// reader reads the content; once the upload is broken off it fails, so that the service does not get all of it.
func (s *sending) reader(l *local) readerAt {
	return func(p []byte, offset int64) (int, error) {
		if s.stopped.Load() {
			return 0, errOutdated
		}
		return l.readAt(p, offset)
	}
}

// job is a file that waits to be uploaded.
type job struct {
	entry *entry
	due   time.Time
	index int // in the heap; -1: a worker has it

	again  bool // it was asked for while a worker had it
	tries  int
	err    error // of the last try
	failed bool  // it is not tried again by itself
}

// uploads is the queue of files to upload, and the workers on it.
type uploads struct {
	fs      *fileSystem
	sender  *transfer.Sender
	workers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	wake   chan struct{}
	jobs   map[*entry]*job
	queue  dueHeap
	closed bool
	hurry  bool // nothing waits for its time any more
}

func newUploads(f *fileSystem) *uploads {
	return &uploads{
		fs: f, sender: &transfer.Sender{Service: f.service, Bandwidth: f.o.Bandwidth},
		wake: make(chan struct{}), jobs: map[*entry]*job{},
	}
}

func (u *uploads) start(workers int) {
	for range workers {
		u.workers.Go(u.work)
	}
}

// signal wakes whoever waits for a change. The mu is held.
func (u *uploads) signal() {
	close(u.wake)
	u.wake = make(chan struct{})
}

// add has an entry uploaded after a delay. One that is waiting already waits anew.
func (u *uploads) add(e *entry, delay time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hurry {
		delay = 0
	}
	due := time.Now().Add(delay)
	j := u.jobs[e]
	switch {
	case j == nil:
		j = &job{entry: e, due: due}
		u.jobs[e] = j
		heap.Push(&u.queue, j)
	case j.index < 0:
		j.again, j.due = true, due
	default:
		j.due, j.failed, j.tries = due, false, 0
		heap.Fix(&u.queue, j.index)
	}
	u.signal()
}

// forget takes an entry out of the queue.
func (u *uploads) forget(e *entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if j := u.jobs[e]; j != nil {
		if j.index >= 0 {
			heap.Remove(&u.queue, j.index)
		}
		delete(u.jobs, e)
		u.signal()
	}
}

// work carries out jobs until the queue is closed.
func (u *uploads) work() {
	for {
		j := u.next()
		if j == nil {
			return
		}
		err := u.fs.upload(u.fs.ctx, j.entry, false)
		u.settle(j, err)
	}
}

// next waits for a job whose time has come; nil when the queue is closed.
func (u *uploads) next() *job {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			return nil
		}
		wait := time.Hour
		if len(u.queue) > 0 {
			j := u.queue[0]
			if wait = time.Until(j.due); wait <= 0 {
				heap.Pop(&u.queue)
				u.mu.Unlock()
				return j
			}
		}
		wake := u.wake
		u.mu.Unlock()
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-timer.C:
		case <-wake:
		}
	}
}

// settle draws the conclusions from what became of a job.
func (u *uploads) settle(j *job, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer u.signal()
	if u.jobs[j.entry] != j {
		return // forgotten meanwhile
	}
	outdated := errors.Is(err, errOutdated) || errors.Is(err, errChanged) || errors.Is(err, errDropped)
	switch {
	case outdated && !j.again:
		// Whoever changes the file adds it again when he is done. A folder that was
		// renamed does not.
		j.due = time.Now().Add(shortPause)
	case err == nil && !j.again:
		delete(u.jobs, j.entry)
		return
	case err != nil && !outdated:
		j.err = err
		j.tries++
		pause, hopeless := retry(err, j.tries)
		j.due, j.failed = time.Now().Add(pause), hopeless
		if hopeless {
			j.due = time.Now().AddDate(1, 0, 0)
		}
		if u.fs.ctx.Err() == nil {
			u.fs.note(err)
			switch {
			case hopeless:
				u.fs.o.Warn("%v; the file is kept in the spool", err)
			case j.tries == 1 && !isRefusal(err): // that has been told of
				u.fs.o.Warn("%v; it will be tried again", err)
			}
		}
	}
	if j.again {
		j.again, j.failed = false, false
		if u.hurry { // it was asked for before there was any
			j.due = time.Now()
		}
	}
	heap.Push(&u.queue, j)
}

// retry says when to try an upload again, or that there is no point.
func retry(err error, tries int) (pause time.Duration, hopeless bool) {
	pause = min(firstRetry<<min(tries-1, 10), lastRetry)
	var e *jfs.Error
	if lost := (*LostError)(nil); errors.As(err, &lost) {
		return 0, true
	}
	if !errors.As(err, &e) {
		return pause, false // the disk, or a context that ended
	}
	switch e.Class {
	case record.ClassNameInvalid, record.ClassNameTooLong, record.ClassKindConflict, record.ClassForbidden:
		return 0, true
	case record.ClassQuota, record.ClassLocked, record.ClassAuth:
		return max(pause, needyRetry), false
	}
	return max(pause, e.RetryAfter), false
}

// retryNow has no job wait for its next try.
func (u *uploads) retryNow() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, j := range u.queue {
		if j.tries > 0 && !j.failed {
			j.due = time.Now()
		}
	}
	heap.Init(&u.queue)
	u.signal()
}

// close ends the workers; what is under way is broken off by the file system's
// context.
func (u *uploads) close() {
	u.mu.Lock()
	u.closed = true
	u.signal()
	u.mu.Unlock()
	u.workers.Wait()
}

// drain uploads all that waits at once, and returns when nothing is left that a
// first try could store, or the context ends.
func (u *uploads) drain(ctx context.Context) {
	u.mu.Lock()
	u.hurry = true
	for _, j := range u.jobs {
		j.tries = 0
		if j.index >= 0 && !j.failed {
			j.due = time.Now()
		}
	}
	heap.Init(&u.queue)
	u.signal()
	for {
		waiting := false
		for _, j := range u.jobs {
			waiting = waiting || j.index < 0 || j.tries == 0 && !j.failed
		}
		wake := u.wake
		u.mu.Unlock()
		if !waiting {
			return
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
		u.mu.Lock()
	}
}

// list returns the jobs, those in trouble first.
func (u *uploads) list() []job {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]job, 0, len(u.jobs))
	for _, j := range u.jobs {
		all = append(all, *j)
	}
	slices.SortFunc(all, func(a, b job) int {
		return cmp.Or(cmp.Compare(b.tries, a.tries), a.due.Compare(b.due), cmp.Compare(a.entry.ino, b.entry.ino))
	})
	return all
}

// dueHeap is the queue: a heap by due time.
type dueHeap []*job

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	j := x.(*job)
	j.index = len(*h)
	*h = append(*h, j)
}
func (h *dueHeap) Pop() any {
	old := *h
	j := old[len(old)-1]
	j.index = -1
	*h = old[:len(old)-1]
	return j
}

// upload brings the content of an entry to the service, if it is not there yet. If
// waited, writers wait until it is over; else they break it off.
func (f *fileSystem) upload(ctx context.Context, e *entry, waited bool) error {
	if waited {
		f.claim(e)
	} else if !e.remote.TryLock() {
		return errOutdated
	}
	defer e.remote.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sending{cancel: cancel, done: make(chan struct{}), waited: waited}

	// From here on a renaming of a folder above breaks the upload off.
	f.renaming.RLock()
	f.tree.mu.Lock()
	l, gone, p := e.local, e.gone, f.tree.path(e)
	created := e.rev.created
	if l != nil && !gone {
		e.sending = s
	}
	f.tree.mu.Unlock()
	f.renaming.RUnlock()
	if l == nil || gone {
		return nil
	}
	defer close(s.done)
	defer func() {
		f.tree.mu.Lock()
		e.sending = nil
		f.tree.mu.Unlock()
	}()

	version, sent := l.state()
	if !sent {
		err := f.sendVersion(ctx, s, e, l, version, p, created)
		if by := (*outdoneError)(nil); errors.As(err, &by) {
			return f.outdone(e, l, by)
		}
		if err != nil {
			return err
		}
	}
	f.settleLocal(e, l, version)
	return nil
}

// sendVersion sends one version of a local content.
func (f *fileSystem) sendVersion(ctx context.Context, s *sending, e *entry, l *local, version uint64, p jfs.Path, created time.Time) error {
	if err := f.checkOwner(ctx); err != nil {
		return err
	}
	if err := f.bringAll(ctx, e, l, s.stopped.Load); err != nil {
		return err
	}
	found, size, err := l.hash(version)
	if err != nil {
		return err
	}
	modified := l.modified().Truncate(time.Second)
	if created.IsZero() {
		if created = l.file.Created(); created.IsZero() {
			created = modified
		}
	}
	changed := func() bool { now, _ := l.state(); return now != version || s.stopped.Load() }
	if changed() {
		return errChanged
	}
	fresh, err := f.mayStore(ctx, l, p, version, spool.Content{MD5: found.md5, Size: size})
	if err != nil {
		return err
	}
	f.tree.mu.Lock()
	e.tried = true
	f.tree.mu.Unlock()
	content := jfs.Content{Size: size, MD5: found.md5, Created: created, Modified: modified}
	from := transfer.Source{ReaderAt: s.reader(l), Changed: changed}
	if fresh {
		err = f.sendNew(ctx, p, content, from)
	} else {
		_, err = f.uploads.sender.Send(ctx, p, content, from)
	}
	switch {
	case errors.Is(err, transfer.ErrChanging), err != nil && changed():
		return errChanged
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	if err := f.respell(ctx, e, p); err != nil {
		return err
	}
	l.markSent(version)
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e.stored = true
	e.rev = revision{size: size, md5: found.md5, created: created, modified: modified}
	if e.parent != nil {
		e.parent.version++ // a listing that is under way does not know of it
	}
	return nil
}

// respell gives a file that is new, and has just been sent, the name that it has here:
// one in the trash may have had it in other letter case, and has come back as it was.
// The error is one that may pass.
func (f *fileSystem) respell(ctx context.Context, e *entry, p jfs.Path) error {
	f.tree.mu.Lock()
	stored := e.stored
	f.tree.mu.Unlock()
	if stored {
		return nil
	}
	_, err := transfer.Respell(ctx, f.service, p)
	switch rec := jfs.RecordError(err); {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case rec.Retry:
		return err
	default:
		f.o.Warn("%s: %v", p, err)
		f.note(err)
	}
	return nil
}

// settleLocal drops a local content that the service has, unless somebody may still
// write to it.
func (f *fileSystem) settleLocal(e *entry, l *local, version uint64) {
	f.tree.mu.Lock()
	now, sent := l.state()
	if e.local != l || e.writers > 0 || now != version || !sent {
		f.tree.mu.Unlock()
		return
	}
	e.local = nil
	dropping := make(chan struct{})
	e.dropping = dropping
	defer close(dropping)
	id := e.rev.id()
	e.opened = id // the pages that the kernel has are those of this content
	f.tree.mu.Unlock()
	found, _, err := l.hash(version)
	if err := f.drop(l, func(file *spool.File) error {
		return file.Release(func(name string) error {
			if err != nil {
				return nil
			}
			return f.cache.Adopt(id, name, found.sums)
		})
	}); err != nil {
		f.o.Warn("clear the spool: %v", err)
	}
}

// drop ends a local content; see local.drop.
func (f *fileSystem) drop(l *local, remove func(*spool.File) error) error {
	err := l.drop(remove)
	f.doneRest(l)
	return err
}

// readerAt makes an io.ReaderAt of a function.
type readerAt func(p []byte, offset int64) (int, error)

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) { return r(p, offset) }
