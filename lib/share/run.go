package share

import (
	"context"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// run is a stage at work on one entry after the other, until the service turns out
// to be down.
type run struct {
	ctx      context.Context
	out      *record.Writer
	outage   jfs.Outage
	stopped  error // why nothing more is tried
	notTried int64
}

// try does what an entry needs, if anything is still tried, and writes its record. What
// a signal interrupted is left as it came. The error is that of writing.
func (r *run) try(rec *record.Record, do func() error) error {
	switch {
	case r.ctx.Err() != nil:
		return r.out.Write(rec)
	case r.stopped != nil:
		r.notTried++
		rec.Status, rec.Error = record.StatusFailed, jfs.NotTried(r.stopped)
		return r.quietly(rec)
	}
	err := do()
	if err == nil || r.ctx.Err() != nil {
		r.outage.Ends(nil)
		return r.out.Write(rec)
	}
	rec.Status, rec.Error = record.StatusFailed, jfs.RecordError(err)
	if r.outage.Ends(err) {
		r.stopped = err
		return r.quietly(rec)
	}
	return r.out.Write(rec)
}

// quietly writes the record of an entry whose error close tells, for all of them.
func (r *run) quietly(rec *record.Record) error {
	tell := r.out.OnError
	defer func() { r.out.OnError = tell }()
	r.out.OnError = nil
	return r.out.Write(rec)
}

// close returns why not all was tried.
func (r *run) close() error {
	switch {
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case r.stopped != nil:
		return &jfs.Stopped{Cause: r.stopped, NotTried: r.notTried}
	}
	return r.outage.Verdict()
}
