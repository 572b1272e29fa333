package list

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc/stream"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Revisions lists every revision that the service keeps of each file below the
// tops, newest first, one record each. It makes one request for each file, jobs at
// a time.
func Revisions(ctx context.Context, service Lister, tops []Top, o Options, jobs int, emit Emit) error {
	h := newHistory(ctx, service, jobs)
	o.Detail = true
	err := All(ctx, service, tops, o, func(r *record.Record) error {
		if r.Kind != record.KindFile || r.Error != nil {
			return h.settled(func() error { return emit(r) })
		}
		return h.ask(r, func(info jfs.Info) error {
			if r.Error != nil {
				return emit(r)
			}
			for _, v := range kept(info) {
				one := *r
				v.Describe(&one)
				if err := emit(&one); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return cmp.Or(h.close(), err)
}

// kept returns the revisions of a file, newest first.
func kept(info jfs.Info) []jfs.Revision {
	var all []jfs.Revision
	if info.Newer != nil {
		all = append(all, *info.Newer)
	}
	return append(append(all, info.Revision), info.Older...)
}

// At lists the tree as it was at the time t: of each file the revision that was
// the newest complete one, also of what has gone to the trash since.
//
// The service keeps five revisions of a file. One that had more since t gets a
// record with an error. A file that came after t is left out; so is a folder that
// holds nothing but such files. The service keeps no times of folders, and does not
// say where a file was before it was moved.
//
// What has changed since t costs one request for each file, jobs at a time.
func At(ctx context.Context, service Lister, tops []Top, t time.Time, jobs int, emit Emit) error {
	h := newHistory(ctx, service, jobs)
	files, since := 0, time.Time{} // listed; the first revision of those that were not there yet
	f := folders{emit: func(r *record.Record) error {
		if r.Kind == record.KindFile {
			files++
		}
		return emit(r)
	}}
	settle := func(r *record.Record) error {
		switch {
		case r.Kind != record.KindFile:
			return h.settled(func() error { return f.enter(r) })
		case r.Error != nil || r.State == record.StateCompleted && wasThere(r.Uploaded, t):
			return h.settled(func() error { return f.file(r.Path, r) })
		}
		return h.ask(r, func(info jfs.Info) error {
			if r.Error != nil {
				return f.file(r.Path, r)
			}
			then, err := revisionAt(info, t)
			switch {
			case err != nil:
				r.Error = err
			case then == nil:
				if first := oldest(info).Updated; since.IsZero() || first.Before(since) {
					since = first
				}
				return f.file(r.Path, nil)
			default:
				then.Describe(r)
			}
			return f.file(r.Path, r)
		})
	}
	for _, top := range tops {
		if err := past(ctx, service, top, t, settle); err != nil {
			return cmp.Or(h.close(), err)
		}
	}
	if err := cmp.Or(h.close(), f.close()); err != nil || files > 0 || since.IsZero() {
		return err
	}
	return &jfs.Error{Op: "list", Path: tops[0].Remote, Class: record.ClassNotFound, Message: fmt.Sprintf(
		"no file of it was there on %s; the first is from %s", record.LocalTime(t), record.LocalTime(since))}
}

// oldest returns the oldest revision of a file that the service keeps.
func oldest(info jfs.Info) jfs.Revision {
	all := kept(info)
	return all[len(all)-1]
}

// wasThere reports whether something that came at the time when was there at t.
func wasThere(when, t time.Time) bool { return !when.IsZero() && !when.After(t) }

// past lists what may have been below top at t: what is alive, and what has gone
// to the trash since. Of several entries with one path it is the one that the path
// leads to: the one alive, or else the one that went last.
func past(ctx context.Context, service Lister, top Top, t time.Time, emit Emit) error {
	sorted := &record.Sorter{Memory: sorterMemory}
	defer sorted.Close()
	for e, err := range service.ListAll(ctx, top.Remote) {
		if errors.Is(err, jfs.ErrExist) {
			var info jfs.Info
			info, err = service.Stat(ctx, top.Remote)
			e, e.Path, top.Prefix = info.Entry, "", top.Remote.Name()
		}
		if err != nil {
			return err
		}
		if !top.Remote.Covers(top.Remote.Join(e.Path)) {
			continue
		}
		if e.Deleted.IsZero() || e.Deleted.After(t) {
			r := Record(top, &e)
			if err := sorted.Add(&r); err != nil {
				return err
			}
		}
	}
	var best *record.Record
	flush := func() error {
		if best == nil {
			return nil
		}
		r := best
		best = nil
		r.Deleted = time.Time{} // at t it was alive
		if r.Error != nil {
			r.Error = foreign()
		}
		return emit(r)
	}
	for r, err := range sorted.Sorted() {
		if err != nil {
			return err
		}
		if best != nil && best.Path == r.Path && best.Error == nil && r.Error == nil && best.Kind == r.Kind {
			if !best.Deleted.IsZero() && (r.Deleted.IsZero() || r.Deleted.After(best.Deleted)) {
				best = r
			}
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		best = r
	}
	return flush()
}

// revisionAt returns the revision that was the newest complete one at t, or nil
// if the file came later. The error says that the service does not reach back so
// far.
func revisionAt(info jfs.Info, t time.Time) (*jfs.Revision, *record.Error) {
	all := kept(info)
	for i := range all {
		if all[i].State == record.StateCompleted && wasThere(all[i].Updated, t) {
			return &all[i], nil
		}
	}
	oldest := all[len(all)-1]
	switch {
	case oldest.Updated.IsZero():
		return nil, &record.Error{Class: record.ClassNotFound, Message: "the service does not say when it got it, so what it was then cannot be told"}
	case oldest.Number > 1:
		return nil, &record.Error{Class: record.ClassNotFound, Message: fmt.Sprintf("the service keeps no revision of it from before %s", record.LocalTime(oldest.Updated))}
	}
	return nil, nil
}

// history asks for the revisions of files, several at a time, and settles the
// answers in the order of the questions.
type history struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	service Lister
	answers *stream.Stream
	err     error // the first; only callbacks touch it, one at a time
}

func newHistory(ctx context.Context, service Lister, jobs int) *history {
	ctx, cancel := context.WithCancelCause(ctx)
	return &history{ctx: ctx, cancel: cancel, service: service, answers: stream.New().WithMaxGoroutines(jobs)}
}

// settled is for records about which nothing needs to be asked.
func (h *history) settled(f func() error) error {
	h.answers.Go(func() stream.Callback { return func() { h.settle(f) } })
	return context.Cause(h.ctx)
}

// settle runs f, unless something before it has failed.
func (h *history) settle(f func() error) {
	if h.err != nil {
		return
	}
	if h.err = f(); h.err != nil {
		h.cancel(h.err)
	}
}

// ask asks for the revisions of the file of r and hands them to f. A file that
// has vanished meanwhile gets the error, and f an empty answer.
func (h *history) ask(r *record.Record, f func(jfs.Info) error) error {
	h.answers.Go(func() stream.Callback {
		info, err := h.service.Stat(h.ctx, jfs.Path(r.Remote))
		return func() {
			h.settle(func() error {
				if errors.Is(err, jfs.ErrNotExist) {
					r.Error, err = jfs.RecordError(err), nil
				}
				if err != nil {
					return err
				}
				return f(info)
			})
		}
	})
	return context.Cause(h.ctx)
}

// close waits for what was asked and returns the first error.
func (h *history) close() error {
	h.answers.Wait()
	h.cancel(nil)
	return h.err
}

// folders hands on the records of a listing in tree order without the folders
// that hold nothing but files which are left out. It remembers the folders on the
// way to the current entry.
type folders struct {
	emit Emit
	way  []*folder
}

type folder struct {
	rec     *record.Record
	emitted bool
	empty   bool // nothing was in it at all so far
}

// leave takes the folders off the way that path is not in. One that is empty was
// perhaps there at the time: it is handed on.
func (f *folders) leave(path string) error {
	for len(f.way) > 0 {
		last := f.way[len(f.way)-1]
		if path != "" && record.Under(path, last.rec.Path) && path != last.rec.Path {
			return nil
		}
		if last.empty {
			if err := f.show(); err != nil {
				return err
			}
		}
		f.way = f.way[:len(f.way)-1]
	}
	return nil
}

// show hands on the folders on the way.
func (f *folders) show() error {
	for _, dir := range f.way {
		if !dir.emitted {
			dir.emitted = true
			if err := f.emit(dir.rec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *folders) enter(r *record.Record) error {
	if err := f.arrive(r.Path); err != nil {
		return err
	}
	f.way = append(f.way, &folder{rec: r, empty: r.Error == nil})
	if r.Error != nil {
		return f.show()
	}
	return nil
}

// file takes a file, or with nil what a file that is left out leaves behind.
func (f *folders) file(path string, r *record.Record) error {
	if err := f.arrive(path); err != nil || r == nil {
		return err
	}
	if err := f.show(); err != nil {
		return err
	}
	return f.emit(r)
}

func (f *folders) arrive(path string) error {
	if err := f.leave(path); err != nil {
		return err
	}
	if len(f.way) > 0 {
		f.way[len(f.way)-1].empty = false
	}
	return nil
}

func (f *folders) close() error { return f.leave("") }
