package digest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"sync"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

const (
	// tries is how often a file that changes while it is read is read.
	tries = 3

	// bufferSize is how much of a file is read at a time. Longer reads are no
	// faster, and each job holds one buffer.
	bufferSize = 256 << 10

	// fineGrain is how far apart two changes of a file must be for its ctime to
	// tell them apart. Kernels stamp files with the time of their last timer tick,
	// 10 ms apart at most on Linux and FreeBSD and 15.6 ms on Windows; the rest is
	// margin.
	fineGrain = 100 * time.Millisecond
	// coarseGrain is the same for file systems that keep whole seconds, such as
	// HFS+ or old NFS servers, or two of them, as FAT does.
	coarseGrain = 2 * time.Second
)

// hasher reads files. It is safe for concurrent use.
type hasher struct {
	open     func(path string, ino uint64) (file, fs.FileInfo, error)
	now      func() time.Time
	wait     func(ctx context.Context, d time.Duration)
	progress func(files, bytes int64)
	info     func(format string, args ...any)

	// settle makes a file that has only just changed wait until a later change
	// would show in its ctime: only then may the cache remember it.
	settle bool

	readers sync.Pool // of *reader
}

// file is what a hasher needs of *os.File.
type file interface {
	io.ReadCloser
	Stat() (fs.FileInfo, error)
}

// reader is what reading one file takes.
type reader struct {
	buf  [bufferSize]byte
	hash hash.Hash
}

func newHasher(opts Options) *hasher {
	opts = opts.complete()
	return &hasher{
		open: func(path string, ino uint64) (file, fs.FileInfo, error) {
			f, fi, err := local.OpenListed(path, ino)
			if err != nil {
				return nil, nil, err // not a file that holds a nil pointer
			}
			return f, fi, nil
		},
		now:      time.Now,
		wait:     wait,
		progress: opts.Progress,
		info:     opts.Info,
		readers:  sync.Pool{New: func() any { return &reader{hash: newHash()} }},
	}
}

// newHash is the one place that chooses an implementation of MD5.
func newHash() hash.Hash { return md5.New() }

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// add gives rec the MD5 of its file, or says in it why there is none.
func (h *hasher) add(ctx context.Context, rec *record.Record) result {
	sum, state, lasting, err := h.sum(ctx, rec)
	res := result{rec: rec, changed: true}
	switch {
	case ctx.Err() != nil && err != nil:
		return result{aborted: true}
	case err == nil:
		if !local.Unchanged(rec, state) {
			h.info("%s: changed after it was listed; its record now says what was hashed", rec.Path)
			local.Fill(rec, state)
		}
		rec.MD5 = sum
		if lasting {
			res.entry = &record.Record{Kind: record.KindFile, Root: rec.Root, Path: rec.Path}
			local.Fill(res.entry, state)
			res.entry.MD5 = sum
			res.entry = entryOf(res.entry)
		}
	case moved(err):
		h.info("%s: %v; skipped, the next run takes it", rec.Path, err)
		rec.Status, rec.Reason = record.StatusSkipped, record.ReasonChanging
	default:
		rec.Status, rec.Reason = record.StatusFailed, record.ReasonUnreadable
		rec.Error = local.NewError(err)
	}
	h.progress(1, 0)
	return res
}

// check compares the file of rec with its MD5.
func (h *hasher) check(ctx context.Context, rec *record.Record) result {
	sum, state, _, err := h.sum(ctx, rec)
	switch {
	case ctx.Err() != nil && err != nil:
		return result{aborted: true}
	case err == nil && sum == rec.MD5:
		rec.Status = record.StatusDone
	case err == nil:
		message := fmt.Sprintf("the content has MD5 %s instead of %s though size and mtime are as recorded: it is damaged", sum, rec.MD5)
		if state.Size() != rec.Size || !state.ModTime().Equal(rec.MTime) {
			message = fmt.Sprintf("the content has MD5 %s instead of %s; it was modified since, at %s", sum, rec.MD5, state.ModTime().UTC().Format(time.RFC3339))
		}
		rec.Status = record.StatusFailed
		rec.Error = &record.Error{Class: record.ClassCorrupt, Message: message}
	case errors.Is(err, errChanging):
		h.info("%s: %v; not checked", rec.Path, err)
		rec.Status, rec.Reason = record.StatusSkipped, record.ReasonChanging
	default: // a file that is gone fails the check
		rec.Status, rec.Reason = record.StatusFailed, record.ReasonUnreadable
		rec.Error = local.NewError(err)
	}
	h.progress(1, 0)
	return result{rec: rec, changed: true}
}

var errChanging = errors.New("changes while it is read")

// moved reports whether a file cannot be hashed because somebody is at work on
// it, rather than because something is wrong.
func moved(err error) bool {
	if errors.Is(err, errChanging) {
		return true
	}
	class := local.Class(err)
	return class == record.ClassVanished || class == record.ClassChanging
}

// sum returns the MD5 of the file of rec and the state of the file that it goes
// with: the same before and after the reading. It is lasting if any later change
// will show in that state.
func (h *hasher) sum(ctx context.Context, rec *record.Record) (md5 string, state fs.FileInfo, lasting bool, err error) {
	path := local.Path(rec)
	for range tries {
		md5, state, lasting, err = h.once(ctx, path, rec.Ino)
		if !errors.Is(err, errChanging) {
			break
		}
	}
	return md5, state, lasting, err
}

// once reads the file at path, listed with the inode number ino, once. It reads no more than the size found when it
// was opened, so that a file that grows for ever is done with; the error is
// errChanging if the file changed meanwhile.
func (h *hasher) once(ctx context.Context, path string, ino uint64) (md5 string, before fs.FileInfo, lasting bool, err error) {
	f, before, err := h.open(path, ino)
	if err != nil {
		return "", nil, false, err
	}
	defer f.Close()
	var was record.Record
	local.Fill(&was, before)
	if h.settle {
		lasting = h.await(ctx, &was)
	}

	r := h.readers.Get().(*reader)
	defer h.readers.Put(r)
	r.hash.Reset()
	var total int64
	for total <= before.Size() {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		var n int
		n, err = f.Read(r.buf[:])
		r.hash.Write(r.buf[:n])
		total += int64(n)
		h.progress(0, int64(n))
		if err != nil {
			break
		}
	}
	if err != nil && err != io.EOF {
		h.progress(0, -total)
		return "", nil, false, err
	}
	after, err := f.Stat()
	if err == nil && (total != before.Size() || !local.Unchanged(&was, after)) {
		err = errChanging
	}
	if err != nil {
		h.progress(0, -total)
		return "", nil, false, err
	}
	return hex.EncodeToString(r.hash.Sum(nil)), before, lasting, nil
}

// await waits until the last change of a file is so long ago that the next one
// cannot have the same ctime, and reports whether that is so. A file whose
// change lies in the future, by a clock that differs from ours, never gets there
// in a short time, and is not waited for.
func (h *hasher) await(ctx context.Context, was *record.Record) bool {
	changed := was.CTime
	if changed.IsZero() { // the platform has none
		changed = was.MTime
	}
	grain := fineGrain
	if changed.Nanosecond() == 0 && was.MTime.Nanosecond() == 0 {
		grain = coarseGrain
	}
	left := grain - h.now().Sub(changed)
	if left > grain {
		return false
	}
	if left > 0 {
		h.wait(ctx, left)
	}
	return true
}
