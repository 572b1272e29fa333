package transfer

import (
	"errors"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// move has the service move a file that it has under another name. It may be that
// an earlier run has done it, and that its plan is carried out once more. If what
// is there is not what the plan means any more, nothing is moved, and the file is
// put instead, which costs nothing if the service has the content. A file that is
// not on disk as the plan says is left to the next run, like one that is to be put:
// what the service has then stays where it is.
func (u *uploads) move(rec *record.Record, p jfs.Path) error {
	f, err := u.open(rec)
	if f == nil {
		return err
	}
	f.Close()
	if _, err := u.names.folder(u.ctx, p.Parent()); err != nil {
		return err
	}
	from, left := jfs.Path(rec.From), false
	info, err := u.service.Stat(u.ctx, from)
	switch {
	case err == nil && holds(&info, rec):
		err = u.service.Move(u.ctx, from, p)
		if err == nil {
			return u.moved(rec, p, info.Modified)
		}
		if !errors.Is(err, jfs.ErrNotExist) && !errors.Is(err, jfs.ErrExist) {
			return err
		}
		left = errors.Is(err, jfs.ErrExist)
	case err != nil && !errors.Is(err, jfs.ErrNotExist):
		return err
	}
	info, err = u.service.Stat(u.ctx, p)
	switch {
	case err == nil && holds(&info, rec):
		return u.moved(rec, p, info.Modified)
	case err != nil && !errors.Is(err, jfs.ErrNotExist):
		return err
	}
	rec.Action, rec.Reason, rec.From = record.ActionPut, record.ReasonNew, ""
	u.o.Expect(0, rec.Size)
	if err := u.put(rec, p); err != nil || !left || rec.Status == record.StatusSkipped {
		return err
	}
	return u.clear(rec, from, p)
}

// clear moves to the trash what a file was to be moved away from, after it was put
// instead. If it might be the very file that was put, or is not what the plan means, it
// stays: the next run decides.
func (u *uploads) clear(rec *record.Record, from, p jfs.Path) error {
	if !record.DifferBeyondCase(string(from), string(p)) {
		return nil
	}
	old, err := u.service.Stat(u.ctx, from)
	if err == nil && holds(&old, rec) {
		err = u.service.Trash(u.ctx, from)
	}
	if errors.Is(err, jfs.ErrNotExist) {
		return nil
	}
	return err
}

// holds reports whether the service has the content of rec there, alive.
func holds(info *jfs.Info, rec *record.Record) bool {
	return info.Kind == jfs.KindFile && info.Live() && info.MD5 == rec.MD5 && info.Size == rec.Size
}

// moved gives a file that is in its place the time that it has on disk.
func (u *uploads) moved(rec *record.Record, p jfs.Path, modified time.Time) error {
	if d := rec.MTime.Sub(modified); !rec.MTime.IsZero() && (d >= time.Second || d <= -time.Second) {
		if err := u.service.TouchFile(u.ctx, p, contentOf(rec)); err != nil {
			return err
		}
	}
	rec.Status = record.StatusDone
	u.o.Progress(1, 0)
	return nil
}
