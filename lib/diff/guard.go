package diff

import (
	"fmt"
	"time"

	"jottatools/lib/record"
)

// Guard keeps what is stored from being replaced by what a failing disk has made of it.
// A file whose size and time are those of what is stored, and whose content is not, was
// damaged, unless somebody wrote it and put the time back. A cache of digests can tell
// (see package digest). Where it cannot, since it was lost, the service's digest and
// times are the past.
type Guard struct {
	// Since is when a run began that has stored everything. A file that was written
	// since, as its ctime says, has changed. Zero: that is not known.
	Since time.Time
	// Doubt, if set, reports whether a file was found to be another than what is stored,
	// so that only its owner can say that this is right.
	Doubt func(path string) bool
	// Accept, if set, reports whether the owner of a file has said so.
	Accept func(path string) bool
}

// suspects reports whether l, on disk, seems to be r, damaged.
func (g *Guard) suspects(l, r *record.Record) bool {
	if g == nil || l.MD5 == r.MD5 || l.MD5 == "" || r.MD5 == "" || l.Size != r.Size ||
		l.MTime.IsZero() || r.MTime.IsZero() || !sameTime(l.MTime, r.MTime) {
		return false
	}
	if !l.Fresh && (g.Doubt == nil || !g.Doubt(l.Path)) {
		return false
	}
	return !g.written(l.CTime) && (g.Accept == nil || !g.Accept(l.Path))
}

// written reports whether a file with this ctime was written since the last run began
// that stored everything.
func (g *Guard) written(ctime time.Time) bool {
	since := g.Since
	if ctime.Nanosecond() == 0 { // the file system keeps whole seconds
		since = since.Truncate(time.Second)
	}
	return !ctime.IsZero() && !since.IsZero() && !ctime.Before(since)
}

// damaged reports a file that guard suspects.
func damaged(l, r *record.Record) *record.Record {
	l.Action, l.Reason, l.Status = record.ActionNone, record.ReasonChanged, record.StatusFailed
	l.Error = &record.Error{Class: record.ClassCorrupt, Message: fmt.Sprintf(
		"size and time (%s) are those of what is stored, but the content is not (MD5 %s on disk, %s stored): the disk has damaged it, or it was written and its time put back; what is stored stays: fetch it with jget, or accept what is on disk with --accept-changed",
		record.LocalTime(l.MTime), l.MD5, r.MD5)}
	return l
}
