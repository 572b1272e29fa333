package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

// FuzzFindings holds what becomes of findings, through any sequence of backups and proofs,
// against a plain model of the files. The seed decides about everything.
func FuzzFindings(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		w := newWorld(seed)
		for range 40 {
			w.step(t)
		}
	})
}

// world is some files, on disk and on the service, and what is wrong with them.
type world struct {
	*rand.Rand
	files map[string]*state
	open  map[string]Entry // the model: findings by path, of which By and Since count
	now   time.Time
	r     *Report
	log   strings.Builder
}

type state struct {
	gone   bool // from the disk
	digest bool // the MD5 is another, though size and time are the same
	read   bool // the same MD5, but what comes back is not what is on disk
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), files: map[string]*state{}, open: map[string]Entry{}, now: time.Unix(0, 0).UTC(), r: &Report{Source: "/s"}}
	for _, path := range []string{"a", "b", "d/a", "d/b", "d/e/f", "o\xffd"} {
		w.files[path] = &state{}
	}
	return w
}

// find is the model's: a finding is not forgotten, and the stronger way counts.
func (w *world) find(path string, by By) {
	e, ok := w.open[path]
	if !ok {
		e.Since = w.now
	}
	if e.By != ByRead {
		e.By = by
	}
	w.open[path] = e
}

func (w *world) proven(path string, by By) {
	if w.open[path].By == ByDigest || by == ByRead {
		delete(w.open, path)
	}
}

func (w *world) step(t *testing.T) {
	w.now = w.now.Add(24 * time.Hour)
	for _, s := range w.files {
		s.digest = s.digest || w.IntN(15) == 0
		s.read = s.read || w.IntN(15) == 0
		if w.IntN(20) == 0 {
			s.gone = !s.gone
		}
	}
	var s stream
	switch w.IntN(4) {
	case 0:
		w.compare(&s)
	case 1:
		w.readBack(&s)
	default:
		w.backup(&s)
	}
	var got []string
	for _, e := range w.r.Proof.Unproven {
		got = append(got, fmt.Sprintf("%q by %s since %d", e.Path, e.By, e.Since.Unix()/86400))
	}
	var want []string
	for path, e := range w.open {
		want = append(want, fmt.Sprintf("%q by %s since %d", path, e.By, e.Since.Unix()/86400))
	}
	slices.Sort(got)
	slices.Sort(want)
	fmt.Fprintf(&w.log, "%s\n%s-> %q\n", s.what, &s.lines, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s\nfindings (-want +got):\n%s", &w.log, diff)
	}
	if failed := !w.r.Proof.Failed.IsZero(); failed != (len(want) > 0) {
		t.Fatalf("%s\nfailed: %v", &w.log, failed)
	}
	// What is kept is kept on disk.
	b, err := json.Marshal(w.r)
	if err != nil {
		t.Fatal(err)
	}
	if w.r, err = parse(b); err != nil {
		t.Fatal(err)
	}
}

// stream is the lines of a run.
type stream struct {
	what           string
	lines          strings.Builder
	records, wrong int64
}

func (s *stream) add(rec *record.Record) {
	b, err := rec.MarshalJSON()
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(&s.lines, "%s\n", b)
	s.records++
	if rec.Error != nil {
		s.wrong++
	}
}

func (s *stream) reader() *record.Reader {
	return record.NewReader(strings.NewReader(s.lines.String()))
}

// end closes the stream, unless it is cut short, and returns whether it is whole.
func (w *world) end(s *stream) (whole bool) {
	if w.IntN(6) == 0 {
		s.what += ", cut short"
		return false
	}
	fmt.Fprintf(&s.lines, `{"kind":"end","v":1,"records":%d,"errors":%d,"complete":true}`+"\n", s.records, s.wrong)
	return true
}

// each calls do for the files on disk, in order; a run that is cut short has not come to
// the last ones, but it is enough here that they are not proven.
func (w *world) each(do func(path string, s *state)) {
	for _, path := range slices.SortedFunc(maps.Keys(w.files), record.Compare) {
		if s := w.files[path]; !s.gone {
			do(path, s)
		}
	}
}

