package report

import (
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

// at is when the runs of these tests end.
var at = time.Unix(1_000_000, 0).UTC()

// whole closes a stream as it is; members come before the others.
func whole(lines, members string) string {
	return fmt.Sprintf(`%s{"kind":"end","v":1,%s"records":%d,"errors":%d,"complete":true}`+"\n", lines, members, strings.Count(lines, "\n"), strings.Count(lines, `"error"`))
}

const good = `{"kind":"file","path":"good","size":1,"action":"none","reason":"same"}` + "\n"

// paths returns the paths and reasons of a list.
func paths(entries []Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Path+"("+string(e.Reason)+")")
	}
	return strings.Join(all, " ")
}

// TestHeld: what a brake held back is named. A deletion that is not carried out makes a run
// no less complete; an overwrite does.
func TestHeld(t *testing.T) {
	const (
		gone    = `{"kind":"file","path":"gone","size":1,"action":"none","reason":"held","status":"skipped"}` + "\n"
		changed = `{"kind":"file","root":"/src","path":"changed","size":1,"action":"none","reason":"held","status":"skipped"}` + "\n"
	)
	for _, test := range []struct {
		name, stream     string
		withheld, change int64
		held             string
		complete         bool
		says, not        string // status
	}{
		{"none", whole(good, ""), 0, 0, "", true, "", "brake"},
		{"counted only", whole(good, `"withheld":3,`), 3, 0, "", true, "3 deletions were withheld by a brake; nothing was deleted:\n    if this is right, run it once with --max-delete 100%, or --adopt if another job is in the way\n", "more"},
		{"a deletion", whole(good+gone, ""), 1, 0, "gone(held)", true, "1 deletion was withheld by a brake; nothing was deleted:\n    gone\n    if this is right, run it once with --max-delete 100%, or --adopt if another job is in the way\n", "more"},
		{"of which one is named", whole(good+gone, `"withheld":3,`), 3, 0, "gone(held)", true, "    gone\n    and 2 more\n", "changes"},
		{"in a run that did not see all", whole(good+gone, "") + "x\n", 1, 0, "gone(held)", false, "nothing was deleted:\n    gone\n", "--max-delete"},
		{"a change", whole(good+changed, ""), 0, 1, "changed(held)", false, "1 change was held back by a brake; what is stored is as it was:\n    changed\n    if this is right, run it once with --max-change 100%\n", "deleted"},
		{"both", whole(good+gone+changed, ""), 1, 1, "gone(held) changed(held)", false, "    gone\n    if this is right, run it once with --max-delete 100%, or --adopt if another job is in the way\n  1 change was", ""},
	} {
		r := &finish(test.stream, nil, at).Report
		got := status(t, r, at, 0)
		if r.Withheld != test.withheld || r.HeldChanges != test.change || paths(r.Held) != test.held || r.Complete != test.complete || r.Counts.Deleted+r.Counts.DeletionsLeft+r.Counts.Pending != 0 {
			t.Errorf("%s: %+v", test.name, r)
		}
		if !strings.Contains(got, test.says) || test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%s: status\n%s", test.name, got)
		}
		if red := r.Red(at, 0); red != (test.withheld+test.change > 0) {
			t.Errorf("%s: red: %v", test.name, red)
		}
		if problem, failed := r.Problems(); failed != (test.change > 0 || r.Incomplete != "") || test.change > 0 && !strings.Contains(problem, "1 change was held back by a brake") {
			t.Errorf("%s: problems %q, failed: %v", test.name, problem, failed)
		}
	}
	rec := &record.Record{Kind: record.KindFile, Root: "/src", Path: "f", Action: record.ActionNone, Reason: record.ReasonHeld, Status: record.StatusSkipped}
	if got := Line(rec); got != "held back: put f" {
		t.Errorf("Line = %q", got)
	}
}

