// Package report summarises the records of a run: which entries were stored, which
// were not and why, and when the tree was last stored whole.
//
// A report is a small JSON file, one per job, replaced as a whole. It contains
// only the records of entries that were not stored. Some facts stay in it from run to
// run until they are settled: files that were found damaged, and entries that are
// left out although the service has them.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Each list of a report names at most maxListed entries. Their records have at most
// maxListedBytes bytes, unless a single one has more. The other entries are only counted.
const (
	maxListed      = 1000
	maxListedBytes = 1 << 20
)

// maxReport is the size limit of a report, in bytes, for reading and writing.
const maxReport = 64 << 20

// Report is the result of a run.
type Report struct {
	Version int       `json:"v"`                 // 1
	Restore bool      `json:"restore,omitempty"` // the run went from the service to the disk
	Source  string    `json:"source"`
	Dest    string    `json:"dest"`
	Account Account   `json:"account,omitzero"` // where the remote one of both is
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	// Complete: the whole source was read, and every file of it that is not left
	// out by a rule, and whose problem is not known to a person, is at the destination
	// as it is there.
	Complete     bool      `json:"complete"`
	LastComplete time.Time `json:"last_complete,omitzero"` // end of the last complete run, this one included
	Incomplete   string    `json:"incomplete,omitempty"`   // why the stream proves nothing, if so
	OutOfTime    bool      `json:"out_of_time,omitempty"`  // that is since --max-duration stopped it

	// Scoped: the job has only ever been run over a part of its source, as with
	// --files-from. Otherwise such a run adds to what is known of all of it.
	Scoped bool `json:"scoped,omitempty"`

	// Runs are the ends of the last runs, from old to new. Several within a few minutes
	// count as the first of them. A run that was cut off is not among them.
	Runs []time.Time `json:"runs,omitempty"`

	// Trouble is why the last attempt at a run could not even begin.
	Trouble Trouble `json:"trouble,omitzero"`

	// Unfinished is when a run began that has not come to an end, as far as is
	// known. It is not kept in the report but beside it; see [Load].
	Unfinished time.Time `json:"unfinished,omitzero"`

	Proof Proof `json:"proof,omitzero"`

	Counts    Counts  `json:"counts"`
	NotStored []Entry `json:"not_stored,omitempty"` // at most 1,000 of them, as in the lists below
	Omitted   int64   `json:"not_stored_omitted,omitempty"`

	// Held are actions that a brake held back.
	Held        []Entry `json:"held,omitempty"`
	HeldOmitted int64   `json:"held_omitted,omitempty"`
	Withheld    int64   `json:"withheld,omitempty"`     // deletions held back, listed or not
	HeldChanges int64   `json:"held_changes,omitempty"` // other actions held back

	// LeftBehind are entries that are left out, while the service has entries of these
	// names, or may have: nobody keeps these in step any more.
	LeftBehind        []Entry `json:"left_behind,omitempty"`
	LeftBehindOmitted int64   `json:"left_behind_omitted,omitempty"`
	Spared            int64   `json:"spared,omitempty"` // entries at the destination that another job has stored

	// Known are entries that are not stored, for a reason that a person knows.
	Known        []Entry `json:"known,omitempty"`
	KnownOmitted int64   `json:"known_omitted,omitempty"`

	// Mounts are the folders of the source that are on another file system than the one
	// they are in.
	Mounts        []Entry `json:"mounts,omitempty"`
	MountsOmitted int64   `json:"mounts_omitted,omitempty"`
}

// Trouble is what kept a run from beginning.
type Trouble struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // a line for people
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
	Files         int64 `json:"files"` // regular files of the source that are to be stored
	Dirs          int64 `json:"dirs"`
	Bytes         int64 `json:"bytes"`
	Same          int64 `json:"same"` // files that needed nothing
	Uploaded      int64 `json:"uploaded"`
	Deduplicated  int64 `json:"deduplicated"` // stored without sending: the service had the content
	Fetched       int64 `json:"fetched,omitempty"`
	Linked        int64 `json:"linked,omitempty"` // symbolic links made
	Kept          int64 `json:"kept,omitempty"`   // local files that are newer than what is stored, or not stored at all
	Newer         int64 `json:"newer,omitempty"`  // of those kept: the ones that are newer
	Touched       int64 `json:"touched"`
	Moved         int64 `json:"moved"` // on the service, without sending
	Made          int64 `json:"made"`  // folders
	Deleted       int64 `json:"deleted"`
	AddedFiles    int64 `json:"added_files"`    // files stored that were not there before
	DeletedFiles  int64 `json:"deleted_files"`  // of those deleted: the files
	DeletionsLeft int64 `json:"deletions_left"` // deletions that were planned, not held back by a brake, and not carried out
	Sent          int64 `json:"sent"`           // bytes put on the wire
	Failed        int64 `json:"failed"`
	Known         int64 `json:"known,omitempty"` // that failed for a reason that a person knows; not among Failed
	Changing      int64 `json:"changing"`
	Blocked       int64 `json:"blocked"`
	Pending       int64 `json:"pending"` // planned, and never carried out
	Ignored       int64 `json:"ignored"`
	Symlinks      int64 `json:"symlinks"`
	Special       int64 `json:"special"`
}