func file(path string, action record.Action, reason record.Reason, status record.Status, class record.Class) *record.Record {
	rec := &record.Record{Kind: record.KindFile, Path: path, Size: 1, Action: action, Reason: reason, Status: status}
	if class != "" {
		rec.Status, rec.Error = record.StatusFailed, &record.Error{Class: class, Message: "m"}
	}
	return rec
}

// compare is jottasync --verify.
func (w *world) compare(s *stream) {
	s.what = "compare"
	w.each(func(path string, f *state) {
		if f.digest {
			s.add(file(path, record.ActionPut, record.ReasonChanged, "", ""))
			w.find(path, ByDigest)
			return
		}
		s.add(file(path, record.ActionNone, record.ReasonSame, "", ""))
		w.proven(path, ByDigest)
	})
	w.check(s, nil)
}

// readBack is jottasync --verify=N/2.
func (w *world) readBack(s *stream) {
	slice := record.Slice{N: 1 + w.IntN(2), Of: 2}
	s.what = "read back " + slice.String()
	w.each(func(path string, f *state) {
		switch {
		case !slice.Contains(path):
			s.add(file(path, record.ActionNone, record.ReasonSame, "", ""))
		case w.IntN(10) == 0:
			s.add(file(path, record.ActionNone, record.ReasonSame, "", record.ClassNetwork))
		case f.read || f.digest: // the hash cache hides the latter until then
			s.add(file(path, record.ActionNone, record.ReasonSame, "", record.ClassCorrupt))
			w.find(path, ByRead)
		default:
			s.add(file(path, record.ActionNone, record.ReasonSame, record.StatusVerified, ""))
			w.proven(path, ByRead)
		}
	})
	w.check(s, &slice)
}

func (w *world) check(s *stream, slice *record.Slice) {
	if whole := w.end(s); whole && s.wrong == 0 && s.records > 0 {
		w.forgetGone()
	}
	c := Check{Slice: slice, Report: w.r}
	in := s.reader()
	for rec := range in.All() {
		c.Add(rec)
	}
	c.Finish(in, w.now)
}

func (w *world) forgetGone() {
	for path, s := range w.files {
		if s.gone {
			delete(w.open, path)
		}
	}
}

// backup is jottasync: with or without jdiff --changes, and with or without the findings
// hashed afresh.
func (w *world) backup(s *stream) {
	changes, again := w.IntN(2) == 0, w.IntN(2) == 0
	s.what = fmt.Sprintf("backup, changes: %v, again: %v", changes, again)
	compared := func(path string) {}
	if again {
		compared = func(path string) { w.proven(path, ByDigest) }
	}
	var same []string
	seen := int64(0)
	w.each(func(path string, f *state) {
		seen++
		switch {
		case w.IntN(5) == 0: // it was changed
			s.add(file(path, record.ActionPut, record.ReasonChanged, []record.Status{record.StatusDone, record.StatusDeduplicated}[w.IntN(2)], ""))
			f.digest, f.read = false, false
			delete(w.open, path)
		case w.IntN(5) == 0:
			s.add(file(path, record.ActionPut, record.ReasonChanged, "", []record.Class{record.ClassPermission, record.ClassNetwork, ""}[w.IntN(3)]))
		case w.IntN(8) == 0:
			s.add(file(path, record.ActionNone, record.ReasonChanging, record.StatusSkipped, ""))
		case w.IntN(8) == 0:
			rec := file(path, "", record.ReasonIgnored, "", "")
			rec.Ignored = true
			s.add(rec)
			seen--
		case f.digest && (again || w.IntN(3) == 0): // jhash finds it out
			s.add(file(path, "", "", "", record.ClassCorrupt))
			w.find(path, ByDigest)
		case changes:
			same = append(same, path)
		default:
			s.add(file(path, record.ActionNone, record.ReasonSame, "", ""))
			compared(path)
		}
	})
	whole := w.end(s)
	if whole {
		for _, path := range same {
			compared(path)
		}
		if seen > 0 {
			w.forgetGone()
		}
	}
	run := &Run{Previous: w.r, HashedAgain: again, Lstat: func(name string) (fs.FileInfo, error) {
		rel, err := filepath.Rel("/s", name)
		if f := w.files[filepath.ToSlash(rel)]; err != nil || f != nil && f.gone {
			return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
		}
		return nil, nil
	}}
	run.Source = "/s"
	in := s.reader()
	for rec := range in.All() {
		run.Add(rec)
	}
	run.Counts.Files += int64(len(same)) // as the end record would say
	run.Finish(in, w.now)
	w.r = &run.Report
}

