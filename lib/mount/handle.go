//go:build linux

package mount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/readahead"
	"jottatools/lib/mount/spool"
)

// handle is an open file.
type handle struct {
	fs     *fileSystem
	entry  *entry
	writes bool
	alias  bool // it was opened in other letters

	mu     sync.Mutex // guards what follows
	from   *source    // what is being read from the service
	shared *shared
	reader *readahead.Reader
}

var (
	_ fs.FileReader    = (*handle)(nil)
	_ fs.FileWriter    = (*handle)(nil)
	_ fs.FileFlusher   = (*handle)(nil)
	_ fs.FileFsyncer   = (*handle)(nil)
	_ fs.FileReleaser  = (*handle)(nil)
	_ fs.FileAllocater = (*handle)(nil)
)

// Open opens a file. What has to be fetched is fetched when it is needed.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	writes := flags&syscall.O_ACCMODE != syscall.O_RDONLY
	if writes && n.fs.o.ReadOnly {
		return nil, 0, syscall.EROFS
	}
	f, e := n.fs, n.entry
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	h := f.newHandle(e, writes)
	h.alias = n.isAlias()
	// The kernel's pages of the file are good if the content is what it was.
	now := chunks.ID{}
	if e.local == nil {
		now = e.rev.id()
	}
	var keep uint32
	if e.alias == nil && (e.local != nil || e.opened == now) {
		keep = fuse.FOPEN_KEEP_CACHE // what is written here goes through the kernel
	}
	e.opened = now
	return h, keep, 0
}

// newHandle returns a handle of an entry. The tree's mu is held.
func (f *fileSystem) newHandle(e *entry, writes bool) *handle {
	e.handles++
	if writes {
		e.writers++
	}
	return &handle{fs: f, entry: e, writes: writes}
}

