package local

import (
	"time"

	"jottatools/lib/record"
)

// KeepsCTime reports whether writing to the file at path is sure to change the ctime
// that r gives for it. Only then does a ctime that is still the same prove that nobody
// has written to the file.
//
// It is not sure where there is no ctime at all, on file systems that show another time
// instead (exFAT shows the mtime), and wherever that cannot be ruled out: behind
// FUSE and on network file systems a ctime that equals the mtime, or is the mtime in
// seconds or pairs of seconds (fuse-zip 0.5.0 shows that of the archive), may be just that.
func KeepsCTime(path string, r *record.Record) bool {
	if r.CTime.IsZero() {
		return false
	}
	switch ctimesOf(path) {
	case ctimesOwn:
		return true
	case ctimesUncertain:
		return !mayBeMTime(r.CTime, r.MTime)
	}
	return false
}

// mayBeMTime reports whether a ctime may be the mtime, as it is or rounded.
func mayBeMTime(ctime, mtime time.Time) bool {
	return ctime.Equal(mtime) || ctime.Nanosecond() == 0 && ctime.Sub(mtime).Abs() < 2*time.Second
}

// ctimes says where the ctimes of a file system come from.
type ctimes int

const (
	ctimesNone      ctimes = iota // it keeps none, or cannot be asked
	ctimesUncertain               // from a server, or from a program behind FUSE
	ctimesOwn                     // it keeps them
)