// TestLeftBehind: what is left out while the service has it is kept, and said once.
func TestLeftBehind(t *testing.T) {
	const (
		link    = `{"kind":"symlink","path":"link","target":"x","action":"none","reason":"symlink","kept":true}` + "\n"
		ignored = `{"kind":"dir","path":"ignored","ignored":true,"action":"none","reason":"ignored","kept":true}` + "\n"
		mount   = `{"kind":"dir","path":"mnt","ignored":true,"mount":true,"action":"none","reason":"elsewhere"}` + "\n"
		foreign = `{"kind":"dir","path":"theirs","action":"none","reason":"foreign","status":"skipped"}` + "\n"
		young   = `{"kind":"file","path":"young","size":1,"ignored":true,"action":"none","reason":"young","kept":true}` + "\n"
		other   = `{"kind":"file","path":"other","size":1,"ignored":true,"action":"none","reason":"ignored"}` + "\n"
	)
	r := new(Report)
	for _, step := range []struct {
		name, stream, left, begun string
	}{
		{"nothing", whole(good+other+young, ""), "", ""},
		{"a link begins", whole(good+link, ""), "link(symlink)", "link(symlink)"},
		{"and stays", whole(good+link, ""), "link(symlink)", ""},
		{"a run is cut short", good, "link(symlink)", ""},
		{"a cut run sees another", good + mount, "mnt(elsewhere) link(symlink)", "mnt(elsewhere)"},
		{"all of them", whole(good+ignored+link+mount+foreign, `"spared":4,`), "ignored(ignored) link(symlink) mnt(elsewhere) theirs(foreign)", "ignored(ignored) theirs(foreign)"},
		{"a rule instead of a link", whole(good+strings.Replace(strings.Replace(ignored, "ignored", "link", 1), "dir", "symlink", 1), ""), "link(ignored)", "link(ignored)"},
		{"nothing any more", whole(good, ""), "", ""},
		{"again", whole(good+link, ""), "link(symlink)", "link(symlink)"},
	} {
		run := finish(step.stream, r, at)
		r = &run.Report
		if paths(r.LeftBehind) != step.left || paths(run.Begun) != step.begun || run.MoreBegun != 0 {
			t.Errorf("%s: left behind %q, begun %q and %d", step.name, paths(r.LeftBehind), paths(run.Begun), run.MoreBegun)
		}
		if r.Incomplete == "" && (!r.Complete || r.Red(at, 0) || r.Counts.Dirs != 0) {
			t.Errorf("%s: complete: %v, red: %v, counts %+v", step.name, r.Complete, r.Red(at, 0), r.Counts)
		}
	}
	r = &finish(whole(good+ignored+link+mount+foreign, `"spared":4,`), nil, at).Report
	got := status(t, r, at, 0)
	for _, line := range []string{
		"  4 entries were stored by other jobs beneath /Jotta/Archive/s, and left alone\n",
		"  left out by a rule; what is stored of it stays as it is:\n    ignored\n",
		"  left out, since a symbolic link has taken its place; what is stored of it stays as it is:\n    link\n",
		"  left out, since it is on another file system (--one-file-system):\n    mnt\n",
		"  left alone, since another job stores there:\n    theirs\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}

	// Beyond what can be named, only a growing number is news.
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Replace(link, `"link"`, fmt.Sprintf(`"link%06d"`, i), 1))
		}
		return whole(good+b.String(), "")
	}
	r = new(Report)
	for _, step := range []struct{ n, begun, more int }{{maxListed - 1, maxListed - 1, 0}, {maxListed + 2, 1, 2}, {maxListed + 2, 0, 0}, {maxListed + 5, 0, 3}, {maxListed, 0, 0}, {maxListed + 1, 0, 1}} {
		run := finish(many(step.n), r, at)
		r = &run.Report
		if len(run.Begun) != step.begun || run.MoreBegun != int64(step.more) {
			t.Errorf("%d: %d begun and %d more, want %d and %d", step.n, len(run.Begun), run.MoreBegun, step.begun, step.more)
		}
	}
	// One that was not named until others have gone is not new.
	r = &finish(many(maxListed+3), nil, at).Report
	fewer := strings.SplitAfterN(many(maxListed+3), "\n", 4)
	rest := fewer[0] + fewer[3][:strings.Index(fewer[3], `{"kind":"end"`)]
	if run := finish(whole(rest, ""), r, at); len(run.Begun) != 0 || run.MoreBegun != 0 || len(run.LeftBehind) != maxListed {
		t.Errorf("%d begun and %d more of %d", len(run.Begun), run.MoreBegun, len(run.LeftBehind))
	}
}