// Read reads from the local content if there is one, else from the service.
func (h *handle) Read(caller context.Context, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	ctx, cancel := h.fs.forWait(caller)
	defer cancel()
	n, err := h.fs.readEntry(ctx, h, dest, offset)
	if err != nil && err != io.EOF {
		return nil, h.fs.errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// readEntry reads from where the content of an entry is at the moment.
func (f *fileSystem) readEntry(ctx context.Context, h *handle, p []byte, offset int64) (int, error) {
	for {
		f.tree.mu.Lock()
		l, rev := h.entry.local, h.entry.rev
		f.tree.mu.Unlock()
		if l != nil {
			n, err := f.readLocal(ctx, h.entry, l, p, offset)
			if errors.Is(err, errDropped) {
				continue // the service has it by now
			}
			return n, err
		}
		if offset >= rev.size {
			return 0, io.EOF
		}
		reader, s, err := h.remote(rev)
		if err != nil {
			return 0, err
		}
		if s.damaged.Load() {
			return 0, fmt.Errorf("read content %s, which is damaged; open it again: %w", rev.md5, syscall.EIO)
		}
		n, err := reader.ReadAt(ctx, p, offset)
		if err == nil && rev.size <= verifyAtOnce && !s.verified.Load() {
			err = f.verifyRead(ctx, h.entry, s)
		}
		return n, err
	}
}

// readLocal reads from a local content and, where that has a rest, from there.
func (f *fileSystem) readLocal(ctx context.Context, e *entry, l *local, p []byte, offset int64) (n int, err error) {
	for n < len(p) && err == nil {
		var part *elsewhere
		m, readErr := l.readAt(p[n:], offset+int64(n))
		if errors.As(readErr, &part) {
			m, readErr = f.readRest(ctx, e, l, p[n:][:part.to-part.from], part.from)
		}
		n, err = n+m, readErr
	}
	return n, err
}

// verifyAtOnce is the size of a file, in bytes, up to which the read that finds all of
// it here waits until the MD5 has been checked. Larger ones are checked when they are
// closed.
const verifyAtOnce = 32 << 20

// verifyRead checks what has been read whole. What is wrong may be a newer version
// than the one that the folder was listed with.
func (f *fileSystem) verifyRead(ctx context.Context, e *entry, s *shared) error {
	if !s.Content().Complete() {
		return nil
	}
	err := f.verify(ctx, s.Content())
	switch {
	case errors.Is(err, chunks.ErrMissing):
		return nil // a part of it had to make room already
	case errors.Is(err, chunks.ErrDamaged):
		s.damaged.Store(true)
	case err == nil && s.Content().Verified(): // not: another is at it
		s.verified.Store(true)
	}
	if err != nil {
		f.distrust(e)
	}
	return err
}

// distrust has the next look ask the service, and the next open drop the pages that
// the kernel has: what was read was not what the service says it is.
func (f *fileSystem) distrust(e *entry) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	e.opened = chunks.ID{}
	if e.parent != nil {
		e.parent.listed = time.Time{}
	}
}

// remote returns what reads a revision.
func (h *handle) remote(rev revision) (*readahead.Reader, *shared, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shared == nil || h.from.rev.id() != rev.id() {
		h.closeRemote()
		from := &source{h.entry, rev}
		s, err := h.fs.read(from)
		if err != nil {
			return nil, nil, err
		}
		h.from, h.shared, h.reader = from, s, s.Reader()
	}
	return h.reader, h.shared, nil
}

// closeRemote ends reading from the service. The mu is held.
func (h *handle) closeRemote() {
	if h.shared != nil {
		h.fs.doneReading(h.shared, h.from)
		h.shared, h.from, h.reader = nil, nil, nil
	}
}

// Write writes to the local content.
func (h *handle) Write(caller context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	n := 0
	err := h.fs.change(caller, h.entry, -1, func(l *local) (err error) {
		n, err = l.writeAt(data, offset)
		return err
	})
	h.fs.rewritten(h.entry, h.alias)
	return uint32(n), h.fs.errno(err)
}

// Allocate makes room, which on a local disk is a matter of size only.
func (h *handle) Allocate(caller context.Context, offset, size uint64, mode uint32) syscall.Errno {
	const keepSize = 1
	switch mode {
	case keepSize:
		return 0
	case 0:
	default:
		return syscall.EOPNOTSUPP
	}
	return h.fs.errno(h.fs.change(caller, h.entry, -1, func(l *local) error {
		if end := int64(offset + size); end > l.size.Load() {
			return l.truncate(end)
		}
		return nil
	}))
}

// Flush is close: what was written survives from here on.
func (h *handle) Flush(context.Context) syscall.Errno {
	if !h.writes {
		return 0
	}
	return h.fs.errno(h.fs.commit(h.entry))
}

// commit makes what has been written to an entry survive.
func (f *fileSystem) commit(e *entry) error {
	f.tree.mu.Lock()
	l, gone := e.local, e.gone
	f.tree.mu.Unlock()
	if l == nil || gone {
		return nil
	}
	return l.commit()
}

// Fsync returns when the service has what was written, or with Options.FsyncLocal
// when the disk has it.
func (h *handle) Fsync(caller context.Context, _ uint32) syscall.Errno {
	f, e := h.fs, h.entry
	if err := f.commit(e); err != nil {
		return f.errno(err)
	}
	if f.o.FsyncLocal {
		return 0
	}
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	defer context.AfterFunc(caller, func() {
		time.AfterFunc(interruptGrace, func() { cancel(errInterrupted) })
	})()
	f.tree.mu.Lock()
	l, gone := e.local, e.gone
	f.tree.mu.Unlock()
	if l == nil || gone {
		return 0
	}
	return f.errno(f.upload(ctx, e, true))
}

// Release is the end of a handle.
func (h *handle) Release(context.Context) syscall.Errno {
	h.mu.Lock()
	h.closeRemote()
	h.mu.Unlock()
	return h.fs.errno(h.fs.release(h.entry, h.writes))
}

// release gives a handle back. When the last one that could write has gone, what was
// written waits to be uploaded.
func (f *fileSystem) release(e *entry, writes bool) error {
	var err error
	if writes {
		err = f.commit(e) // mapped memory is written after the last close
	}
	f.tree.mu.Lock()
	e.handles--
	if writes {
		e.writers--
	}
	l, gone, idle := e.local, e.gone, e.writers == 0
	unused := e.handles == 0
	f.tree.mu.Unlock()
	switch {
	case l == nil:
	case gone && unused:
		f.tree.mu.Lock()
		e.local = nil
		f.tree.mu.Unlock()
		err = errors.Join(err, f.drop(l, (*spool.File).Remove))
	case gone || !idle || !writes:
	default:
		version, sent := l.state()
		if sent {
			f.settleLocal(e, l, version)
		} else {
			f.uploads.add(e, f.o.WriteBack)
		}
	}
	return err
}

// change changes the content of an entry with do, which gets a local content. With a
// negative size, that begins as what the service has; else as nothing, since the
// rest would be cut off anyway.
func (f *fileSystem) change(caller context.Context, e *entry, size int64, do func(*local) error) error {
	for {
		l, err := f.fetch(caller, e, size == 0)
		if err != nil {
			return err
		}
		if f.giveWay(e) {
			continue
		}
		err = do(l)
		if errors.Is(err, errUnnoted) {
			if err = l.noteFound(); err == nil {
				continue
			}
		}
		if part := (*elsewhere)(nil); errors.As(err, &part) {
			ctx, cancel := f.forWait(caller)
			err = f.bring(ctx, e, l, part)
			cancel()
			if err == nil {
				continue
			}
		}
		if !errors.Is(err, errDropped) {
			return err
		}
	}
}

// giveWay breaks an upload of the entry off that is under way. If somebody waits
// until the service has that version, it waits, too, and returns true.
func (f *fileSystem) giveWay(e *entry) bool {
	f.tree.mu.Lock()
	s := e.sending
	f.tree.mu.Unlock()
	switch {
	case s == nil:
		return false
	case !s.waited:
		s.stop()
		return false
	}
	<-s.done // as long as there is progress, as with the fsync that it is of
	return true
}

// fetch returns the local content of an entry, and gives it one if it has none: what
// the service has, or nothing. Of a large one a rest is left there.
func (f *fileSystem) fetch(caller context.Context, e *entry, empty bool) (*local, error) {
	f.tree.mu.Lock()
	l := e.local
	f.tree.mu.Unlock()
	if l != nil {
		return l, nil
	}
	e.fetch.Lock()
	defer e.fetch.Unlock()
	f.tree.mu.Lock()
	rev, stored, l, dropping := e.rev, e.stored, e.local, e.dropping
	f.tree.mu.Unlock()
	if l != nil {
		return l, nil
	}
	if dropping != nil {
		<-dropping // else there could be two of one place in the spool
	}
	file, err := f.spool.Create()
	if err != nil {
		return nil, err
	}
	size := int64(0)
	var left *rest
	switch {
	case empty || rev.size == 0:
	case rev.size > fetchWhole:
		size, left = rev.size, newRest(e, rev, rev.size)
		err = file.Truncate(size)
	default:
		size = rev.size
		err = f.copyOut(caller, e, rev, file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Remove(), file.Close())
	}
	var before []spool.Content
	if stored {
		before = []spool.Content{rev.content()}
	}
	l = newLocal(file, size, cmp.Or(rev.modified, time.Now()))
	l.rest = left
	return l, f.adoptLocal(e, l, cmp.Or(rev.created, time.Now().Truncate(time.Second)), before...)
}

// adoptLocal notes on disk where a local content belongs, and what the service may
// have there, and makes it that of the entry.
func (f *fileSystem) adoptLocal(e *entry, l *local, created time.Time, before ...spool.Content) error {
	f.tree.mu.Lock()
	p := f.tree.path(e)
	f.tree.mu.Unlock()
	if err := l.file.Place(string(p), created, l.rest.note(), before...); err != nil {
		return errors.Join(err, f.drop(l, (*spool.File).Remove))
	}
	f.tree.mu.Lock()
	e.local = l
	gone := e.gone
	f.tree.mu.Unlock()
	if gone {
		return l.file.Remove() // it is written to all the same, and forgotten in the end
	}
	return f.follow(e, l) // it may have been renamed meanwhile
}

// follow has the note of a local content say where the entry is.
func (f *fileSystem) follow(e *entry, l *local, before ...spool.Content) error {
	for done := false; !done; {
		f.tree.mu.Lock()
		p, over := f.tree.path(e), e.gone || e.local != l
		f.tree.mu.Unlock()
		if over {
			return nil
		}
		if err := l.file.Move(string(p), before...); err != nil {
			return err
		}
		f.tree.mu.Lock()
		done = f.tree.path(e) == p
		f.tree.mu.Unlock()
	}
	return nil
}

// copyOut copies what the service has into a file of the spool. It goes on as long as
// there is progress.
func (f *fileSystem) copyOut(caller context.Context, e *entry, rev revision, file *spool.File) error {
	from := &source{e, rev}
	s, err := f.read(from)
	if err != nil {
		return err
	}
	defer f.doneReading(s, from)
	reader := s.Reader()
	buffer := make([]byte, 1<<20)
	for offset := int64(0); offset < rev.size; {
		ctx, cancel := f.forWait(caller)
		n, err := reader.ReadAt(ctx, buffer, offset)
		cancel()
		if err != nil {
			return err
		}
		if _, err := file.WriteAt(buffer[:n], offset); err != nil {
			return err
		}
		offset += int64(n)
	}
	// What is about to be changed and sent back had better be what it was.
	if err := f.verify(f.ctx, s.Content()); err != nil && !errors.Is(err, chunks.ErrMissing) {
		return err
	}
	return nil
}
