package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Uploader is the part of a [jfs.Client] that Upload needs.
type Uploader interface {
	Customer(context.Context) (jfs.Customer, error)
	MkDir(context.Context, jfs.Path) error
	TouchFile(context.Context, jfs.Path, jfs.Content) error
	ListEach(context.Context, jfs.Path, func(jfs.Entry) bool) (info jfs.Info, whole bool, err error)
	Trash(context.Context, jfs.Path) error
	NameService
	Putter
}

// UploadOptions say how to upload.
type UploadOptions struct {
	Jobs      int        // entries dealt with at once
	Bandwidth *Bandwidth // of all uploads together; nil: no limit
	DryRun    bool       // send nothing; what would be done leaves with status skipped
	// Beneath, if not "", is a folder: a record that is about a local entry outside of it, or
	// about one that a symbolic link leads out to, fails as forbidden. So a plan from
	// elsewhere cannot have just any file uploaded.
	Beneath string

	// Expect, if set, hears of work before it begins, and Progress of work done;
	// the bytes may be negative when something has to be sent again. Both may be
	// called concurrently.
	Expect   func(files, bytes int64)
	Progress func(files, bytes int64)
	// NoMore, if set, hears when all work has been announced.
	NoMore func()

	firstPause time.Duration // as in Sender
	stuckAfter int
}

// Upload carries out the puts, touches, moves and mkdirs of the plan in and writes
// every record to out: those it dealt with when they are done, in any order, with
// status or error; the others unchanged. Everything before a deletion is done
// before the deletion is passed on.
//
// If a file that the service has no version of is changing, the deletions are
// not passed on to be carried out: what is gone may be that very file under its
// old name. They leave with status skipped, and the error is a [*WithheldError].
//
// New entries get the name that their record has, also where something in the trash has
// the same name in other letter case, which the service brings back with its old
// spelling. If that cannot be renamed, the entry fails, and the remote path of its record
// is the one that it has on the service. Files that are replaced keep their spelling.
//
// Errors about one entry go into its record. The returned error says why entries
// were left out: the context's cause, an error of out, or one that concerns all: of the
// service, such as no access, a full or locked account, an outage, or of the disk, of the
// class vanished, if the folder that the files are in is gone.
func Upload(ctx context.Context, in *record.Reader, out *record.Writer, service Uploader, o UploadOptions) error {
	if o.Expect == nil {
		o.Expect = func(_, _ int64) {}
	}
	if o.Progress == nil {
		o.Progress = func(_, _ int64) {}
	}
	u := &uploads{run: newRun(ctx, out, o.Jobs), service: service, o: o,
		names:  newNames(service),
		sender: &Sender{Service: service, Bandwidth: o.Bandwidth, firstPause: o.firstPause, stuckAfter: o.stuckAfter},
	}
	if o.Beneath != "" {
		fence, err := newFence(o.Beneath)
		if err != nil {
			return local.NewError(err)
		}
		defer fence.close()
		u.fence = fence
	}
	defer u.roots.Close()
	u.queue = newQueue(o.Jobs, u.carryOut)
	for rec := range in.All() {
		if u.ended() {
			break
		}
		u.take(rec)
	}
	if o.NoMore != nil {
		o.NoMore()
	}
	u.queue.wait()
	err := u.close()
	if err == nil && u.withheld > 0 {
		err = &WithheldError{u.withheld, errors.New(record.Count(u.unsaved.Load(), "new file was changing and is not stored yet; run it again", "new files were changing and are not stored yet; run it again"))}
	}
	return err
}

// uploads is one Upload.
type uploads struct {
	*run
	service Uploader
	sender  *Sender
	names   *names
	fence   *fence // nil: local entries may be anywhere
	queue   *queue
	o       UploadOptions
	roots   local.Roots
	ready   bool // the account has been looked at

	unsaved  atomic.Int64 // files that the service has no version of, and that were changing
	withheld int64        // deletions
}

