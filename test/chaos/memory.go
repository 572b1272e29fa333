package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// state is what a machine's jobs remember: locks, reports, and states.
func (m *machine) state() string { return filepath.Join(m.home, "state/jottatools") }

// cache is where the digests are.
func (m *machine) cache() string { return filepath.Join(m.home, "cache/jottatools") }

// jobs is where jottasync keeps its reports.
func (m *machine) jobs() string { return filepath.Join(m.state(), "jobs") }

// name is how the files of the machine's job begin.
func (m *machine) name() string { return filepath.Base(m.tree.dir) + "-" }

// lose loses what a machine remembers, or a part of it, between two runs.
func (w *world) lose(m *machine, dice *rand.Rand) error {
	which := 1 + dice.IntN(3)
	var state, cache error
	if which&1 != 0 {
		w.say("  the state of %s is lost", m.name())
		state = os.RemoveAll(m.state())
		if m == w.first && !w.disk.pushed {
			w.disk.known = false
		}
	}
	if which&2 != 0 {
		w.say("  the cache of %s is lost", m.name())
		cache = os.RemoveAll(m.cache())
		if m == w.first {
			w.blind = true
		}
	}
	return errors.Join(state, cache)
}

// clock makes the last run of the first machine one that had a clock which was ahead, or
// behind, by a day. No program can be given another clock from outside without changing
// that of the system, so what the run wrote down is changed afterwards.
func (w *world) clock(dice *rand.Rand) error {
	by := 24 * time.Hour
	if dice.IntN(2) == 0 {
		by = -by
	}
	w.say("  the clock was off by %v", by)
	var errs []error
	for pattern, fields := range map[string][]string{
		".state.json":  {"since"},
		".report.json": {"started", "ended", "runs", "last_complete"},
	} {
		names, _ := filepath.Glob(filepath.Join(w.first.jobs(), w.first.name()+"*"+pattern))
		for _, name := range names {
			errs = append(errs, shift(name, by, fields))
		}
	}
	locks, _ := filepath.Glob(filepath.Join(w.first.jobs(), "*.lock"))
	for _, name := range locks {
		fi, err := os.Stat(name)
		if err == nil {
			err = os.Chtimes(name, time.Time{}, fi.ModTime().Add(by))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// shift changes times in a JSON file: those of the fields, and of lists of them.
func shift(name string, by time.Duration, fields []string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, field := range fields {
		var at time.Time
		var list []time.Time
		var to any
		switch value := all[field]; {
		case value == nil:
			continue
		case json.Unmarshal(value, &at) == nil:
			to = at.Add(by)
		case json.Unmarshal(value, &list) == nil:
			for i := range list {
				list[i] = list[i].Add(by)
			}
			to = list
		default:
			return fmt.Errorf("%s: %s is %s, and no time", name, field, value)
		}
		if all[field], err = json.Marshal(to); err != nil {
			return err
		}
	}
	if b, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}

// oneJob returns an error if a machine has the files of more than one job: however it was
// started, it is the same.
func oneJob(m *machine) error {
	for _, pattern := range []string{"jobs/%s*.state.json", "jobs/%s*.report.json", "jobs/%s*.lock"} {
		found, err := filepath.Glob(filepath.Join(m.state(), fmt.Sprintf(pattern, m.name())))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("of one job there are %q, %w", found, err)
		}
	}
	return nil
}

// report returns what the report of a machine says, and whether a run is noted that has
// not come to its end.
func (m *machine) report() (content []byte, unfinished bool) {
	names, _ := filepath.Glob(filepath.Join(m.jobs(), m.name()+"*.report.json"))
	if len(names) == 0 {
		return nil, false // no run has come to an end yet
	}
	content, _ = os.ReadFile(names[0])
	_, err := os.Stat(names[0] + ".unfinished")
	return content, !errors.Is(err, fs.ErrNotExist)
}

// report is the part of a report that the chaos reads.
type report struct {
	Complete  bool
	Trouble   struct{ Text string }
	NotStored []struct {
		Path    string
		Raw     []byte `json:"path_raw"`
		Class   string
		Message string
	} `json:"not_stored"`
}

// says returns the report of a run that has come to its end; nil if there is none. Before
// is what the report was before the run.
func (m *machine) says(before []byte) (*report, error) {
	content, unfinished := m.report()
	if unfinished || content == nil || string(content) == string(before) {
		return nil, nil
	}
	r := new(report)
	if err := json.Unmarshal(content, r); err != nil {
		return nil, err
	}
	if r.Trouble.Text != "" {
		return nil, nil // a run that could not even begin has added why; the rest is of the one before
	}
	for i := range r.NotStored {
		if e := &r.NotStored[i]; len(e.Raw) > 0 {
			e.Path = string(e.Raw)
		}
	}
	return r, nil
}
