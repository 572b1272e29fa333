package jfs

import (
	"errors"
	"fmt"

	"jottatools/lib/record"
)

// outageAfter is how many entries in a row may fail because the service is in
// trouble or out of reach, each after its own retries, until the rest is not
// tried any more.
const outageAfter = 3

// Outage tells trouble with one entry from trouble that ends a run over many. It is
// not safe for concurrent use.
type Outage struct {
	failures  int   // in a row, for trouble of the service
	last      error // of those
	succeeded bool  // anything at all
}

// Ends takes what became of one more entry, and reports whether the rest need not
// be tried: the login or the account does not allow it, or the service has failed
// with several entries in a row.
func (o *Outage) Ends(err error) bool {
	var e *Error
	switch {
	case err == nil:
		o.failures, o.succeeded = 0, true
		return false
	case !errors.As(err, &e):
		return false
	}
	switch e.Class {
	case record.ClassAuth, record.ClassQuota, record.ClassLocked:
		return true
	case record.ClassNetwork, record.ClassServer, record.ClassRateLimited:
		o.failures, o.last = o.failures+1, err
		return o.failures >= outageAfter
	}
	return false
}

// Verdict is the error of a run that has come to its end: nil if anything went well,
// or nothing failed for trouble of the service. It takes fewer entries than those
// that end a run, but none was done.
func (o *Outage) Verdict() error {
	if o.succeeded {
		return nil
	}
	return o.last
}

// Stopped is the error of a run that ended early.
type Stopped struct {
	Cause    error
	NotTried int64 // entries
}

// Error returns the cause, and how much is left undone.
func (s *Stopped) Error() string {
	if s.NotTried == 0 {
		return s.Cause.Error()
	}
	return fmt.Sprintf("%v; %s not tried", s.Cause, record.Count(s.NotTried, "entry was", "entries were"))
}

// Unwrap returns the cause.
func (s *Stopped) Unwrap() error { return s.Cause }

// NotTried returns the error of an entry that was not tried because of err.
func NotTried(err error) *record.Error {
	e := *RecordError(err)
	e.Message = "not tried: " + e.Message
	return &e
}
