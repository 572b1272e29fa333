package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"jottatools/lib/brake"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Deleter is the part of a [jfs.Client] that Delete needs.
type Deleter interface {
	Customer(context.Context) (jfs.Customer, error)
	ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	WalkTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	Stat(context.Context, jfs.Path) (jfs.Info, error)
	Trash(context.Context, jfs.Path) error
	TrashDir(context.Context, jfs.Path) error
	Remove(context.Context, jfs.Path) error
	RemoveDir(context.Context, jfs.Path) error
}

// DeleteOptions say how to delete.
type DeleteOptions struct {
	Jobs   int  // entries dealt with at once
	Hard   bool // delete for good instead of moving to the trash
	Force  bool // delete even though the plan is not whole, or reports errors
	DryRun bool // delete nothing; what would be done leaves with status skipped
	// MaxDelete, if not nil, is how many entries may go: if there are more, none does.
	// A share is of the entries that were stored when the plan was made; only plans have one.
	MaxDelete *brake.Limit

	Info     func(format string, args ...any) // hears of folders that are kept; may be nil
	Count    func(entries int64)              // if set, hears how many entries a dry run over paths would delete
	Expect   func(files, bytes int64)         // as in UploadOptions
	Progress func(files, bytes int64)
}

// ErrNoPlan says that a stream is no plan: it has entries, and no action for any.
var ErrNoPlan = errors.New("no record has an action, so this is no plan, and nothing was deleted")

// setDefaults makes all functions callable.
func (o *DeleteOptions) setDefaults() {
	if o.Info == nil {
		o.Info = func(string, ...any) {}
	}
	if o.Expect == nil {
		o.Expect = func(_, _ int64) {}
	}
	if o.Progress == nil {
		o.Progress = func(_, _ int64) {}
	}
}

// tooMany returns an error that wraps [ErrTooMany] if MaxDelete does not allow n
// deletions out of a number of stored entries.
func (o *DeleteOptions) tooMany(n, stored int64) error {
	if o.MaxDelete == nil || !o.MaxDelete.Exceeded(n, stored) {
		return nil
	}
	limit := o.MaxDelete.String()
	if o.MaxDelete.Percent {
		limit = fmt.Sprintf("%v of the %s stored", o.MaxDelete, record.Count(stored, "entry", "entries"))
	}
	return &WithheldError{n, fmt.Errorf("%w allows, which is %s; if it is right, give a higher limit", ErrTooMany, limit)}
}

// ErrTooMany is wrapped by the error that says that MaxDelete kept deletions from
// being carried out.
var ErrTooMany = errors.New("they are more than --max-delete")

// ErrWithheld is wrapped by the error that says why deletions were not carried
// out.
var ErrWithheld = errors.New("withheld")

// WithheldError says how many deletions were not carried out, and why. It wraps
// [ErrWithheld] and the reason.
type WithheldError struct {
	Deletions int64
	Reason    error
}

// Error returns the number and the reason.
func (e *WithheldError) Error() string {
	return fmt.Sprintf("%s %v because %v", record.Count(e.Deletions, "deletion", "deletions"), ErrWithheld, e.Reason)
}

// Unwrap returns ErrWithheld and the reason.
func (e *WithheldError) Unwrap() []error { return []error{ErrWithheld, e.Reason} }

// Delete carries out the deletions of the plan in and writes every record to
// out. Other records pass as they come. The deletions wait, on disk when they
// are many, until the plan has been read to its end and has proved whole and free
// of errors, and no more than MaxDelete; otherwise they leave with status skipped,
// and the error is a [*WithheldError].
//
// A file goes only if its content is still the one that the plan means; else it
// is kept, with status skipped and [record.ReasonOccupied].
//
// A folder is deleted with everything in it, in one request, but only if the plan
// deletes everything that it holds. Otherwise the files of the plan are deleted one by
// one, and the folder is kept, with status skipped. An entry that is already gone
// counts as done. Mount points and devices are never deleted.
//
// A stream with entries, and no action for any of them, is passed on, and the error
// is [ErrNoPlan]. Other errors are as for [Upload].
func Delete(ctx context.Context, in *record.Reader, out *record.Writer, service Deleter, o DeleteOptions) error {
	o.setDefaults()
	d := &deletions{run: newRun(ctx, out, o.Jobs), service: service, o: o}
	defer d.doomed.Close()
	planned, bare := false, false // some record has an action; some could have one
	for rec := range in.All() {
		if d.ended() {
			break
		}
		planned = planned || rec.Action != ""
		bare = bare || !rec.Foreign() && rec.Action == "" && rec.Status == "" && rec.Reason == "" && rec.Error == nil
		if rec.Action != record.ActionDelete || rec.Status != "" || rec.Error != nil {
			d.pass(rec)
			continue
		}
		if err := d.hold(rec); err != nil {
			return errors.Join(err, d.close())
		}
	}
	if d.held > 0 && !d.ended() {
		held := o.tooMany(d.held, in.End().Stored)
		if unclean := in.Clean(); unclean != nil && !o.Force {
			held = &WithheldError{d.held, fmt.Errorf("%w; --force carries them out all the same", unclean)}
		}
		if held != nil {
			if err := errors.Join(d.giveBack(), d.close()); err != nil {
				return errors.Join(err, held)
			}
			return held
		}
		if err := d.carryOut(); err != nil {
			return errors.Join(err, d.close())
		}
	}
	if err := d.close(); err != nil || planned || !bare {
		return err
	}
	return ErrNoPlan
}