// TestFindings: what closes a finding in a backup, and what does not.
func TestFindings(t *testing.T) {
	const (
		digest = "digest"
		read   = "read"
	)
	file := func(path, rest string) string { return `{"kind":"file","path":"` + path + `","size":1,` + rest + "}\n" }
	other := file("other", `"action":"none","reason":"same"`)
	for _, test := range []struct {
		name, lines string
		by          string // that are open afterwards
		notAgain    bool   // nothing is hashed afresh
		end         string // members of the end record
		gone        string // what Lstat does not find
		mounts      string // that were there before
	}{
		{name: "left out, since it is the same", by: read},
		{name: "left out, not hashed afresh", by: "digest read", notAgain: true},
		{name: "left out of a stream that is cut", by: "digest read", end: "cut"},
		{name: "not in the scope", by: "digest read", end: `"scope":["x"],`},
		{name: "the same", lines: file("d/f", `"action":"none","reason":"same"`), by: read},
		{name: "the same, from the cache", lines: file("d/f", `"action":"none","reason":"same"`), by: "digest read", notAgain: true},
		{name: "the same, hashed for the first time", lines: file("d/f", `"action":"none","reason":"same","fresh":true`), by: read, notAgain: true},
		{name: "touched", lines: file("d/f", `"action":"touch","reason":"touched","status":"done"`), by: read},
		{name: "stored", lines: file("d/f", `"action":"put","reason":"changed","status":"done"`)},
		{name: "stored without sending", lines: file("d/f", `"action":"put","reason":"new","status":"deduplicated"`)},
		{name: "not stored", lines: file("d/f", `"action":"put","reason":"changed"`), by: "digest read"},
		{name: "held", lines: file("d/f", `"root":"/src","action":"none","reason":"held","status":"skipped"`), by: "digest read"},
		{name: "failed", lines: file("d/f", `"action":"put","reason":"changed","status":"failed","error":{"class":"network","message":"m"}`), by: "digest read"},
		{name: "changing", lines: file("d/f", `"action":"none","reason":"changing","status":"skipped"`), by: "digest read"},
		{name: "ignored", lines: file("d/f", `"ignored":true,"reason":"ignored"`), by: "digest read"},
		{name: "its folder ignored", lines: `{"kind":"dir","path":"d","ignored":true,"reason":"ignored"}` + "\n", by: "digest read"},
		{name: "its folder unreadable", lines: `{"kind":"dir","path":"d","reason":"unreadable","error":{"class":"permission","message":"m"}}` + "\n", by: "digest read"},
		{name: "its folder on another file system", lines: `{"kind":"dir","path":"d","action":"none","reason":"elsewhere"}` + "\n", by: "digest read"},
		{name: "its folder is a link", lines: `{"kind":"symlink","path":"d","target":"x","action":"none","reason":"symlink"}` + "\n"},
		{name: "its folder is a link that leads nowhere", lines: `{"kind":"symlink","path":"d","target":"x","action":"none","reason":"dangling"}` + "\n", by: "digest read"},
		{name: "a link", lines: `{"kind":"symlink","path":"d/f","target":"x","action":"none","reason":"symlink"}` + "\n"},
		{name: "a FIFO", lines: `{"kind":"special","path":"d/f","reason":"special","status":"skipped"}` + "\n"},
		{name: "too large", lines: file("d/f", `"action":"none","reason":"large"`), by: "digest read"},
		{name: "deleted", lines: file("d/f", `"action":"delete","reason":"gone","status":"done"`)},
		{name: "to be deleted", lines: file("d/f", `"action":"delete","reason":"gone"`), by: read}, // it is there, says Lstat
		{name: "deletion held", lines: file("d/f", `"action":"none","reason":"held","status":"skipped"`), by: "digest read", gone: "d/f"},
		{name: "deletions withheld", end: `"withheld":1,`, by: "digest read", gone: "d/f"},
		{name: "gone", gone: "d/f"},
		{name: "gone from a stream that is cut", gone: "d/f", end: "cut", by: "digest read"},
		{name: "gone with the source", gone: "d/f .", by: "digest read"},
		{name: "gone with all files", lines: "none", gone: "d/f", by: "digest read"},
		{name: "gone, on a disk that is not mounted", gone: "d/f", mounts: "d", by: "digest read"},
		{name: "gone, on a disk that is mounted", lines: `{"kind":"dir","path":"d","mount":true,"action":"none","reason":"same"}` + "\n", gone: "d/f", mounts: "d"},
		{name: "damaged again", lines: file("d/f", `"error":{"class":"corrupt","message":"m"}`), by: "digest read"},
	} {
		var before Report
		for _, mount := range strings.Fields(test.mounts) {
			before.Mounts = append(before.Mounts, Entry{Path: mount})
		}
		var open []string
		for _, by := range []By{ByDigest, ByRead} {
			before.Proof = Proof{Failed: time.Unix(1, 0), Unproven: []Entry{{Path: "d/f", Class: record.ClassCorrupt, By: by}}}
			stream := other + test.lines
			if test.lines == "none" {
				stream = ""
			}
			wrong := strings.Count(stream, `"error"`)
			if test.end != "cut" {
				stream += fmt.Sprintf(`{"kind":"end","v":1,%s"records":%d,"errors":%d,"complete":true}`+"\n", test.end, strings.Count(stream, "\n"), wrong)
			}
			r, _ := collect("", &before)
			r.HashedAgain = !test.notAgain
			r.Lstat = func(name string) (fs.FileInfo, error) {
				rel, err := filepath.Rel("/s", name)
				if slices.Contains(strings.Fields(test.gone), filepath.ToSlash(rel)) {
					err = errors.Join(err, fs.ErrNotExist)
				}
				return nil, err
			}
			in := record.NewReader(strings.NewReader(stream))
			for rec := range in.All() {
				r.Add(rec)
			}
			r.Finish(in, time.Unix(5, 0))
			for _, e := range r.Proof.Unproven {
				if e.Path != "d/f" || e.By != by || !e.Since.Equal(time.Unix(1, 0)) {
					t.Errorf("%s: a finding by %s is now %+v", test.name, by, e)
				}
				open = append(open, string(e.By))
			}
			if r.Proof.Failed.IsZero() != (len(r.Proof.Unproven) == 0) {
				t.Errorf("%s: failed on %v with %v", test.name, r.Proof.Failed, r.Proof.Unproven)
			}
		}
		if got := strings.Join(open, " "); got != test.by {
			t.Errorf("%s: open are %q, want %q", test.name, got, test.by)
		}
	}
}