// Entry is something that was not stored, or that a person has to know of otherwise.
type Entry struct {
	Path    string        `json:"path"` // the true bytes; in JSON they stand in path_raw, too, unless they are UTF-8
	Action  record.Action `json:"action,omitempty"`
	Reason  record.Reason `json:"reason,omitempty"`
	Class   record.Class  `json:"class,omitempty"`
	Message string        `json:"message,omitempty"`

	// Of a finding: how it was found, and when first.
	By    By        `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// entry is an Entry as it stands in JSON.
type entry struct {
	plainEntry
	Raw []byte `json:"path_raw,omitempty"`
}

type plainEntry Entry

// MarshalJSON keeps names that are not UTF-8.
func (e Entry) MarshalJSON() ([]byte, error) {
	out := entry{plainEntry: plainEntry(e)}
	if !utf8.ValidString(e.Path) {
		out.Raw = []byte(e.Path)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (e *Entry) UnmarshalJSON(b []byte) error {
	var in entry
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*e = Entry(in.plainEntry)
	if len(in.Raw) > 0 {
		e.Path = string(in.Raw)
	}
	return nil
}

// newEntry says of a record what a report keeps.
func newEntry(rec *record.Record) Entry {
	// What a record holds may be a piece of a long line, all of which would stay.
	e := Entry{Path: strings.Clone(rec.Path), Reason: record.Reason(strings.Clone(string(rec.Reason)))}
	if rec.Error != nil {
		e.Class, e.Message = record.Class(strings.Clone(string(rec.Error.Class))), strings.Clone(rec.Error.Message)
	}
	return e
}

// listed is how many bytes of entries a list names.
type listed int

// add names an entry, or counts it.
func (l *listed) add(entries *[]Entry, omitted *int64, e Entry) {
	size := listed(len(e.Path) + len(e.Action) + len(e.Reason) + len(e.Class) + len(e.Message))
	if n := len(*entries); n >= maxListed || n > 0 && *l+size > maxListedBytes {
		*omitted++
		return
	}
	*l += size
	*entries = append(*entries, e)
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
	if b, err := read(Unfinished(name), 100); err == nil {
		r.Unfinished, err = time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
		if err != nil { // cut short with the run
			r.Unfinished = r.Ended
		}
	}
	return r, nil
}

// Unfinished returns the file beside a report that is there while a run is going on.
func Unfinished(name string) string { return name + unfinished }

// Begun notes beside a report that a run is going on. The caller removes the [Unfinished]
// file when the run has come to its end.
func Begun(name string, started time.Time) error {
	return os.WriteFile(Unfinished(name), []byte(started.Format(time.RFC3339Nano)+"\n"), 0o600)
}

// parse reads the content of a report.
func parse(b []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	return r, nil
}

// read returns the content of a file of at most most bytes.
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
	kept := *r
	kept.Unfinished = time.Time{}
	b, err := json.MarshalIndent(&kept, "", "  ")
	if err != nil {
		return err
	}
	if err := local.Replace(name, append(b, '\n')); err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}

// First returns the report of a job that has none yet. Who says whose account it uses, unless
// that is a jserve of this machine's own.
func First(source, dest string, local bool, who func() (server, user, profile string)) *Report {
	return &Report{Version: 1, Source: source, Dest: dest, Account: NewAccount(local, who)}
}

// NewAccount returns the account of a run; see [First].
func NewAccount(local bool, who func() (server, user, profile string)) (a Account) {
	if local {
		return Account{Server: Local}
	}
	a.Server, a.User, a.Profile = who()
	return a
}

// SaveTrouble notes in the report in a file why a run could not even begin. If there is no
// report, it saves the one that first returns, unless that is nil.
func SaveTrouble(name, text string, now time.Time, first func() *Report) error {
	r, err := Load(name)
	if err != nil {
		return err
	}
	if r == nil {
		if r = first(); r == nil {
			return nil
		}
	}
	r.NoteTrouble(text, now)
	return r.Save(name)
}

// NoteTrouble notes that a run could not even begin, and why.
func (r *Report) NoteTrouble(text string, now time.Time) {
	r.Trouble = Trouble{At: now.UTC(), Text: strings.ToValidUTF8(text, "?")}
}
