// Package report sums up the records of a run: what was stored, what was not
// and why, and when the tree was last stored whole.
//
// A report is a small JSON file, one for each job, replaced as a whole. The
// records themselves are not in it, except those that say what was not stored.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jottatools/lib/record"
)

// A report names so many entries, and so many bytes of them or a single one. Beyond
// that it counts.
const (
	maxListed      = 1000
	maxListedBytes = 1 << 20
)

// maxReport is the largest report that is read, in bytes; none that is written is
// larger.
const maxReport = 32 << 20

// Report is what a run came to.
type Report struct {
	Version int       `json:"v"`                 // 1
	Restore bool      `json:"restore,omitempty"` // the run went from the service to the disk
	Source  string    `json:"source"`
	Dest    string    `json:"dest"`
	Account Account   `json:"account,omitzero"` // where the remote one of both is
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	// Complete: the whole source was read, and every file of it that is not left
	// out by a rule is at the destination as it is there.
	Complete     bool      `json:"complete"`
	LastComplete time.Time `json:"last_complete,omitzero"` // end of the last complete run, this one included
	Incomplete   string    `json:"incomplete,omitempty"`   // why the stream proves nothing, if so
	Withheld     int64     `json:"withheld,omitempty"`     // deletions that a brake held back

	// Base is how many entries were stored when all was well: after the last run that saw
	// its whole source, and had no deletions to hold back. A brake on a share of them is
	// not loosened by what a wrong source adds.
	Base int64 `json:"base,omitempty"`

	// Unfinished is when a run began that has not come to an end, as far as is
	// known. It is not kept in the report but beside it; see [Load].
	Unfinished time.Time `json:"unfinished,omitzero"`

	Proof Proof `json:"proof,omitzero"`

	added  int64 // entries stored that were not there before
	listed listed

	Counts    Counts  `json:"counts"`
	NotStored []Entry `json:"not_stored,omitempty"` // at most 1,000 of them
	Omitted   int64   `json:"not_stored_omitted,omitempty"`
}

// Account says whose account the run used, and where: as the programs of the run
// were told, whether or not the service agreed.
type Account struct {
	Server  string `json:"server"`            // "Jottacloud", another service's name, the address of a server, or "local": a jserve of the machine's own
	User    string `json:"user,omitempty"`    // as far as is known
	Profile string `json:"profile,omitempty"` // of the login, unless there is a password
}

// Local is the Server of runs with --local.
const Local = "local"

// String describes the account in a few words.
func (a Account) String() string {
	if a.Server == Local {
		return "this machine (--local), not Jottacloud"
	}
	var who []string
	if a.User != "" {
		who = append(who, "user "+a.User)
	}
	if a.Profile != "" {
		who = append(who, "profile "+a.Profile)
	}
	return strings.Join(append([]string{a.Server}, who...), ", ")
}

// Counts says how many entries there were of each fate. Bytes are those of file
// content.
type Counts struct {
	Files        int64 `json:"files"` // regular files of the source that are to be stored
	Dirs         int64 `json:"dirs"`
	Bytes        int64 `json:"bytes"`
	Same         int64 `json:"same"` // files that needed nothing
	Uploaded     int64 `json:"uploaded"`
	Deduplicated int64 `json:"deduplicated"` // stored without sending: the service had the content
	Fetched      int64 `json:"fetched,omitempty"`
	Linked       int64 `json:"linked,omitempty"` // symbolic links made
	Kept         int64 `json:"kept,omitempty"`   // local files that are newer than what is stored, or not stored at all
	Newer        int64 `json:"newer,omitempty"`  // of those kept: the ones that are newer
	Touched      int64 `json:"touched"`
	Moved        int64 `json:"moved"` // on the service, without sending
	Made         int64 `json:"made"`  // folders
	Deleted      int64 `json:"deleted"`
	Sent         int64 `json:"sent"` // bytes put on the wire
	Failed       int64 `json:"failed"`
	Changing     int64 `json:"changing"`
	Blocked      int64 `json:"blocked"`
	Pending      int64 `json:"pending"` // planned, and never carried out
	Ignored      int64 `json:"ignored"`
	Symlinks     int64 `json:"symlinks"`
	Special      int64 `json:"special"`
}

// Entry is something that was not stored.
type Entry struct {
	Path    string        `json:"path"`
	Reason  record.Reason `json:"reason,omitempty"`
	Class   record.Class  `json:"class,omitempty"`
	Message string        `json:"message,omitempty"`
}