// take deals with one record, or has a worker do so.
func (u *uploads) take(rec *record.Record) {
	switch rec.Action {
	case record.ActionPut, record.ActionTouch, record.ActionMkdir, record.ActionMove:
		if rec.Error != nil || rec.Status != "" {
			u.pass(rec) // somebody has dealt with it
			return
		}
	case record.ActionDelete:
		if rec.Error != nil || rec.Status != "" {
			u.pass(rec)
			return
		}
		u.queue.wait()
		if u.unsaved.Load() == 0 {
			u.pass(rec)
			return
		}
		u.withheld++
		rec.Status = record.StatusSkipped
		u.write(rec)
		return
	default:
		u.pass(rec)
		return
	}
	p, err := u.check(rec)
	if err == nil && u.fence != nil {
		err = u.fence.check(rec)
	}
	switch {
	case err != nil:
		u.finish(rec, err)
		return
	case u.o.DryRun:
		rec.Status = record.StatusSkipped
		u.write(rec)
		return
	}
	u.lookAtAccount()
	if u.ctx.Err() != nil {
		u.finish(rec, context.Cause(u.ctx))
		return
	}
	size := int64(0)
	if rec.Action == record.ActionPut {
		size = rec.Size
	}
	u.o.Expect(filesOf(rec), size)
	u.queue.add(rec, p)
}

// lookAtAccount makes sure, once and before anything is sent, that there is an
// account that takes it.
func (u *uploads) lookAtAccount() {
	if u.ready {
		return
	}
	u.ready = true
	if customer := u.account(u.service); customer.WriteLocked {
		u.stop(lockedError(""))
	}
}

func lockedError(p jfs.Path) *jfs.Error {
	return &jfs.Error{Op: "upload", Path: p, Class: record.ClassLocked, Message: "the account takes no uploads at present; see the web interface for the reason"}
}

// check returns the remote path of a record that makes sense.
func (u *uploads) check(rec *record.Record) (jfs.Path, error) {
	bad := func(message string) error {
		return &record.Error{Class: record.ClassInternal, Message: fmt.Sprintf("%s %s: %s", rec.Action, rec.Path, message)}
	}
	wantKind := record.KindFile
	if rec.Action == record.ActionMkdir {
		wantKind = record.KindDir
	}
	switch {
	case rec.Kind != wantKind:
		return "", bad("the record is of a " + string(rec.Kind))
	case rec.Remote == "":
		return "", bad("the record has no remote path; run jdiff before jput")
	case rec.Kind == record.KindDir:
	case rec.MD5 == "":
		return "", bad("the record has no MD5; run jhash before jput")
	case rec.Size < 0:
		return "", bad("the record has no size; run jwalk again")
	case (rec.Action == record.ActionPut || rec.Action == record.ActionMove) && rec.Root == "":
		return "", bad("the record has no root, so it is not of a local file")
	case rec.Action == record.ActionMove:
		if _, err := jfs.ParsePath(rec.From); err != nil {
			return "", bad("the record does not say from where; run jdiff again")
		}
	}
	return jfs.ParsePath(rec.Remote)
}

// carryOut does what the record says, sets its status and writes it. It reports
// whether the service has the content of the record then.
func (u *uploads) carryOut(t *task) bool {
	err := u.act(t.rec, t.path)
	stored := err == nil && t.rec.Status != record.StatusSkipped
	u.finish(t.rec, err)
	return stored
}

// act does what the record says and sets its status.
func (u *uploads) act(rec *record.Record, p jfs.Path) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	var err error
	switch rec.Action {
	case record.ActionMkdir:
		err = u.makeFolder(rec, p)
	case record.ActionTouch:
		err = u.service.TouchFile(u.ctx, p, contentOf(rec))
		if errors.Is(err, jfs.ErrNotExist) {
			return u.put(rec, p) // the content has gone meanwhile
		}
	case record.ActionMove:
		return u.move(rec, p)
	default:
		return u.put(rec, p)
	}
	if err == nil {
		rec.Status = record.StatusDone
		u.o.Progress(filesOf(rec), 0)
	}
	return err
}

// filesOf returns how many files an entry is, for people: a folder is none.
func filesOf(rec *record.Record) int64 {
	if rec.Kind == record.KindDir {
		return 0
	}
	return 1
}

