package digest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

const (
	// tries is how often a file that changes while it is read is read.
	tries = 3

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
	open     func(*record.Record) (local.Content, fs.FileInfo, error)
	now      func() time.Time
	wait     func(ctx context.Context, d time.Duration)
	reading  func(path string)
	progress func(files, bytes int64)
	info     func(format string, args ...any)
	stop     func(error) // ends the run
	accept   func(path string) bool
	roots    local.Roots
	seed     maphash.Seed // of fingerprints

	// ignoreCTime makes a ctime that has changed no proof that a file was written to.
	ignoreCTime bool
	keepsCTime  func(path string, r *record.Record) bool

	// settle makes a file that has only just changed wait until a later change
	// would show in its ctime: only then may the cache remember it.
	settle bool
}

func newHasher(opts Options) *hasher {
	opts = opts.complete()
	h := &hasher{
		now:      time.Now,
		wait:     wait,
		reading:  opts.Reading,
		progress: opts.Progress,
		info:     opts.Info,
		stop:     func(error) {},
		accept:   opts.Accept,
		seed:     maphash.MakeSeed(),

		ignoreCTime: opts.IgnoreCTime,
		keepsCTime:  local.KeepsCTime,
	}
	h.open = h.roots.OpenContent
	return h
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// content is what reading a file came to.
type content struct {
	md5   string
	state fs.FileInfo // of the file, the same before and after it was read
	// lasting: any later change of the file will show in its state.
	lasting bool
	print   uint64 // fingerprint; 0: not known
	err     error
}

// judge draws the conclusions from what reading the file of a record came to.
func (h *hasher) judge(ctx context.Context, it *item, c content) result {
	if ctx.Err() != nil && c.err != nil {
		return result{aborted: true}
	}
	if c.err != nil && moved(c.err) {
		if gone := h.roots.Gone(it.rec.Root); gone != nil { // all the others, too
			h.stop(gone)
			return result{aborted: true}
		}
	}
	res := result{rec: it.rec, changed: true}
	if it.check {
		h.compare(it.rec, c)
	} else {
		res.entry = h.add(it.rec, it.past, c)
		res.read, res.print = it.rec.MD5 != "", c.print
	}
	h.progress(1, 0)
	return res
}

// add gives rec the MD5 of its file, or says in it why there is none. The cache has the
// entry past for it, or nil. It returns what the cache should remember, if anything.
func (h *hasher) add(rec, past *record.Record, c content) (entry *record.Record) {
	rec.Fresh = false // what an earlier run said counts no more
	if c.err != nil {
		err := local.NewError(c.err)
		if moved(c.err) {
			h.info("%s: %v; skipped, the next run takes it", rec.Path, c.err)
			rec.Status, rec.Reason = record.StatusSkipped, record.ReasonChanging
		} else {
			rec.Status, rec.Reason, rec.Error = record.StatusFailed, record.ReasonUnreadable, err
		}
		if comparable(past, rec.Size, rec.MTime) {
			return kept(past, err)
		}
		return nil
	}
	if !local.Unchanged(rec, c.state) {
		h.info("%s: changed after it was listed; its record now says what was hashed", rec.Path)
		local.Fill(rec, c.state)
	}
	known := comparable(past, c.state.Size(), c.state.ModTime())
	if known && past.MD5 != c.md5 {
		if err := h.guard(past, h.entry(rec, c)); err != nil {
			rec.Status, rec.Reason, rec.Error = record.StatusFailed, record.ReasonUnreadable, err
			return kept(past, err)
		}
	}
	rec.MD5, rec.Fresh = c.md5, !known
	if c.lasting {
		return h.entry(rec, c)
	}
	return nil
}

// entry returns what the cache should remember of a file: the state in which it was read,
// and its MD5.
func (h *hasher) entry(rec *record.Record, c content) *record.Record {
	e := &record.Record{Kind: record.KindFile, Root: rec.Root, Path: rec.Path, BTime: rec.BTime, Dev: rec.Dev, Followed: rec.Followed}
	local.Fill(e, c.state)
	e.MD5 = c.md5
	return e
}

// compare holds the file of rec against the MD5 that rec has.
func (h *hasher) compare(rec *record.Record, c content) {
	switch {
	case c.err == nil && c.md5 == rec.MD5:
		rec.Status = record.StatusDone
	case c.err == nil:
		rec.Status = record.StatusFailed
		rec.Error = &record.Error{Class: record.ClassCorrupt, Message: fmt.Sprintf("the content has MD5 %s instead of %s", c.md5, rec.MD5) + h.found(rec, c)}
	case errors.Is(c.err, errChanging):
		h.info("%s: %v; not checked", rec.Path, c.err)
		rec.Status, rec.Reason = record.StatusSkipped, record.ReasonChanging
	default: // a file that is gone fails the check
		rec.Status, rec.Reason = record.StatusFailed, record.ReasonUnreadable
		rec.Error = local.NewError(c.err)
	}
}

// found says what there is to say of a file that is not what rec says.
func (h *hasher) found(rec *record.Record, c content) string {
	if c.state.Size() != rec.Size || !c.state.ModTime().Equal(rec.MTime) {
		return "; it was modified since, at " + record.LocalTime(c.state.ModTime())
	}
	now := h.entry(rec, c)
	switch h.causeOf(rec, now) {
	case damaged:
		return " though size, mtime and ctime are as recorded: it is damaged"
	case written:
		return " though size and mtime are as recorded; its ctime is not, so either it was written to since, before " +
			record.LocalTime(now.CTime) + ", and its mtime put back, or it is damaged"
	}
	return " though size and mtime are as recorded: it is damaged, or was written to and its mtime put back"
}

var errChanging = errors.New("changes while it is read")

// errNoSize is about files that a system makes up when they are read, such as those of
// /proc and of some file systems behind FUSE. Nothing can be stored whose size is not
// known beforehand.
var errNoSize = &record.Error{Class: record.ClassInternal,
	Message: "its size is given as 0, but it has content, so it cannot be stored as a file; to store what it holds now, send it with: jput --to REMOTE - < FILE"}

// moved reports whether a file cannot be hashed because somebody is at work on
// it, rather than because something is wrong.
func moved(err error) bool {
	if errors.Is(err, errChanging) {
		return true
	}
	class := local.Class(err)
	return class == record.ClassVanished || class == record.ClassChanging
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
