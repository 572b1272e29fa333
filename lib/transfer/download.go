package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/place"
	"jottatools/lib/record"
)

// DownloadOptions say how to download.
type DownloadOptions struct {
	Jobs      int        // files dealt with at once
	Bandwidth *Bandwidth // of all downloads together; nil: no limit
	DryRun    bool       // fetch nothing; what would be done leaves with status skipped
	Overwrite bool       // replace local files that are newer, and links that lead elsewhere

	// Metadata, if set, returns the records of a saved stream of the tree in tree
	// order, each time it is called from the start: modes, exact times and symbolic
	// links come from it. A non-nil error ends it.
	Metadata func() iter.Seq2[*record.Record, error]

	// Expect, if set, hears of work before it begins, and Progress of work done;
	// the bytes may be negative when something has to be fetched again. Both may be
	// called concurrently.
	Expect   func(files, bytes int64)
	Progress func(files, bytes int64)
	// NoMore, if set, hears when all work has been announced.
	NoMore func()
	// Warn, if set, hears of trouble that has no record to go into. It may be called
	// concurrently.
	Warn func(message string)

	firstPause time.Duration // before a download is taken up; doubled each time
	stuckAfter int           // tries in a row without progress
}

// KeptError says that local files were left as they are because they are newer.
type KeptError struct{ Files int64 }

// Error says how many, and what to do.
func (e *KeptError) Error() string {
	return record.Count(e.Files, "local file is newer than what is stored and was left as it is; --overwrite replaces it",
		"local files are newer than what is stored and were left as they are; --overwrite replaces them")
}

