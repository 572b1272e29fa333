package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"jottatools/lib/brake"
	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// version is that of states and marks.
const version = 1

// Mark is what a job leaves at the service: who stores where, and what it remembers.
type Mark struct {
	Version int    `json:"v"`
	ID      string `json:"id"`     // tells the job from all others
	Host    string `json:"host"`   // for people
	Source  string `json:"source"` // local folder; for people
	Dest    string `json:"dest"`   // remote folder

	// Alone: when the job began, no other one stored in its DEST or above, or DEST held
	// nothing; or a person has said that DEST is this job's. So all that is in DEST is
	// its own.
	Alone bool `json:"alone"`

	Past   brake.Past `json:"past"`
	Since  time.Time  `json:"since,omitzero"`   // when the last run began that stored everything
	Mounts [][]byte   `json:"mounts,omitempty"` // paths of folders in which a file system was mounted
}

// State is what a job knows on its own machine.
type State struct {
	Mark
	Seen     *brake.Run `json:"seen,omitempty"`      // what the plan of the present run has found to be due
	Others   []Mark     `json:"others,omitempty"`    // those of other jobs that store in DEST, above or beneath it
	Unknown  []string   `json:"unknown,omitempty"`   // marks that make no sense
	Doubt    [][]byte   `json:"doubt,omitempty"`     // paths of files that were found to be other than what is stored
	DoubtAll bool       `json:"doubt_all,omitempty"` // there are too many of them to be named

	// Marks are those at the service, by the names of their files, so that a run reads
	// only those that have changed.
	Marks map[string]Stored `json:"marks,omitempty"`
}

// Stored is a mark as the service has it.
type Stored struct {
	MD5  string `json:"md5"`
	Mark *Mark  `json:"mark,omitempty"` // nil: it makes no sense
}

// Load reads the state of a job; the one of a job that has none is empty. A file that is
// damaged counts as lost, and warn hears of it: the mark at the service has what matters.
func Load(name string, warn func(error)) (*State, error) {
	s := new(State)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if s, err = parseState(b); err != nil {
		warn(fmt.Errorf("%s cannot be read; what the service knows is used", name))
		return new(State), nil
	}
	return s, nil
}

// parseState reads a state.
func parseState(b []byte) (*State, error) {
	s := new(State)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, err
	}
	if s.Version != version || s.Past.Files < 0 {
		return nil, errNoState
	}
	marks := append([]Mark{s.Mark}, s.Others...)
	for _, stored := range s.Marks {
		if stored.Mark != nil {
			marks = append(marks, *stored.Mark)
		}
	}
	for _, m := range marks {
		if dest, err := jfs.ParsePath(m.Dest); m.Dest != "" && (err != nil || string(dest) != m.Dest) {
			return nil, errNoState
		}
	}
	return s, nil
}

var errNoState = errors.New("it is no state of a job")

// Save writes the state, in place of the one before.
func (s *State) Save(name string) error {
	s.Version = version
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if was, err := os.ReadFile(name); err == nil && bytes.Equal(was, b) {
		return nil // bringing it to the disk takes most of the time that a run needs beside its pipe
	}
	if err := local.Replace(name, b); err != nil {
		return fmt.Errorf("save the state of the job: %w", err)
	}
	return nil
}

// relation says how two remote folders lie to each other.
type relation int

const (
	apart   relation = iota
	equal            // letter case aside
	above            // the other one is above, and holds this one
	beneath          // the other one is beneath this one
)

// relate says where other lies as seen from dest.
func relate(dest, other string) relation {
	dest, other = record.Fold(dest), record.Fold(other)
	switch {
	case dest == other:
		return equal
	case record.Under(dest, other):
		return above
	case record.Under(other, dest):
		return beneath
	}
	return apart
}

// Spared returns the folders in which other jobs store, relative to DEST.
func (s *State) Spared() (paths []string) {
	for _, o := range s.Others {
		if relate(s.Dest, o.Dest) == beneath {
			// Other letters may have other lengths, but there are as many parts.
			parts := strings.Split(o.Dest, "/")
			paths = append(paths, strings.Join(parts[strings.Count(s.Dest, "/")+1:], "/"))
		}
	}
	return paths
}