// TestNothingStored: a run for which nothing is left is no success.
func TestNothingStored(t *testing.T) {
	const (
		ignored = `{"kind":"file","path":"f","size":1,"ignored":true,"action":"none","reason":"ignored"}` + "\n"
		large   = `{"kind":"file","path":"l","size":1,"action":"none","reason":"large"}` + "\n"
		link    = `{"kind":"symlink","path":"s","target":"x","action":"none","reason":"symlink"}` + "\n"
		dir     = `{"kind":"dir","path":"d","action":"none","reason":"same"}` + "\n"
	)
	for _, test := range []struct {
		name, stream, problem string
	}{
		{"an empty source", whole("", ""), ""},
		{"links only", whole(link, ""), ""},
		{"one file besides", whole(good+ignored, ""), ""},
		{"one file that is the same", whole(ignored, `"same":{"files":1,"dirs":0,"bytes":1},`), ""},
		{"all is left out", whole(ignored+large, ""), "nothing is stored: all 2 entries are left out by rules; last stored whole: never"},
		{"the only one", whole(ignored, ""), "nothing is stored: 1 entry is left out by rules"},
		{"folders only", whole(dir+ignored, ""), "no file is stored: 1 entry is left out by rules"},
		{"cut short", ignored, "the run did not see the whole tree"},
	} {
		r := &finish(test.stream, nil, at).Report
		problem, failed := r.Problems()
		if !strings.HasPrefix(problem, test.problem) || failed != (test.problem != "") || r.Complete == failed || r.Red(at, 0) != failed {
			t.Errorf("%s: problem %q, complete: %v, red: %v", test.name, problem, r.Complete, r.Red(at, 0))
		}
		if says := strings.Contains(status(t, r, at, 0), "is stored: "); says != strings.Contains(test.problem, "is stored: ") {
			t.Errorf("%s: status\n%s", test.name, status(t, r, at, 0))
		}
	}
	restore, in := collect(whole(ignored, ""), nil)
	restore.Restore = true
	if restore.Finish(in, at); !restore.Complete {
		t.Error("a restore is not complete")
	}
}

// TestMounts: the mounts of the source, by their true names, are those of the last run that
// saw all of it.
func TestMounts(t *testing.T) {
	const (
		odd  = `{"kind":"dir","path":"o\ufffd","path_raw":"b/8=","mount":true,"action":"none","reason":"same"}` + "\n"
		sub  = `{"kind":"dir","path":"sub","mount":true,"action":"mkdir","reason":"new","status":"done"}` + "\n"
		out  = `{"kind":"dir","path":"out","mount":true,"ignored":true,"action":"none","reason":"elsewhere"}` + "\n"
		dead = `{"kind":"dir","path":"sub","mount":true,"reason":"unreadable","error":{"class":"internal","message":"m"}}` + "\n"
	)
	r := new(Report)
	for _, step := range []struct{ name, stream, mounts string }{
		{"none", whole(good, ""), ""},
		{"one that cannot be read, and was not there", whole(good+dead, ""), ""},
		{"two", whole(good+odd+sub+out, ""), "o\xff() sub()"},
		{"one cannot be read", whole(good+odd+dead, ""), "o\xff() sub()"},
		{"cut short", good, "o\xff() sub()"},
		{"one is gone", whole(good+odd, ""), "o\xff()"},
	} {
		r = &finish(step.stream, r, at).Report
		if got := paths(r.Mounts); got != step.mounts {
			t.Errorf("%s: %q, want %q", step.name, got, step.mounts)
		}
	}
}

