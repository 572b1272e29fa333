// Package record is the language of the programs: one JSON object per line, followed by
// an end record that proves the stream is whole.
//
// A [Reader] reads a stream and says at its end whether it can be trusted; a [Writer]
// writes one. [Compare] defines the order of every stream, [Sorter] sorts a stream that
// is not in order, and [Spool] keeps records on disk for later. docs/records.md
// describes the format.
//
// The package does not know where records come from: it accesses no tree and no
// service.
package record

import (
	"strings"
	"time"
)

// Kind says what a record describes. Kinds that a reader does not know pass
// through it untouched.
type Kind string

// The kinds of records.
const (
	KindFile    Kind = "file"
	KindDir     Kind = "dir"
	KindSymlink Kind = "symlink"
	KindSpecial Kind = "special" // a FIFO, socket or device: listed, never opened
	KindEnd     Kind = "end"     // closes a stream; see [End]
)

// Action is what jdiff proposes to do about an entry.
type Action string

// The actions.
const (
	ActionPut    Action = "put"    // send the content
	ActionMkdir  Action = "mkdir"  // make the folder
	ActionTouch  Action = "touch"  // the content is the same, the time differs
	ActionDelete Action = "delete" // the entry is gone from the source
	ActionGet    Action = "get"    // fetch the content
	ActionMove   Action = "move"   // the content is elsewhere on the service, at a path that is gone
	ActionNone   Action = "none"   // nothing to do

	ActionRestore Action = "restore" // back from the trash; jrm says so of its own accord
)

// Reason says why an action was chosen, or why an entry was skipped.
type Reason string

// The reasons. The first seven go with an action, the others with an entry that
// is left alone.
const (
	ReasonNew        Reason = "new"
	ReasonChanged    Reason = "changed"
	ReasonIncomplete Reason = "incomplete"
	ReasonTouched    Reason = "touched"
	ReasonGone       Reason = "gone"
	ReasonRenamed    Reason = "renamed"
	ReasonSame       Reason = "same"

	ReasonIgnored    Reason = "ignored"
	ReasonSymlink    Reason = "symlink"
	ReasonSpecial    Reason = "special"
	ReasonUnreadable Reason = "unreadable"
	ReasonChanging   Reason = "changing"
	ReasonBlocked    Reason = "blocked"  // an entry of another kind is in the way and is deleted first
	ReasonOccupied   Reason = "occupied" // what would be deleted is not, or not only, what the plan means
	ReasonNewer      Reason = "newer"    // the local file is newer than the one that would replace it

	// Left out by circumstances, not by a rule about names. Such an entry is never taken
	// for gone.
	ReasonYoung     Reason = "young"     // it was changed too short a time ago (jwalk --min-age)
	ReasonLarge     Reason = "large"     // it is larger than allowed (jwalk --max-size)
	ReasonElsewhere Reason = "elsewhere" // it is on another file system (jwalk --one-file-system)
	ReasonDangling  Reason = "dangling"  // a symbolic link that should be followed and leads nowhere

	ReasonHeld    Reason = "held"    // a brake held back the action
	ReasonForeign Reason = "foreign" // stored by another job
)

// Status is what became of an action.
type Status string

// The statuses.
const (
	StatusDone         Status = "done"
	StatusDeduplicated Status = "deduplicated" // the service had the content; nothing was sent
	StatusVerified     Status = "verified"     // read back from the service and found to be what is on disk
	StatusSkipped      Status = "skipped"
	StatusFailed       Status = "failed"
)

// The states of a file on the service, as docs/protocol.md section 2.1 names
// them.
const (
	StateCompleted  = "COMPLETED"
	StateIncomplete = "INCOMPLETE"
	StateCorrupt    = "CORRUPT"
)

// SizeUnknown is the Size of a record that does not give one.
const SizeUnknown int64 = -1