// Add counts a record.
func (r *Report) Add(rec *record.Record) {
	c := &r.Counts
	switch {
	case rec.Foreign():
		return
	case rec.Action == record.ActionDelete:
		r.addDeletion(rec)
		return
	case rec.Error == nil && rec.Ignored:
		c.Ignored++
		return
	case rec.Error == nil && rec.Kind == record.KindSymlink && rec.Status == record.StatusDone:
		c.Linked++
		return
	case rec.Error == nil && rec.Action == record.ActionNone && rec.Reason == record.ReasonGone:
		c.Kept++
		return
	case rec.Error == nil && rec.Kind == record.KindSymlink:
		c.Symlinks++
		return
	case rec.Error == nil && rec.Kind == record.KindSpecial:
		c.Special++
		return
	case rec.Kind == record.KindDir:
		c.Dirs++
	case rec.Kind == record.KindFile:
		c.Files++
		c.Bytes += max(rec.Size, 0)
	}
	if t := rec.Transfer; t != nil {
		c.Sent += t.Sent
	}
	if rec.Reason == record.ReasonNew && (rec.Status == record.StatusDone || rec.Status == record.StatusDeduplicated) {
		r.added++
	}
	switch {
	case rec.Error != nil || rec.Status == record.StatusFailed:
		c.Failed++
		r.notStored(rec)
	case rec.Reason == record.ReasonBlocked:
		c.Blocked++
		r.notStored(rec)
	case rec.Reason == record.ReasonChanging:
		c.Changing++
		r.notStored(rec)
	case rec.Reason == record.ReasonNewer:
		c.Kept++
		c.Newer++
		r.notStored(rec)
	case rec.Action == record.ActionNone:
		if rec.Kind == record.KindFile {
			c.Same++
		}
	case rec.Status == record.StatusDone && rec.Action == record.ActionPut:
		c.Uploaded++
	case rec.Status == record.StatusDone && rec.Action == record.ActionGet:
		c.Fetched++
	case rec.Status == record.StatusDeduplicated:
		c.Deduplicated++
	case rec.Status == record.StatusDone && rec.Action == record.ActionTouch:
		c.Touched++
	case rec.Status == record.StatusDone && rec.Action == record.ActionMove:
		c.Moved++
	case rec.Status == record.StatusDone && rec.Action == record.ActionMkdir:
		c.Made++
	default:
		c.Pending++
		r.notStored(rec)
	}
}

func (r *Report) addDeletion(rec *record.Record) {
	switch {
	case rec.Error != nil || rec.Status == record.StatusFailed:
		r.Counts.Failed++
		r.notStored(rec)
	case rec.Status == record.StatusDone:
		r.Counts.Deleted++
	}
}

func (r *Report) notStored(rec *record.Record) { r.listed.add(&r.NotStored, &r.Omitted, rec) }

// listed is how many bytes of entries are named.
type listed int

// add names an entry, or counts it.
func (l *listed) add(entries *[]Entry, omitted *int64, rec *record.Record) {
	// What a record holds may be a piece of a long line, all of which would stay.
	e := Entry{Path: strings.Clone(rec.Path), Reason: record.Reason(strings.Clone(string(rec.Reason)))}
	if rec.Error != nil {
		e.Class, e.Message = record.Class(strings.Clone(string(rec.Error.Class))), strings.Clone(rec.Error.Message)
	}
	size := listed(len(e.Path) + len(e.Reason) + len(e.Class) + len(e.Message))
	if n := len(*entries); n == maxListed || n > 0 && *l+size > maxListedBytes {
		*omitted++
		return
	}
	*l += size
	*entries = append(*entries, e)
}

// Finish closes the report: in is the stream, read to its end, and previous the
// report of the run before, or nil.
func (r *Report) Finish(in *record.Reader, previous *Report, now time.Time) {
	r.Version, r.Ended = 1, now.UTC()
	same := in.End().Same
	r.Counts.Files += same.Files
	r.Counts.Dirs += same.Dirs
	r.Counts.Bytes += same.Bytes
	r.Counts.Same += same.Files
	if err := in.Whole(); err != nil {
		r.Incomplete = err.Error()
	}
	r.Complete = in.Clean() == nil && len(r.NotStored) == 0
	r.Withheld = in.End().Withheld
	if previous != nil {
		r.LastComplete, r.Base, r.Proof = previous.LastComplete, previous.Base, previous.Proof
	}
	if r.Complete {
		r.LastComplete = r.Ended
	}
	if r.Incomplete == "" && r.Withheld == 0 {
		r.Base = in.End().Stored + r.added - r.Counts.Deleted
	}
}

// unfinished is what is added to a report's name to name the file that holds,
// while a run goes on, when it began.
const unfinished = ".unfinished"

// ErrNoReport says that a file is not a report.
var ErrNoReport = errors.New("it is not a report")

// Load reads a report. There being none yet is no error: it returns nil. A file
// beside it whose name ends in ".unfinished" says since when a run is going on, or
// has been when it was killed.
func Load(name string) (*Report, error) {
	b, err := read(name, maxReport)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrNoReport, err)
	}
	if b, err := read(name+unfinished, 100); err == nil {
		r.Unfinished, err = time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
		if err != nil { // cut short with the run
			r.Unfinished = r.Ended
		}
	}
	return r, nil
}

// parse reads the content of a report.
func parse(b []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	return r, nil
}

// read returns what is in a file of at most so many bytes.
func read(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("read %s: it has more than %d bytes", name, most)
	}
	return b, err
}

// Save writes the report, readable by its owner only, in place of the one
// before. The old one stays if the new one cannot be written.
func (r *Report) Save(name string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(name, append(b, '\n')); err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}

// replace writes a file aside, and puts it in its place when it is on disk. Aside
// means beside it: the folder for temporary files may be full, or another disk.
func replace(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