// TestFindingMoves: a file that is moved on the service keeps what was found about it.
func TestFindingMoves(t *testing.T) {
	before := &Report{Proof: Proof{Failed: time.Unix(1, 0), Unproven: []Entry{{Path: "d/f", By: ByRead}}}}
	r := finish(`{"kind":"file","path":"new","size":1,"remote":"/Jotta/Archive/s/new","from":"/Jotta/Archive/s/d/f","action":"move","reason":"renamed","status":"done"}`+"\n"+
		end("1", "0", "true"), before, time.Unix(5, 0))
	if u := r.Proof.Unproven; len(u) != 1 || u[0].Path != "new" || u[0].By != ByRead {
		t.Errorf("unproven: %+v", u)
	}
}

// TestAgain: damage that a backup meets is a finding, and is to be hashed again until it is
// settled, however the next runs end.
func TestAgain(t *testing.T) {
	const damaged = `{"kind":"file","path":"o\ufffd","path_raw":"b/8=","size":1,"error":{"class":"corrupt","message":"m"}}` + "\n"
	r := &finish(damaged+end("1", "1", "true"), nil, time.Unix(5, 0)).Report
	for _, stream := range []string{"", end("0", "0", "false")} {
		paths, all := r.Again()
		if !slices.Equal(paths, []string{"o\xff"}) || !all {
			t.Fatalf("again %q, all: %v", paths, all)
		}
		r = &finish(stream, r, time.Unix(6, 0)).Report
	}
	if got := status(t, r, time.Unix(6, 0), 0); !strings.Contains(got, "NOT proven") {
		t.Errorf("status:\n%s", got)
	}

	// More than can be named: everything is to be hashed, and once it was they are as many
	// as this run found.
	var many strings.Builder
	for i := range maxListed + 5 {
		fmt.Fprintf(&many, `{"kind":"file","path":"f%d","size":1,"error":{"class":"corrupt","message":"m"}}`+"\n", i)
	}
	n := fmt.Sprint(maxListed + 5)
	r = &finish(many.String()+end(n, n, "true"), nil, time.Unix(5, 0)).Report
	if paths, all := r.Again(); len(paths) != maxListed || all || r.Proof.Omitted != 5 {
		t.Errorf("again %d paths, all: %v, %d omitted", len(paths), all, r.Proof.Omitted)
	}
	const same = `{"kind":"file","path":"x","size":1,"action":"none","reason":"same"}` + "\n"
	r = &finish(same+end("1", "0", "true"), r, time.Unix(6, 0)).Report
	if r.Proof.Omitted != 5 || len(r.Proof.Unproven) != maxListed {
		t.Errorf("hashed from the cache: %d omitted, %d listed", r.Proof.Omitted, len(r.Proof.Unproven))
	}
	next, in := collect(same+end("1", "0", "true"), r)
	next.HashedAgain = true
	next.Finish(in, time.Unix(7, 0))
	if p := next.Proof; p.Omitted != 0 || len(p.Unproven) != 0 || !p.Failed.IsZero() {
		t.Errorf("hashed afresh: %+v", p)
	}
}