// deletions is one Delete.
type deletions struct {
	*run
	service Deleter
	o       DeleteOptions
	doomed  record.Sorter // by remote path; see hold
	held    int64         // how many
}

// hold keeps a deletion for the end.
func (d *deletions) hold(rec *record.Record) error {
	p, err := d.check(rec)
	if err != nil {
		d.finish(rec, err)
		return nil
	}
	// The order is that of the remote paths. The path rides in a field that files
	// and folders do not use.
	rec.Target, rec.Path = rec.Path, string(p[1:])
	d.held++
	return d.doomed.Add(rec)
}

// returned undoes what hold did to a record.
func returned(rec *record.Record) *record.Record {
	rec.Path, rec.Target = rec.Target, ""
	return rec
}

// remotePath returns the remote path of a record that is held.
func remotePath(held *record.Record) jfs.Path { return jfs.Path("/" + held.Path) }

// check returns the remote path of a record that makes sense.
func (d *deletions) check(rec *record.Record) (jfs.Path, error) {
	if rec.Kind != record.KindFile && rec.Kind != record.KindDir {
		return "", &record.Error{Class: record.ClassInternal, Message: fmt.Sprintf("delete %s: the record is of a %s", rec.Path, rec.Kind)}
	}
	if rec.Remote == "" {
		return "", &record.Error{Class: record.ClassInternal, Message: fmt.Sprintf("delete %s: the record has no remote path; run jdiff before jrm", rec.Path)}
	}
	if p := jfs.Path(strings.TrimRight(rec.Remote, "/")); p.Depth() < 3 {
		return "", &jfs.Error{Op: "delete", Path: p, Class: record.ClassForbidden, Message: "mount points and devices are never deleted; name a file or folder in one"}
	}
	return jfs.ParsePath(rec.Remote)
}

// giveBack writes the deletions without carrying them out.
func (d *deletions) giveBack() error {
	for rec, err := range d.doomed.Sorted() {
		if err != nil {
			return err
		}
		rec.Status = record.StatusSkipped
		d.write(returned(rec))
	}
	return nil
}

// carryOut goes through the deletions in tree order: a folder comes right before
// what is in it.
func (d *deletions) carryOut() error {
	if d.o.DryRun {
		return d.giveBack()
	}
	d.account(d.service)
	var open *group
	defer func() {
		if open != nil { // after an error
			open.close()
		}
	}()
	begin := func() {
		if g := open; g != nil {
			open = nil
			d.start(func() {
				defer g.close()
				d.deleteGroup(g)
			})
		}
	}
	for rec, err := range d.doomed.Sorted() {
		switch {
		case err != nil:
			return err
		case d.ended():
			return nil
		}
		d.o.Expect(1, 0)
		if open != nil && record.Under(rec.Path, open.top.Path) {
			if err := open.beneath.Add(rec); err != nil {
				return err
			}
			continue
		}
		begin()
		if rec.Kind == record.KindDir {
			open = &group{top: rec}
			continue
		}
		d.start(func() {
			d.deleteFile(rec)
		})
	}
	begin()
	return nil
}

// settle writes the record of a deletion that was tried.
func (d *deletions) settle(held *record.Record, err error) {
	rec := returned(held)
	switch {
	case err == nil:
		rec.Status = record.StatusDone
		d.o.Progress(1, 0)
	case d.parent.Err() != nil:
		d.write(rec) // interrupted: it leaves as it came, but not with the line that hold made
		return
	}
	d.finish(rec, err)
}

// skip writes the record of an entry that is kept.
func (d *deletions) skip(held *record.Record) {
	rec := returned(held)
	rec.Status, rec.Reason = record.StatusSkipped, record.ReasonOccupied
	d.write(rec)
}

// deleteFile deletes a file, if it is still the one that the plan means, and
// writes its record. The plan may be old: a look costs a request, and a version
// that was stored meanwhile is worth it.
func (d *deletions) deleteFile(rec *record.Record) {
	p := remotePath(rec)
	if d.ctx.Err() != nil {
		d.settle(rec, context.Cause(d.ctx))
		return
	}
	info, err := d.service.Stat(d.ctx, p)
	switch {
	case errors.Is(err, jfs.ErrNotExist), err == nil && !info.Deleted.IsZero():
		d.settle(rec, nil) // gone already
		return
	case err != nil:
		d.settle(rec, err)
		return
	case info.Kind != jfs.KindFile || rec.MD5 != "" && info.MD5 != "" && rec.MD5 != info.MD5:
		d.o.Info("keep %s: it is not what the plan means any more", p)
		d.skip(rec)
		return
	}
	remove := d.service.Trash
	if d.o.Hard {
		remove = d.service.Remove
	}
	d.settle(rec, d.gone(remove, p))
}

func (d *deletions) deleteFolder(p jfs.Path) error {
	if d.o.Hard {
		return d.gone(d.service.RemoveDir, p)
	}
	return d.gone(d.service.TrashDir, p)
}

// gone makes sure that p is gone.
func (d *deletions) gone(remove func(context.Context, jfs.Path) error, p jfs.Path) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	err := remove(d.ctx, p)
	if errors.Is(err, jfs.ErrNotExist) {
		return nil
	}
	return err
}
