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
	"io/fs"
	"os"
	"time"

	"github.com/google/renameio/v2/maybe"

	"jottatools/lib/record"
)

// maxListed bounds how many entries a report names. Beyond that it counts.
const maxListed = 1000

// Report is what a run came to.
type Report struct {
	Version int       `json:"v"` // 1
	Source  string    `json:"source"`
	Dest    string    `json:"dest"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	// Complete: the whole source was read, and every file of it that is not left
	// out by a rule is on the service as it is on disk.
	Complete     bool      `json:"complete"`
	LastComplete time.Time `json:"last_complete,omitzero"` // end of the last complete run, this one included
	Incomplete   string    `json:"incomplete,omitempty"`   // why the stream proves nothing, if so

	Counts    Counts  `json:"counts"`
	NotStored []Entry `json:"not_stored,omitempty"` // at most 1,000 of them
	Omitted   int64   `json:"not_stored_omitted,omitempty"`
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
	Touched      int64 `json:"touched"`
	Made         int64 `json:"made"` // folders
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
	case rec.Action == record.ActionNone:
		if rec.Kind == record.KindFile {
			c.Same++
		}
	case rec.Status == record.StatusDone && rec.Action == record.ActionPut:
		c.Uploaded++
	case rec.Status == record.StatusDeduplicated:
		c.Deduplicated++
	case rec.Status == record.StatusDone && rec.Action == record.ActionTouch:
		c.Touched++
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

func (r *Report) notStored(rec *record.Record) {
	if len(r.NotStored) == maxListed {
		r.Omitted++
		return
	}
	e := Entry{Path: rec.Path, Reason: rec.Reason}
	if rec.Error != nil {
		e.Class, e.Message = rec.Error.Class, rec.Error.Message
	}
	r.NotStored = append(r.NotStored, e)
}

// Finish closes the report: in is the stream, read to its end, and previous the
// report of the run before, or nil.
func (r *Report) Finish(in *record.Reader, previous *Report, now time.Time) {
	r.Version, r.Ended = 1, now.UTC()
	if err := in.Whole(); err != nil {
		r.Incomplete = err.Error()
	}
	r.Complete = in.Clean() == nil && len(r.NotStored) == 0
	switch {
	case r.Complete:
		r.LastComplete = r.Ended
	case previous != nil:
		r.LastComplete = previous.LastComplete
	}
}

// Load reads a report. There being none yet is no error: it returns nil.
func Load(name string) (*Report, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s is not a report: %w", name, err)
	}
	return &r, nil
}

// Save writes the report, readable by its owner only, in place of the one
// before. The old one stays if the new one cannot be written.
func (r *Report) Save(name string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := maybe.WriteFile(name, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}