// TestKnown: a problem that is known keeps no run from being complete, and is listed.
func TestKnown(t *testing.T) {
	const (
		twin  = `{"kind":"file","path":"d/readme","size":1,"error":{"class":"case_conflict","message":"differs by case"}}` + "\n"
		other = `{"kind":"file","path":"d/other","size":1,"error":{"class":"case_conflict","message":"differs by case"}}` + "\n"
		full  = `{"kind":"file","path":"d/readme","size":1,"error":{"class":"quota","message":"full"}}` + "\n"
	)
	known, err := record.ReadKnown(strings.NewReader("readme\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, stream string
		known        string
		problem      string
	}{
		{"known", whole(good+twin, ""), "d/readme()", ""},
		{"one is not", whole(good+other+twin, ""), "d/readme()", "1 entry not stored"},
		{"another problem", whole(good+full, ""), "", "1 entry not stored"},
		{"an error besides that is not seen", strings.Replace(whole(good+twin, ""), `"errors":1`, `"errors":2`, 1), "d/readme()", "some entries could not be read"},
		{"a stream that does not say", strings.Replace(whole(good+twin, ""), `"errors":1,`, ``, 1), "d/readme()", "some entries could not be read"},
		{"cut short", good + twin, "d/readme()", "the run did not see the whole tree"},
	} {
		in := record.NewReader(strings.NewReader(test.stream))
		r := &Run{KnownProblems: known}
		for rec := range in.All() {
			r.Add(rec)
		}
		r.Finish(in, at)
		problem, failed := r.Problems()
		if paths(r.Known) != test.known || failed != (test.problem != "") || !strings.HasPrefix(problem, test.problem) || r.Complete == failed {
			t.Errorf("%s: known %q, problem %q, complete: %v", test.name, paths(r.Known), problem, r.Complete)
		}
		if got := status(t, &r.Report, at, 0); strings.Contains(got, "  not stored, as is known (--known):\n    d/readme: differs by case\n") != (test.known != "") {
			t.Errorf("%s: status\n%s", test.name, got)
		}
	}
}

// TestOutOfTime: a run that was stopped on time has not failed, and is not whole.
func TestOutOfTime(t *testing.T) {
	const (
		left   = `{"kind":"file","path":"f","size":1,"action":"put","reason":"new"}` + "\n"
		failed = `{"kind":"file","path":"x","size":1,"action":"put","reason":"new","status":"failed","error":{"class":"permission","message":"m"}}` + "\n"
	)
	for _, test := range []struct {
		name, stream string
		stopped      bool
		problem      string
		failed       bool
	}{
		{"it came to its end", whole(good, ""), false, "", false},
		{"stopped", good + left + end("2", "0", "false"), true, "stopped by --max-duration before all was stored; last stored whole: 1970-", false},
		{"stopped, the stream is whole", whole(good+left, ""), true, "stopped by --max-duration before all was stored; ", false},
		{"stopped, and one failed", good + left + failed + end("3", "1", "false"), true, "1 entry not stored; stopped by --max-duration", true},
		{"one failed at the end", whole(good+failed, ""), false, "1 entry not stored; last", true},
		{"killed", good, false, "the run did not see the whole tree", true},
	} {
		r, in := collect(test.stream, &Report{LastComplete: time.Unix(1, 0)})
		r.MaxDuration = true
		r.Finish(in, at)
		problem, isFailed := r.Problems()
		if r.OutOfTime != test.stopped || isFailed != test.failed || !strings.HasPrefix(problem, test.problem) || r.Complete != (test.problem == "") {
			t.Errorf("%s: %q, failed: %v, complete: %v", test.name, problem, isFailed, r.Complete)
		}
		if got := status(t, &r.Report, at, 0); strings.Contains(got, "  stopped by --max-duration; the next run goes on\n") != test.stopped || r.Red(at, 0) == r.Complete {
			t.Errorf("%s: status\n%s", test.name, got)
		}
	}
}

// TestRhythm: a job is overdue once it has not run for three times as long as usual.
func TestRhythm(t *testing.T) {
	every := func(n int, gap time.Duration) (gaps []time.Duration) {
		for range n {
			gaps = append(gaps, gap)
		}
		return gaps
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		name string
		gaps []time.Duration
		late time.Duration // overdue beyond this; 0: never
	}{
		{"the first run", nil, 0},
		{"three runs", every(2, day), 0},
		{"every night", every(3, day), 3 * day},
		{"every night, for long", every(30, day), 3 * day},
		{"every night, with a week off", []time.Duration{day, day, 7 * day, day, day}, 3 * day},
		{"two a night", []time.Duration{time.Hour, 23 * time.Hour, time.Hour, 23 * time.Hour, time.Hour, 23 * time.Hour, time.Hour}, 3 * time.Hour},
		{"every five minutes", every(11, 5*time.Minute), 30 * time.Minute},
		{"by hand, in a row", every(8, time.Minute), 0},
		{"every night, then by hand", append(every(5, day), every(30, time.Second)...), 3 * day},
		{"every week, now every night", append(every(20, 7*day), every(8, day)...), 3 * day},
		{"a clock that was set back", []time.Duration{day, day, -5 * day, day, day}, 3 * day},
	} {
		now := at
		r := &finish(whole(good, ""), nil, now).Report
		for _, gap := range test.gaps {
			now = now.Add(gap)
			r = &finish(whole(good, ""), r, now).Report
		}
		if len(r.Runs) > maxRuns {
			t.Errorf("%s: %d runs are kept", test.name, len(r.Runs))
		}
		if test.late == 0 {
			if late := r.Overdue(now.Add(1000 * day)); late != "" {
				t.Errorf("%s: %s", test.name, late)
			}
			continue
		}
		if late := r.Overdue(now.Add(test.late)); late != "" || r.Red(now.Add(test.late), 0) {
			t.Errorf("%s: too early: %s", test.name, late)
		}
		then := now.Add(test.late + time.Minute)
		if late := r.Overdue(then); late == "" || !r.Red(then, 0) || !strings.Contains(status(t, r, then, 0), late) {
			t.Errorf("%s: not overdue", test.name)
		}
		if r.Restore = true; r.Overdue(then) != "" {
			t.Errorf("%s: a restore is overdue", test.name)
		}
	}
	// A run that was cut off shows nothing, and one that ended incomplete does.
	r := &finish(good, &Report{Runs: []time.Time{at}}, at.Add(day)).Report
	if len(r.Runs) != 1 {
		t.Errorf("a run that was cut off counts: %v", r.Runs)
	}
	if r = &finish(good+end("1", "0", "false"), r, at.Add(day)).Report; len(r.Runs) != 2 {
		t.Errorf("a run that ended does not count: %v", r.Runs)
	}
	dense := &Report{Complete: true, Ended: at, Runs: []time.Time{at.Add(-3 * time.Minute), at.Add(-2 * time.Minute), at.Add(-time.Minute), at}}
	if early, late := dense.Overdue(at.Add(30*time.Minute)), dense.Overdue(at.Add(31*time.Minute)); early != "" || late == "" {
		t.Errorf("every minute: %q, then %q", early, late)
	}
	overdue := &Report{Complete: true, Ended: at, Runs: []time.Time{at.Add(-3 * day), at.Add(-2 * day), at.Add(-day), at}}
	const want = "OVERDUE: it ran every 24 hours, and has not run for 4 days; does cron still start it?"
	if got := overdue.Overdue(at.Add(4 * day)); got != want {
		t.Errorf("Overdue = %q, want %q", got, want)
	}
}

// TestStopped: a run that somebody ended says by whom, and blames no stream.
func TestStopped(t *testing.T) {
	in := record.NewReader(iotest.ErrReader(fmt.Errorf("%w by a signal (terminated)", record.ErrStopped)))
	r := new(Run)
	for rec := range in.All() {
		r.Add(rec)
	}
	r.Finish(in, at)
	if got := status(t, &r.Report, at, 0); !strings.HasSuffix(got, "\n  the run was ended by a signal (terminated)\n") || r.Complete || len(r.Runs) != 0 {
		t.Errorf("runs %v, status\n%s", r.Runs, got)
	}
}

func TestMaxAge(t *testing.T) {
	const age = 36 * time.Hour
	for _, test := range []struct {
		last time.Duration // since the last complete run; 0: never
		age  time.Duration
		want string
	}{
		{age, age, ""},
		{age + time.Second, age, "TOO OLD: it was stored whole 36 hours ago, and should be every 36 hours"},
		{100 * time.Hour, age, "TOO OLD: it was stored whole 4 days ago, and should be every 36 hours"},
		{100 * time.Hour, 0, ""},
		{0, age, "TOO OLD: it has never been stored whole"},
	} {
		r := &Report{Complete: true, Ended: at}
		if test.last > 0 {
			r.LastComplete = at.Add(-test.last)
		}
		if got := r.TooOld(at, test.age); got != test.want || r.Red(at, test.age) != (got != "") || !strings.Contains(status(t, r, at, test.age), got) {
			t.Errorf("%v: %q, want %q", test.last, got, test.want)
		}
		if r.Restore = true; r.TooOld(at, test.age) != "" {
			t.Errorf("%v: a restore is too old", test.last)
		}
	}
}

// TestTrouble: what kept a run from beginning is said until one has come to its end.
func TestTrouble(t *testing.T) {
	r := &finish(whole(good, ""), nil, at).Report
	r.NoteTrouble("the disk\x1b is not there\xff", at)
	for _, step := range []struct {
		name, stream string
		stays        bool
	}{{"cut off", good, true}, {"not complete", good + end("1", "0", "false"), false}} {
		got := status(t, r, at, 0)
		if !r.Red(at, 0) || !strings.Contains(got, `A run could not even begin on `+record.LocalTime(at)+`: the disk\x1b is not there?`+"\n") {
			t.Errorf("before %s: status\n%s", step.name, got)
		}
		r = &finish(step.stream, r, at).Report
		if (r.Trouble != Trouble{}) != step.stays {
			t.Errorf("%s: %+v", step.name, r.Trouble)
		}
	}
	if diff := cmp.Diff([]time.Time{at}, r.Runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
}

// TestAfter: what a job remembers of how much is stored.
func TestAfter(t *testing.T) {
	const lines = `{"kind":"dir","path":"d","action":"mkdir","reason":"new","status":"done"}
{"kind":"file","path":"d/new","size":5,"action":"put","reason":"new","status":"done"}
{"kind":"file","path":"d/known","size":5,"action":"put","reason":"new","status":"deduplicated"}
{"kind":"file","path":"d/changed","size":5,"action":"put","reason":"changed","status":"done"}
{"kind":"file","path":"d/left","size":5,"action":"put","reason":"new"}
{"kind":"file","path":"gone","action":"delete","reason":"gone","status":"done"}
{"kind":"dir","path":"gone2","action":"delete","reason":"gone","status":"done"}
{"kind":"dir","path":"occupied","action":"delete","reason":"occupied","status":"skipped"}
{"kind":"file","path":"planned","action":"delete","reason":"gone"}
{"kind":"file","path":"held","action":"none","reason":"held","status":"skipped"}
{"kind":"file","path":"failed","action":"delete","reason":"gone","status":"failed","error":{"class":"server","message":"m"}}
`
	r := finish(whole(lines, `"stored":20,`), nil, at)
	c := r.Counts
	if c.AddedFiles != 2 || c.Deleted != 2 || c.DeletedFiles != 1 || c.DeletionsLeft != 3 || c.Failed != 1 {
		t.Errorf("%+v", c)
	}
}

// TestScoped: a run over a part of the source says nothing of the rest.
func TestScoped(t *testing.T) {
	const scope = `"scope":["f"],`
	bad := &finish(whole(good+`{"kind":"file","root":"/s","path":"b","size":1,"action":"none","reason":"held","status":"skipped"}`+"\n"+
		`{"kind":"file","root":"/s","path":"c","size":1,"action":"put","reason":"new","status":"failed","error":{"class":"network","message":"m"}}`+"\n", `"withheld":3,`), nil, at).Report
	well := &finish(whole(good, ""), nil, at).Report
	later := at.Add(time.Hour)
	for _, test := range []struct {
		name     string
		previous *Report
		complete bool
		last     time.Time
		withheld int64
		left     string
		scoped   bool
	}{
		{"after one over all that failed", bad, false, time.Time{}, 3, "c(new)", false},
		{"after one over all", well, true, at, 0, "", false},
		{"the first", nil, true, later, 0, "", true},
		{"after one like it", &finish(whole(good, scope), nil, at).Report, true, later, 0, "", true},
	} {
		r := &finish(whole(good, scope), test.previous, later).Report
		if r.Complete != test.complete || !r.LastComplete.Equal(test.last) || r.Withheld != test.withheld || paths(r.NotStored) != test.left || r.Scoped != test.scoped {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}