// Record is one entry of a tree, local or remote, and what the programs have
// found out about it so far.
//
// Strings that name files hold the true bytes, valid UTF-8 or not; the codec
// moves the odd ones through the base64 fields. A zero time or an empty string
// means that the record does not say.
type Record struct {
	Kind   Kind
	Root   string    // absolute local directory that Path is relative to
	Path   string    // slash-separated, relative; no empty, "." or ".." part
	Size   int64     // bytes; SizeUnknown if not given; only files have one
	MTime  time.Time // when the content was last modified
	Mode   string    // permission bits in octal, such as "0644"
	Ino    uint64    // inode number; 0 where the platform has none
	Dev    uint64    // number of the file system, if Followed; 0 where the platform has none
	CTime  time.Time // when the inode last changed
	BTime  time.Time // when the file was created, where the file system knows
	Target string    // text of a symbolic link
	MD5    string    // 32 lower-case hex digits

	Ignored  bool // left out by a rule, with everything beneath it
	Mount    bool // a folder on another file system than the folder it is in
	Followed bool // reached through a symbolic link, which was followed on purpose
	Fresh    bool // the MD5 was computed in this run, and no earlier one was known to compare it with
	Kept     bool // left out, and the service has an entry of that name, which stays as it is

	State    string    // COMPLETED, INCOMPLETE, CORRUPT …: only remote entries
	Revision int64     // number of the revision; 0 if not given
	Uploaded time.Time // when the service got the content
	Deleted  time.Time // when it went to the trash of the service; zero if it is alive

	Remote   string // absolute remote path /device/mountpoint/…, in local names
	From     string // likewise: where a move finds the entry
	Link     string // public address of a shared entry
	Action   Action
	Reason   Reason
	Status   Status
	Transfer *Transfer // nil before a transfer
	Error    *Error    // nil while nothing went wrong

	line  string // as read; empty for a record made here
	extra string // unknown members as read, each with a leading comma
}

// Transfer is what moving an entry's content took, in either direction.
type Transfer struct {
	Sent      int64         // bytes of content on the wire: sent, or for a get fetched
	ResumedAt int64         // offset, in bytes, at which an earlier transfer was taken up
	Took      time.Duration // milliseconds are kept
}

// Class sorts errors for scripts, which must be able to tell a full account
// from a bad name from a flaky line.
type Class string

// The classes of errors.
const (
	ClassAuth         Class = "auth"
	ClassForbidden    Class = "forbidden"
	ClassNotFound     Class = "not_found"
	ClassCaseConflict Class = "case_conflict"
	ClassKindConflict Class = "kind_conflict" // a file where a folder belongs, or the reverse
	ClassNameInvalid  Class = "name_invalid"
	ClassNameTooLong  Class = "name_too_long"
	ClassQuota        Class = "quota"
	ClassLocked       Class = "locked"
	ClassChanging     Class = "changing"
	ClassVanished     Class = "vanished"
	ClassPermission   Class = "permission"
	ClassCorrupt      Class = "corrupt"
	ClassCollision    Class = "collision" // same MD5 and size as another file, and other content
	ClassIncomplete   Class = "incomplete"
	ClassRange        Class = "range"
	ClassRateLimited  Class = "rate_limited"
	ClassServer       Class = "server"
	ClassNetwork      Class = "network"
	ClassLimit        Class = "limit"
	ClassInternal     Class = "internal"
)

// Error says why an entry failed. It travels in the entry's record. Replace an
// Error rather than change one that was read: the codec keeps what it read.
type Error struct {
	Class   Class  // what kind of failure
	Message string // one line for people
	HTTP    int    // status of the answer; 0 if there was none
	Retry   bool   // whether trying again later can help
	XID     string // the service's own id for the error; its support asks for it

	raw string // the JSON object as read, so that unknown members survive
}

// Error returns the message, so that an Error can be returned and wrapped.
func (e *Error) Error() string { return e.Message }

// End is the last record of a stream: the proof that nothing is missing.
type End struct {
	Version  int      // of the format; 1
	Stage    string   // the program that closed the stream
	Records  int64    // records before this one
	Bytes    int64    // sum of the sizes of the file records; 0 if the stream does not say
	Errors   int64    // records that carry an error; negative if the stream does not say
	Complete bool     // false: the stream is not the whole tree
	Scope    []string // paths that the stream covers; nil: all of its root
	Withheld int64    // deletions that a brake kept out of the stream
	Stored   int64    // entries that jdiff found on the target; 0 if it found none, or was not asked
	Spared   int64    // entries on the target that another job has stored, and that were left alone
	Same     Same     // entries that were left out since they need nothing

	saysBytes bool // Bytes was read
	extra     string
}

// Same counts entries that are on the target as they are in the source.
type Same struct {
	Files int64 `json:"files"`
	Dirs  int64 `json:"dirs"`
	Bytes int64 `json:"bytes"` // sum of the sizes of the files
}

// Entries returns how many there are.
func (s Same) Entries() int64 { return s.Files + s.Dirs }

// Add counts a record, which is of a file or a folder.
func (s *Same) Add(r *Record) {
	if r.Kind == KindDir {
		s.Dirs++
		return
	}
	s.Files++
	s.Bytes += max(r.Size, 0)
}

// plus returns the sum of both.
func (s Same) plus(t Same) Same {
	return Same{s.Files + t.Files, s.Dirs + t.Dirs, s.Bytes + t.Bytes}
}

// Under reports whether path is dir or lies beneath it.
func Under(path, dir string) bool {
	return strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// Raw returns the line the record was read from, without its newline, or "" if
// the record was made here. A line with a number that is text, or has an exponent, is not
// as it was read: its numbers are digits.
func (r *Record) Raw() string { return r.line }