// Download puts what the records of in describe into the folder dir and writes
// every record to out: those it dealt with when they are done, in any order, with
// action, and status or error; the others unchanged. It takes records with the
// action get, mkdir or touch, and files and folders without any, as a listing has
// them.
//
// A file is fetched into one beside it, checked against its MD5, given its time,
// and only then its name. Of a listing, a file that is there already with the size
// and time of the stored one counts as the same; if only the time differs, it is
// read to find out. One that is newer is left alone, and the error is a
// [*KeptError].
//
// Unless ctx ends it, all is on the disk when it returns, not only in the memory of
// the system.
//
// Errors about one entry go into its record. The returned error says why entries
// were left out: the context's cause, an error of out, a full disk, or an error of
// the service that concerns all: no access, an outage; or that what was fetched could
// not be brought to the disk.
func Download(ctx context.Context, in *record.Reader, out *record.Writer, service Downloader, dir string, o DownloadOptions) error {
	for _, f := range []*func(files, bytes int64){&o.Expect, &o.Progress} {
		if *f == nil {
			*f = func(_, _ int64) {}
		}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	d := &downloads{run: newRun(ctx, out, o.Jobs), o: o, receiver: NewReceiver(service, o.Jobs, o.Bandwidth)}
	d.receiver.firstPause, d.receiver.stuckAfter = o.firstPause, o.stuckAfter
	d.dir = dir
	defer d.leave()
	defer d.rest.Close()
	d.inOrder(d.ordered(in))
	if d.rest.Len() > 0 {
		d.drain() // folders get their times when all of this pass is done
		d.inOrder(d.rest.Sorted())
	}
	if o.NoMore != nil {
		o.NoMore()
	}
	err := d.close()
	if d.tree != nil && ctx.Err() == nil {
		if syncErr := d.tree.Sync(); syncErr != nil {
			err = errors.Join(err, fmt.Errorf("what was fetched may not be on the disk: %w", syncErr))
		}
	}
	if n := d.kept.Load(); err == nil && n > 0 {
		err = &KeptError{n}
	}
	return err
}

// downloads is one Download.
type downloads struct {
	*run
	o        DownloadOptions
	receiver *Receiver
	dir      string
	tree     *place.Tree // of dir, once there is something to put; nil in a dry run
	ready    bool        // the account has been looked at
	rest     record.Sorter
	kept     atomic.Int64 // local files that are newer

	file        string        // the path of the file taken last
	blocked     string        // a folder that could not be entered; "" if none
	blockedWith *record.Error // why
}

// enterTop opens the folder that everything is put into, when there is something to
// put: a listing of what the service does not have makes no folder. It reports
// whether there is one.
func (d *downloads) enterTop() bool {
	if d.tree != nil || d.o.DryRun {
		return true
	}
	tree, err := place.Open(d.dir)
	if err != nil {
		d.stop(fmt.Errorf("the folder to put files into: %w", err))
		return false
	}
	tree.Warn = func(err error) { d.o.Warn(err.Error()) }
	d.tree = tree
	return true
}

func (d *downloads) leave() {
	if d.tree != nil {
		d.tree.Close()
	}
}

// ordered returns the records up to the first that is out of order; the others
// it keeps to be sorted.
func (d *downloads) ordered(in *record.Reader) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		last := ""
		for rec := range in.All() {
			if rec.Foreign() {
				d.pass(rec)
				continue
			}
			if d.rest.Len() == 0 && record.Compare(last, rec.Path) > 0 {
				d.o.Warn("the input is out of order from " + rec.Path + " on; sorting it")
			} else if d.rest.Len() == 0 {
				last = strings.Clone(rec.Path)
				if !yield(rec, nil) {
					return
				}
				continue
			}
			if err := d.rest.Add(rec); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// inOrder deals with records in tree order.
func (d *downloads) inOrder(records iter.Seq2[*record.Record, error]) {
	saved := newMetadata(d.o.Metadata, d.link)
	defer saved.close()
	for rec, err := range records {
		var meta *record.Record
		if err == nil {
			meta, err = saved.find(rec.Path)
		}
		if err != nil {
			d.stop(err)
			return
		}
		if d.ended() || !d.enterTop() {
			return
		}
		d.take(rec, meta)
	}
	if err := saved.finish(); err != nil {
		d.stop(err)
	}
}

// first refuses a file that the input names once more, such as each revision of it:
// all would be written to one path at once, and any of them would stay.
func (d *downloads) first(rec *record.Record) error {
	if d.file == rec.Path {
		return &record.Error{Class: record.ClassLimit, Message: "the input has it more than once, and the first is taken; choose one revision of it"}
	}
	d.file = strings.Clone(rec.Path)
	return nil
}

// take deals with one record, or has a worker do so.
func (d *downloads) take(rec, meta *record.Record) {
	mine := rec.Action == "" || rec.Action == record.ActionGet || rec.Action == record.ActionMkdir || rec.Action == record.ActionTouch
	same := rec.Action == record.ActionNone && rec.Reason == record.ReasonSame && meta != nil // its metadata may differ
	switch {
	case rec.Error != nil, rec.Status != "", rec.Ignored, !mine && !same:
		d.pass(rec)
		return
	case rec.Kind != record.KindFile && rec.Kind != record.KindDir:
		d.pass(rec)
		return
	}
	p, err := d.check(rec)
	if err == nil && rec.Kind == record.KindFile {
		err = d.first(rec)
	}
	if err != nil {
		d.finish(rec, err)
		return
	}
	planned := rec.Action != ""
	if !planned {
		rec.Action = record.ActionGet
		if rec.Kind == record.KindDir {
			rec.Action = record.ActionMkdir
		}
	}
	if d.o.DryRun {
		if !same {
			rec.Status = record.StatusSkipped
		}
		d.write(rec)
		return
	}
	rec.Root = d.tree.Path
	if rec.Kind == record.KindDir {
		d.finish(rec, d.folder(rec, meta))
		return
	}
	dir, name := split(rec.Path)
	folder, err := d.enter(dir)
	if err == nil {
		err = d.tree.Claim(folder, name)
	}
	if err != nil {
		d.finish(rec, err)
		return
	}
	g := &get{downloads: d, rec: rec, path: p, folder: folder, name: name, planned: planned, meta: meta}
	d.lookAtAccount()
	if d.ctx.Err() != nil {
		d.finish(rec, context.Cause(d.ctx))
		return
	}
	d.o.Expect(1, max(rec.Size, 0))
	folder.Keep()
	d.start(func() {
		defer folder.Release()
		err := g.carryOut()
		if err == nil {
			d.o.Progress(1, rec.Size-g.shown)
		}
		d.finish(rec, d.onDisk(err))
	})
}

// onDisk sorts an error of the local system. One that all that follows would meet
// as well stops the run.
func (d *downloads) onDisk(err error) error {
	if local.DiskFull(err) {
		d.stop(fmt.Errorf("%w; make room, then run it again", err))
	}
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return local.NewError(e)
	}
	return err
}

func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// check returns the remote path of a record that makes sense.
func (d *downloads) check(rec *record.Record) (jfs.Path, error) {
	if rec.Remote == "" {
		return "", &record.Error{Class: record.ClassInternal, Message: fmt.Sprintf("get %s: the record has no remote path; jget takes what jls or jdiff --reverse writes", rec.Path)}
	}
	if rec.Kind == record.KindFile && rec.State != "" && rec.State != record.StateCompleted {
		e := jfs.Entry{Path: rec.Remote, Kind: jfs.KindFile, Revision: jfs.Revision{State: rec.State}}
		return "", e.Problem()
	}
	return jfs.ParsePath(rec.Remote)
}

// lookAtAccount makes sure, once and before anything is fetched, that there is an
// account that hands it out.
func (d *downloads) lookAtAccount() {
	if d.ready {
		return
	}
	d.ready = true
	if customer := d.account(d.receiver.Service); customer.ReadLocked {
		d.stop(&jfs.Error{Op: "download", Class: record.ClassLocked, Message: "the account hands nothing out at present; see the web interface for the reason"})
	}
}

// enter opens a local folder. Why one cannot be opened is told once; all in it
// gets the same error.
func (d *downloads) enter(path string) (*place.Folder, error) {
	if d.blockedWith != nil && record.Under(path, d.blocked) {
		d.hush(d.blockedWith, true)
		return nil, d.blockedWith
	}
	folder, err := d.tree.Enter(path)
	if err != nil {
		d.blocked, d.blockedWith = path, local.NewError(d.onDisk(err))
		return nil, d.blockedWith
	}
	return folder, nil
}

// folder makes a folder, or finds it there.
func (d *downloads) folder(rec, meta *record.Record) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	folder, err := d.enter(rec.Path)
	if err != nil {
		return err
	}
	if meta != nil && meta.Kind == record.KindDir {
		mode, _ := local.Mode(meta.Mode)
		folder.SetAtEnd(mode, meta.MTime)
	}
	if !folder.New() {
		rec.Action, rec.Reason = record.ActionNone, record.ReasonSame
		return nil
	}
	rec.Status = record.StatusDone
	if rec.Reason == "" {
		rec.Reason = record.ReasonNew
	}
	return nil
}

// link makes a symbolic link that the metadata has. The service has none, so it
// gets a record of its own.
func (d *downloads) link(meta *record.Record) {
	if d.ended() || meta.Ignored || meta.Error != nil || !d.enterTop() {
		return
	}
	rec := &record.Record{Kind: record.KindSymlink, Path: meta.Path, Size: record.SizeUnknown, MTime: meta.MTime, Mode: meta.Mode, Target: meta.Target, Action: record.ActionGet, Reason: record.ReasonNew}
	if d.o.DryRun {
		rec.Status = record.StatusSkipped
		d.write(rec)
		return
	}
	rec.Root = d.tree.Path
	d.finish(rec, d.makeLink(rec))
}

func (d *downloads) makeLink(rec *record.Record) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	dir, name := split(rec.Path)
	folder, err := d.enter(dir)
	if err == nil {
		err = d.tree.Claim(folder, name)
	}
	if err != nil {
		return err
	}
	made, err := folder.Link(name, rec.Target, rec.MTime, d.o.Overwrite)
	switch {
	case err != nil:
		return d.onDisk(err)
	case made:
		rec.Status = record.StatusDone
	default:
		rec.Action, rec.Reason = record.ActionNone, record.ReasonSame
	}
	return nil
}
