package brake

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestHistories goes through pasts that have led a brake astray.
func TestHistories(t *testing.T) {
	half := Limit{N: 50, Percent: true}
	// A step is a run: what it finds stored, what is due of it, and what it adds; then
	// what is to come of it: held, goes (all that is due is done), or killed, as soon as
	// it has added so much. In a dry step nobody asked for deletions.
	type step struct {
		stored, due, added int64
		want               string
	}
	for _, test := range []struct {
		name  string
		limit Limit
		steps []step
	}{
		{"another tree, again and again", half, []step{{40, 40, 60, "held"}, {100, 40, 0, "held"}, {100, 40, 500, "held"}, {600, 40, 0, "held"}}},
		{"a run without --prune came between", half, []step{{0, 0, 4, "goes"}, {4, 4, 11, "held"}, {15, 4, 0, "dry"}, {15, 4, 0, "held"}}},
		{"never looked before, and killed", half, []step{{40, 40, 60, "killed"}, {100, 40, 0, "held"}}},
		{"a first upload of several nights, and a file that went", half, []step{{0, 0, 500, "killed"}, {500, 1, 500, "goes"}, {999, 1, 0, "goes"}}},
		{"a tree that grows", half, []step{{0, 0, 10, "goes"}, {10, 0, 100, "goes"}, {110, 50, 0, "goes"}, {60, 31, 0, "held"}, {60, 30, 0, "goes"}, {30, 16, 0, "held"}}},
		{"somebody else deleted", half, []step{{0, 0, 100, "goes"}, {40, 30, 0, "held"}, {40, 20, 0, "goes"}}},
		{"somebody else added", half, []step{{0, 0, 10, "goes"}, {100, 90, 0, "held"}}},
		{"came back", half, []step{{0, 0, 10, "goes"}, {10, 8, 5, "held"}, {15, 0, 5, "goes"}, {20, 10, 0, "goes"}}},
		{"a number", Limit{N: 3}, []step{{0, 0, 10, "goes"}, {10, 4, 100, "held"}, {110, 3, 0, "goes"}}},
		{"a person says so", Limit{N: 100, Percent: true}, []step{{40, 40, 60, "goes"}, {60, 60, 1, "goes"}}},
		{"few are never too many", Limit{N: 50, Percent: true, Spare: 5}, []step{{6, 5, 0, "goes"}, {1, 1, 0, "goes"}, {6, 6, 0, "held"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var past Past
			for i, s := range test.steps {
				past = past.Begin(s.stored)
				held := past.Holds(test.limit, s.due, s.stored)
				run := Run{Stored: s.stored, Due: s.due, Added: s.added, Whole: true}
				switch s.want {
				case "killed":
					continue
				case "goes":
					run.Done, run.Deleted = s.due, s.due
				}
				if s.want != "dry" && held != (s.want == "held") {
					t.Fatalf("run %d: held is %v, want %s, after %+v", i+1, held, s.want, past)
				}
				past = past.End(run)
			}
		})
	}
}

// world is a service, a source and a job between them, with what happened so far.
type world struct {
	dice           *rand.Rand
	stored, source map[int]bool // files, by number
	next           int          // no file has had this number
	log            []event
}

// event is what a run did, for whoever replays the history from its beginning.
type event struct {
	stored, due      []int // what it found
	added, deleted   []int
	looked, finished bool // it came to know what is stored; and all that is due
}

func (w *world) fresh(n int) {
	for range n {
		w.source[w.next] = true
		w.next++
	}
}

// edit changes the source, mostly a little, at times all of it.
func (w *world) edit() {
	switch w.dice.IntN(8) {
	case 0: // another tree
		clear(w.source)
		w.fresh(w.dice.IntN(80))
	case 1: // nothing is there
		clear(w.source)
	case 2: // all that is stored is back
		for f := range w.stored {
			w.source[f] = true
		}
	default:
		share := w.dice.Float64() * w.dice.Float64()
		for f := range w.source {
			if w.dice.Float64() < share {
				delete(w.source, f)
			}
		}
		w.fresh(w.dice.IntN(30))
	}
}

func difference(a, b map[int]bool) (only []int) {
	for f := range a {
		if !b[f] {
			only = append(only, f)
		}
	}
	slices.Sort(only)
	return only
}

func both(a []int, b map[int]bool) (n int64) {
	for _, f := range a {
		if b[f] {
			n++
		}
	}
	return n
}

// replay goes through the whole history and returns the files that were stored when
// all was last well, or when a run first looked. It keeps no account of its own: each
// time it starts from the beginning.
func replay(log []event) (well map[int]bool) {
	for _, e := range log {
		if !e.looked {
			continue
		}
		now := map[int]bool{}
		for _, f := range e.stored {
			now[f] = true
		}
		if well == nil {
			well = now
		}
		if e.finished && len(difference(toSet(e.due), toSet(e.deleted))) == 0 {
			well = map[int]bool{}
			for f := range now {
				well[f] = true
			}
			for _, f := range e.added {
				well[f] = true
			}
			for _, f := range e.deleted {
				delete(well, f)
			}
		}
	}
	return well
}

func toSet(files []int) map[int]bool {
	set := map[int]bool{}
	for _, f := range files {
		set[f] = true
	}
	return set
}

// TestModel runs random histories, with runs that are killed, that do not prune, that
// see a part only, and that a person lets go, and holds each decision against an oracle
// that knows every file and replays the whole history from the start:
//
//   - what the oracle forbids is always held: never is more deleted than the limit
//     allows of what was there when all was last well;
//   - what the oracle allows goes, unless files were added that no run that came to its
//     end has seen: of those it is not known that they were not there.
func TestModel(t *testing.T) {
	histories := 100_000
	if testing.Short() {
		histories = 5_000
	}
	var held, went int
	for seed := range histories {
		w := &world{dice: rand.New(rand.NewPCG(15, uint64(seed))), stored: map[int]bool{}, source: map[int]bool{}}
		w.fresh(w.dice.IntN(60))
		for f := range w.source { // somebody else has stored some of it, and more
			if w.dice.IntN(3) == 0 {
				w.stored[f] = true
			}
		}
		limit := Limit{N: w.dice.Int64N(100), Percent: w.dice.IntN(3) > 0}
		var past Past
		for range 1 + w.dice.IntN(8) {
			w.edit()
			h, g := w.run(t, limit, &past)
			held, went = held+h, went+g
			if t.Failed() {
				t.Fatalf("seed %d, limit %v:\n%s", seed, limit, w.history())
			}
		}
	}
	if held < histories/10 || went < histories/10 {
		t.Errorf("%d runs held and %d went: the histories do not try enough", held, went)
	}
}

// run lets the job run once.
func (w *world) run(t *testing.T, limit Limit, past *Past) (held, went int) {
	due, fresh := difference(w.stored, w.source), difference(w.source, w.stored)
	stored := int64(len(w.stored))
	e := event{stored: difference(w.stored, nil), due: due, looked: true}
	*past = past.Begin(stored)
	w.log = append(w.log, e)
	now := &w.log[len(w.log)-1]

	add := func(n int) {
		for _, f := range fresh[:n] {
			w.stored[f] = true
			now.added = append(now.added, f)
		}
	}
	if w.dice.IntN(5) == 0 { // killed before it knew what is due
		add(w.dice.IntN(len(fresh) + 1))
		return 0, 0
	}
	well := replay(w.log)
	asked := w.dice.IntN(4) > 0
	person := asked && w.dice.IntN(10) == 0
	holds := past.Holds(limit, int64(len(due)), stored)
	forbidden := limit.Exceeded(both(due, well), int64(len(well))) || limit.Exceeded(int64(len(due)), stored)
	unseen := int64(len(due)) > both(due, well)
	switch {
	case len(due) == 0 && holds:
		t.Error("held, and nothing is due")
	case len(due) > 0 && forbidden && !holds:
		t.Errorf("goes, and is forbidden: %d due of %d stored, past %+v", len(due), stored, *past)
	case holds && !forbidden && !unseen:
		t.Errorf("held, and is allowed: %d due of %d stored, past %+v", len(due), stored, *past)
	}
	deleting := asked && (person || !holds)
	if len(due) == 0 { // as the plan notes it, while the run goes on
		*past = past.End(Run{Stored: stored, Whole: true})
		now.finished = true
	}
	if w.dice.IntN(5) == 0 { // killed while it stores or deletes
		add(w.dice.IntN(len(fresh) + 1))
		if deleting && len(now.added) == len(fresh) {
			for _, f := range due[:w.dice.IntN(len(due)+1)] {
				delete(w.stored, f)
				now.deleted = append(now.deleted, f)
			}
		}
		if len(due) == 0 {
			now.added = nil // nobody has counted them
		} else {
			now.finished = false
		}
		return 0, 0
	}
	add(len(fresh))
	now.finished = true
	if deleting {
		for _, f := range due {
			delete(w.stored, f)
		}
		now.deleted = due
	}
	*past = past.End(Run{
		Stored: stored, Due: int64(len(due)), Done: int64(len(now.deleted)), Added: int64(len(now.added)), Deleted: int64(len(now.deleted)), Whole: true,
	})
	switch {
	case asked && len(due) > 0 && !deleting:
		return 1, 0
	case len(now.deleted) > 0:
		return 0, 1
	}
	return 0, 0
}

func (w *world) history() string {
	var b strings.Builder
	for i, e := range w.log {
		fmt.Fprintf(&b, "run %d: %d stored, %d due, %d added, %d deleted, finished: %v\n", i+1, len(e.stored), len(e.due), len(e.added), len(e.deleted), e.finished)
	}
	return b.String()
}
