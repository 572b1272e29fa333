// Package transfer carries out plans: it uploads, downloads, verifies and deletes
// files.
//
// [Upload], [Download], [Verify] and [Delete] read the records of a plan or a listing
// and write each one again with its outcome. They run several requests at once. Memory
// is bounded: Upload looks at most a thousand records ahead, to see which folders
// it will need, and Delete keeps deletions on disk until the plan has ended. Except
// for Download, which decides whether a local file needs replacing, they do not
// question the plan.
//
// [PutStream], [MakeFolders], [DeletePaths], [RestorePaths] and [EmptyTrash] work
// without a plan. [Sender] sends single files, also for the mount, and [Receiver]
// fetches them.
package transfer

import (
	"context"
	"errors"
	"sync"

	"github.com/sourcegraph/conc/pool"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// errCutOff is the cause of the context's end when a run stops by itself.
var errCutOff = errors.New("the run has stopped")

// run is what the workers of one Upload or Delete share.
type run struct {
	parent context.Context // ends when the program is told to stop
	ctx    context.Context // ends then, and when the run stops by itself
	cancel context.CancelCauseFunc
	out    *record.Writer
	jobs   int
	pool   *pool.Pool // nil if nothing runs

	mu        sync.Mutex    // guards what follows
	stopped   error         // why nothing more is tried
	stoppedAs *record.Error // the same for records
	notTried  int64         // records that stoppedAs went to
	hushed    hushed        // errors that go into many records and are told once
	outage    jfs.Outage
	writeErr  error // of out
}

func newRun(ctx context.Context, out *record.Writer, jobs int) *run {
	r := &run{parent: ctx, out: out, jobs: jobs, hushed: hushed{}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	if report := out.OnError; report != nil {
		out.OnError = func(rec *record.Record) {
			r.mu.Lock()
			quiet := r.hushed[rec.Error]
			r.mu.Unlock()
			if !quiet {
				report(rec)
			}
		}
	}
	return r
}

// hushed holds errors by their address.
type hushed map[*record.Error]bool

// hush keeps an error out of the messages, though not out of the records.
func (r *run) hush(e *record.Error, quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if quiet {
		r.hushed[e] = true
	} else {
		delete(r.hushed, e)
	}
}

// start runs f as one of at most jobs at a time, and waits until there is room.
func (r *run) start(f func()) {
	if r.pool == nil {
		r.pool = pool.New().WithMaxGoroutines(r.jobs)
	}
	r.pool.Go(f)
}

// drain waits until nothing runs.
func (r *run) drain() {
	if r.pool != nil {
		r.pool.Wait()
		r.pool = nil
	}
}

// ended reports whether the loop that feeds the workers should end at once.
func (r *run) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parent.Err() != nil || r.writeErr != nil
}

// close waits for the workers and returns why the run did not do all it should.
func (r *run) close() error {
	r.drain()
	defer r.cancel(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.writeErr != nil:
		return r.writeErr
	case r.parent.Err() != nil:
		return context.Cause(r.parent)
	case r.stopped != nil:
		return &jfs.Stopped{Cause: r.stopped, NotTried: r.notTried}
	}
	return r.outage.Verdict()
}

// stop ends the run: nothing more is tried, and what runs is cut off.
func (r *run) stop(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped == nil {
		r.stopped = err
		r.stoppedAs = jfs.NotTried(err)
		r.hushed[r.stoppedAs] = true
		r.cancel(errCutOff)
	}
}

// account asks for the account, and stops the run if there is no answer: better
// once than for each entry.
func (r *run) account(service interface {
	Customer(context.Context) (jfs.Customer, error)
}) jfs.Customer {
	customer, err := service.Customer(r.ctx)
	if err != nil && r.ctx.Err() == nil {
		r.stop(err)
	}
	return customer
}

// judge draws the conclusions for the whole run from what became of an entry. It
// reports whether the error is told as that of the run: then once is enough.
func (r *run) judge(err error) (told bool) {
	r.mu.Lock()
	ends := r.outage.Ends(err)
	r.mu.Unlock()
	if ends {
		r.stop(err)
	}
	var e *jfs.Error
	return errors.As(err, &e) && e.Class == record.ClassAuth
}

// finish draws the conclusions from what became of an entry, and writes its
// record: as it is, or with the error. What a signal interrupted leaves as it
// came.
func (r *run) finish(rec *record.Record, err error) {
	told := rec.Status != record.StatusSkipped && r.judge(err)
	switch {
	case err == nil:
		r.write(rec)
	case r.parent.Err() != nil:
		r.pass(rec)
	default:
		rec.Status = record.StatusFailed
		rec.Error = jfs.RecordError(err)
		if errors.Is(err, errCutOff) {
			r.mu.Lock()
			rec.Error = r.stoppedAs
			r.notTried++
			r.mu.Unlock()
		}
		if told {
			r.hush(rec.Error, true)
		}
		r.write(rec)
	}
}

// write writes a record that has been dealt with.
func (r *run) write(rec *record.Record) { r.wrote(r.out.Write(rec)) }

// pass writes a record as it was read.
func (r *run) pass(rec *record.Record) { r.wrote(r.out.Pass(rec)) }

func (r *run) wrote(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writeErr == nil {
		r.writeErr = err
		r.cancel(errCutOff) // nobody would hear of more
	}
}
