package digest

import (
	"fmt"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// The guard against damage. A file that has been read is compared with the entry that the
// cache has for it. If size and mtime are the same and the content is not, either somebody
// wrote to the file and put the mtime back, as VeraCrypt does with its containers, or the
// disk damaged it. A file that may be damaged gets an error instead of an MD5, so that no
// later program stores it in the place of the good copy.
//
// The cache keeps its entry for such a file, with the error in it. An entry with an error
// is never taken for the file's present state: it is there to compare with, and the file is
// read in every run until its content is back, its size or mtime changes, or somebody
// accepts it.

// comparable reports whether an entry is of a file of the given size and mtime, so that
// the content should be the same.
func comparable(entry *record.Record, size int64, mtime time.Time) bool {
	return entry != nil && entry.Size >= 0 && entry.Size == size && !entry.MTime.IsZero() && entry.MTime.Equal(mtime)
}

// cause is why a file has another content than before, though its size and mtime are the
// same.
type cause int

const (
	unknown cause = iota // nobody can tell
	written              // somebody wrote to it and put the mtime back
	damaged              // nobody wrote to it
)

// causeOf holds the state in which a file was against the one in which it is now. An
// inode number that has changed proves nothing.
func (h *hasher) causeOf(was, now *record.Record) cause {
	switch {
	case was.CTime.IsZero() || !h.keepsCTime(local.Path(now), now):
		return unknown
	case was.CTime.Equal(now.CTime):
		return damaged
	case h.ignoreCTime: // which says that ctimes change without anybody writing
		return unknown
	}
	return written
}

// guard compares a file that was read, now, with the comparable entry of the cache, whose
// MD5 is another. It returns an error unless the new content is to be taken.
func (h *hasher) guard(entry, now *record.Record) *record.Error {
	if h.accept(now.Path) {
		h.info("%s: the content has MD5 %s instead of %s, which is accepted", now.Path, now.MD5, entry.MD5)
		return nil
	}
	why := ""
	switch c := h.causeOf(entry, now); {
	case c == damaged:
		why = fmt.Sprintf("so is the ctime, %s, which writing would have changed: the file is damaged", record.LocalTime(now.CTime))
	case suspected(entry) && c == written:
		why = fmt.Sprintf("its ctime has changed to %s only after the content was found to be another", record.LocalTime(now.CTime))
	case c == written:
		h.info("%s: written to since it was last hashed, and its mtime put back; the new content is taken", now.Path)
		return nil
	case !h.keepsCTime(local.Path(now), now):
		why = "the file system keeps no reliable time of change (ctime), so nobody can tell whether it was written to or damaged"
	case entry.CTime.IsZero():
		why = "its ctime was not known before, so nobody can tell whether it was written to or damaged"
	default:
		why = fmt.Sprintf("its ctime has changed from %s to %s, which proves nothing with --ignore-ctime, so nobody can tell whether it was written to or damaged",
			exactly(entry.CTime), exactly(now.CTime))
	}
	return &record.Error{Class: record.ClassCorrupt, Message: fmt.Sprintf("the content has MD5 %s instead of %s, though size and mtime (%s) are the same; %s; "+
		"what is stored stays as it is: restore the file from the service, or accept it as it is with --accept-changed PATH",
		now.MD5, entry.MD5, record.LocalTime(now.MTime), why)}
}

// exactly shows a time to people, with parts of a second.
func exactly(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.999999999 MST") }

// suspected reports whether the guard has kept the entry.
func suspected(entry *record.Record) bool {
	return entry.Error != nil && entry.Error.Class == record.ClassCorrupt
}

// kept returns an entry for the new cache that has the file read again in the next run,
// and compared. A suspicion outlives a run in which the file could not be read.
func kept(entry *record.Record, why *record.Error) *record.Record {
	if suspected(entry) && why.Class != record.ClassCorrupt {
		why = entry.Error
	}
	k := entryOf(entry)
	k.Status, k.Error = record.StatusFailed, why
	return k
}
