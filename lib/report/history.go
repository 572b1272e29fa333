package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// maxHistory is how many runs of a job are remembered at least; up to twice as many are,
// so that the file is not written anew for each of them.
const maxHistory = 400

// Past is a run in the history of a job, one line of JSON.
type Past struct {
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Kind     string    `json:"kind"` // backup, restore or proof
	Code     int       `json:"code"` // the exit code
	Complete bool      `json:"complete"`
	Files    int64     `json:"files"`
	Bytes    int64     `json:"bytes"`
	Sent     int64     `json:"sent"`    // over the wire; with a restore, fetched
	Changed  int64     `json:"changed"` // entries that were stored, moved, touched or fetched
	Deleted  int64     `json:"deleted"`
	Failed   int64     `json:"failed"`        // entries that were not stored, or not proven
	Why      string    `json:"why,omitempty"` // the run came to nothing, since
}

// String describes the run in one line.
func (p Past) String() string {
	took := p.Ended.Sub(p.Started).Round(time.Second)
	text := fmt.Sprintf("%s  %-7s  code %-3d  %s", record.LocalTime(p.Started), p.Kind, p.Code, took)
	if p.Why != "" {
		return record.Printable(text + "  " + p.Why)
	}
	text += fmt.Sprintf("  %s, %s; %d changed, %d deleted, %d failed; %s sent",
		record.Count(p.Files, "file", "files"), bytes(p.Bytes), p.Changed, p.Deleted, p.Failed, bytes(p.Sent))
	return text
}

// Past returns the line of the history for the run that the report is of.
func (r *Report) Past(code int) Past {
	c := &r.Counts
	p := Past{
		Started: r.Started, Ended: r.Ended, Kind: r.choose("backup", "restore"), Code: code, Complete: r.Complete,
		Files: c.Files, Bytes: c.Bytes, Sent: c.Sent,
		Changed: c.Uploaded + c.Fetched + c.Linked + c.Deduplicated + c.Touched + c.Moved + c.Made,
		Deleted: c.Deleted, Failed: c.Failed + c.Pending,
	}
	return p
}

// AddHistory adds a run to a history.
func AddHistory(name string, p Past) error {
	runs, err := History(name)
	if err != nil {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if len(runs) >= 2*maxHistory {
		var b strings.Builder
		for _, old := range append(runs[len(runs)-maxHistory+1:], p) {
			line, err := json.Marshal(old)
			if err != nil {
				return err
			}
			b.Write(append(line, '\n'))
		}
		return local.Replace(name, []byte(b.String()))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// History returns the last runs of a job, from old to new. Lines that a crash has damaged
// are left out; without a file, there are none.
func History(name string) ([]Past, error) {
	b, err := read(name, maxReport)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var runs []Past
	for line := range strings.Lines(string(b)) {
		var p Past
		if json.Unmarshal([]byte(line), &p) == nil && !p.Started.IsZero() {
			runs = append(runs, p)
		}
	}
	return runs, nil
}

// Progress says, for a person who has stopped the run, what it has done.
func (r *Report) Progress() string {
	p := r.Past(0)
	if p.Changed == 0 {
		return "no entry is finished yet"
	}
	return fmt.Sprintf("%s %s, %s", record.Count(p.Changed, "entry was", "entries were"), r.choose("stored", "fetched"), bytes(p.Sent)+" sent")
}
