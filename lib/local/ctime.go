package local

import "jottatools/lib/record"

// KeepsCTime reports whether writing to the file at path is sure to change the ctime
// that r gives for it. Only then does a ctime that is still the same prove that nobody
// has written to the file.
//
// It is not sure where there is no ctime at all, on file systems that show another time
// instead (exFAT shows the mtime), and wherever that cannot be ruled out: behind
// FUSE and on network file systems a ctime that equals the mtime may be just that.
func KeepsCTime(path string, r *record.Record) bool {
	if r.CTime.IsZero() {
		return false
	}
	switch ctimesOf(path) {
	case ctimesOwn:
		return true
	case ctimesUncertain:
		return !r.CTime.Equal(r.MTime)
	}
	return false
}

// ctimes says where the ctimes of a file system come from.
type ctimes int

const (
	ctimesNone      ctimes = iota // it keeps none, or cannot be asked
	ctimesUncertain               // from a server, or from a program behind FUSE
	ctimesOwn                     // it keeps them
)