// makeFolder makes the folder p.
func (u *uploads) makeFolder(rec *record.Record, p jfs.Path) error {
	before, err := u.names.look(u.ctx, p)
	if err == nil {
		err = mkDir(u.ctx, u.service, p)
	}
	if err != nil {
		return err
	}
	as, err := u.names.settle(u.ctx, p, before)
	u.names.made(p, as, before)
	rec.Remote = string(as)
	return err
}

// mkDir makes the folder p. A file in its place that never had any content, since its
// upload never came to an end, gives way: listings of trees do not show it, so that no
// plan can.
func mkDir(ctx context.Context, service Uploader, p jfs.Path) error {
	err := service.MkDir(ctx, p)
	if !errors.Is(err, jfs.ErrExist) {
		return err
	}
	info, statErr := service.Stat(ctx, p)
	if statErr != nil || info.Kind != jfs.KindFile || info.State != record.StateIncomplete && info.State != record.StateCorrupt {
		return err
	}
	if err := service.Trash(ctx, p); err != nil {
		return err
	}
	return service.MkDir(ctx, p)
}

func contentOf(rec *record.Record) jfs.Content {
	c := jfs.Content{Size: rec.Size, MD5: rec.MD5, Created: rec.BTime, Modified: rec.MTime}
	if c.Created.IsZero() {
		c.Created = rec.MTime
	}
	return c
}

// put sends a file.
func (u *uploads) put(rec *record.Record, p jfs.Path) error {
	f, err := u.open(rec)
	if f == nil {
		return err
	}
	defer f.Close()
	var before prior
	settle := rec.Reason != record.ReasonChanged // else it is alive
	if settle {
		if before, err = u.names.look(u.ctx, p); err != nil {
			return err
		}
	}
	start := time.Now()
	shown := int64(0) // bytes reported as progress
	took, err := u.sender.Send(u.ctx, p, contentOf(rec), Source{
		ReaderAt: f,
		Changed: func() bool {
			fi, err := f.Stat()
			return err == nil && changed(rec, fi)
		},
		Progress: func(offset int64) {
			u.o.Progress(0, offset-shown)
			shown = offset
		},
	})
	rec.Transfer = &record.Transfer{Sent: took.Bytes, ResumedAt: took.ResumedAt, Took: time.Since(start)}
	switch {
	case errors.Is(err, ErrChanging):
		rec.Transfer = nil
		u.o.Progress(0, -shown)
		return u.skipChanging(rec)
	case err != nil:
		return err
	}
	if settle {
		as, err := u.names.settle(u.ctx, p, before)
		if rec.Remote = string(as); err != nil {
			return err
		}
	}
	rec.Status = record.StatusDone
	if took.Deduplicated {
		rec.Status = record.StatusDeduplicated
	}
	u.o.Progress(1, rec.Size-shown)
	return nil
}

// open opens the file of a record. One that is not what was hashed any more is left to the
// next run: then there is no file, and no error either.
func (u *uploads) open(rec *record.Record) (*os.File, error) {
	f, fi, err := u.roots.Open(rec)
	if c := local.Class(err); c == record.ClassVanished || c == record.ClassChanging {
		return nil, u.skipChanging(rec)
	}
	if err != nil {
		return nil, local.NewError(err)
	}
	if u.fence != nil {
		err = u.fence.holds(rec, f)
	}
	switch {
	case err == nil && !changed(rec, fi):
		return f, nil
	case err == nil, local.Class(err) == record.ClassVanished:
		err = u.skipChanging(rec)
	}
	f.Close()
	return nil, err
}

// changed reports whether the file is another than the one that was hashed. The
// service checks the MD5 in the end; this spares the sending. A new inode number
// or ctime alone is no reason: backups of the disk and some file systems change
// them.
func changed(rec *record.Record, fi os.FileInfo) bool {
	same := record.Record{Size: rec.Size, MTime: rec.MTime}
	return !local.Unchanged(&same, fi)
}

// skipChanging leaves a file to the next run, unless it has vanished with all others:
// that ends this one.
func (u *uploads) skipChanging(rec *record.Record) error {
	if gone := u.roots.Gone(rec.Root); gone != nil {
		u.stop(gone)
		return errCutOff
	}
	if rec.Reason == record.ReasonNew {
		u.unsaved.Add(1)
	}
	return leaveChanging(rec)
}