// TestOmittedReads: what reading back has shown, and no list has room for, is open until
// all has been read back once more.
func TestOmittedReads(t *testing.T) {
	r := &Report{Proof: Proof{Slices: 2, Failed: time.Unix(1, 0), Omitted: 7, OmittedRead: 7, OmittedAt: time.Unix(1, 0)}}
	const verified = `{"kind":"file","path":"f","size":5,"status":"verified"}` + "\n"
	const same = `{"kind":"file","path":"f","size":5,"action":"none","reason":"same"}` + "\n"
	for i, step := range []struct {
		slice *record.Slice
		want  int64
	}{{nil, 7}, {&record.Slice{N: 1, Of: 2}, 7}, {&record.Slice{N: 1, Of: 2}, 7}, {&record.Slice{N: 2, Of: 2}, 0}} {
		c, stream := Check{Slice: step.slice, Report: r}, same
		if step.slice != nil && step.slice.Contains("f") {
			stream = verified
		}
		in := record.NewReader(strings.NewReader(stream + end("1", "0", "true")))
		for rec := range in.All() {
			c.Add(rec)
		}
		if problem := c.Finish(in, time.Unix(int64(2+i), 0)); problem != "" || r.Proof.Omitted != step.want || r.Proof.Failed.IsZero() != (step.want == 0) {
			t.Errorf("step %d: %q, %+v", i, problem, r.Proof)
		}
	}
}