// Withhold returns why nothing in DEST may be deleted whatever is gone from the source,
// or nil: it may be what another job has stored.
func (s *State) Withhold() error {
	if len(s.Unknown) > 0 {
		return fmt.Errorf("the mark %s of a job cannot be read, so that it is not known where it stores; update jottatools, or delete the mark with jrm if the job is no more", s.Unknown[0])
	}
	for _, o := range s.Others {
		switch relate(s.Dest, o.Dest) {
		case equal:
			return fmt.Errorf("another job stores in %s, too: %s on %s; give one of the two another DEST, or if that job is no more, run this one with --adopt", o.Dest, o.Source, o.Host)
		case above:
			if !s.Alone {
				return fmt.Errorf("%s lies in %s, where another job has stored before: %s on %s; if what is in it belongs to this job, run it with --adopt", s.Dest, o.Dest, o.Source, o.Host)
			}
		}
	}
	return nil
}

// Doubts returns a function that reports whether a file is in doubt, or nil.
func (s *State) Doubts() func(path string) bool {
	switch {
	case s.DoubtAll:
		return func(string) bool { return true }
	case len(s.Doubt) == 0:
		return nil
	}
	doubt := make(map[string]bool, len(s.Doubt))
	for _, path := range s.Doubt {
		doubt[string(path)] = true
	}
	return func(path string) bool { return doubt[path] }
}

// Sees notes what the plan of a run has found to be due. If that is nothing, all is well
// before the run is over, which may be in many hours, if it is not killed.
func (s *State) Sees(run brake.Run) {
	s.Seen = &run
	if run.Due == 0 {
		s.Past = s.Past.End(run)
	}
}

// Outcome is what a run came to, as its report says.
type Outcome struct {
	Started  time.Time
	Complete bool     // all of the source is stored
	Whole    bool     // all of the source was seen
	Added    int64    // files stored that the service had not
	Deleted  int64    // files that were due to be deleted, and are
	Mounts   []string // paths of folders in which a file system is mounted
}

// End notes what a run came to.
func (s *State) End(o Outcome) {
	if s.Seen != nil {
		run := *s.Seen
		run.Added, run.Deleted, run.Done = o.Added, o.Deleted, o.Deleted
		run.Whole = run.Whole && o.Whole
		s.Past = s.Past.End(run)
		s.Seen = nil
	}
	if o.Complete {
		s.Since = o.Started
	}
	for _, path := range o.Mounts {
		s.Mounted(path)
	}
}

// Mounted notes that a file system is mounted in a folder, and reports whether that is
// new. A mark is small: beyond some, folders are not remembered.
func (s *State) Mounted(path string) bool {
	if len(s.Mounts) >= maxMounts || slices.ContainsFunc(s.Mounts, func(known []byte) bool { return string(known) == path }) {
		return false
	}
	s.Mounts = append(s.Mounts, []byte(path))
	return true
}

// maxMounts is how many mount points beneath its source a job remembers.
const maxMounts = 1000

// Unmounted takes folders off the mount points that the job remembers: a person has
// said that they are none any more. It returns those that are not among them.
func (s *State) Unmounted(paths []string) (unknown []string) {
	for _, path := range paths {
		i := slices.IndexFunc(s.Mounts, func(known []byte) bool { return string(known) == path })
		if i < 0 {
			unknown = append(unknown, path)
			continue
		}
		s.Mounts = slices.Delete(s.Mounts, i, i+1)
	}
	return unknown
}

// Begins makes the state that of a job.
func (s *State) Begins(source string, dest jfs.Path, host string) {
	s.Host, s.Source, s.Dest, s.Seen = host, source, string(dest), nil
	if s.ID == "" {
		s.ID = sum(machine(), source, record.Fold(s.Dest))
	}
}
