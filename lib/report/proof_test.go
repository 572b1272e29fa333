package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"jottatools/lib/record"
)

// TestProof: what each kind of record proves, or keeps from being proven.
func TestProof(t *testing.T) {
	third, err := record.ParseSlice("3/3")
	if err != nil {
		t.Fatal(err)
	}
	// Paths that are in the slice, and that are not.
	var inside, outside string
	for i := 0; inside == "" || outside == ""; i++ {
		if path := fmt.Sprint("f", i); third.Contains(path) {
			inside = path
		} else {
			outside = path
		}
	}
	const file = `{"kind":"file","path":"f","size":5,`
	for _, test := range []struct {
		name, line string
		slice      bool
		proven     int64  // files
		unproven   string // why; "" if nothing is
		changing   bool
	}{
		{"the same by MD5", file + `"action":"none","reason":"same"}`, false, 1, "", false},
		{"another time only", file + `"action":"touch","reason":"touched"}`, false, 1, "", false},
		{"not stored", file + `"action":"put","reason":"new"}`, false, 0, "it is not stored yet", false},
		{"another content", file + `"action":"put","reason":"changed"}`, false, 0, "what is stored is not what is on disk", false},
		{"a part of it", file + `"action":"put","reason":"incomplete"}`, false, 0, "what is stored is not complete", false},
		{"changing", file + `"action":"none","reason":"changing","status":"skipped"}`, false, 0, "it was changing", true},
		{"an error", file + `"error":{"class":"permission","message":"no"}}`, false, 0, "no", false},
		{"a folder with an error", `{"kind":"dir","path":"d","error":{"class":"permission","message":"no"}}`, false, 0, "no", false},
		{"gone", file + `"action":"delete","reason":"gone"}`, false, 0, "", false},
		{"ignored", file + `"ignored":true,"action":"none","reason":"ignored"}`, false, 0, "", false},
		{"a folder", `{"kind":"dir","path":"d","action":"none","reason":"same"}`, false, 0, "", false},
		{"a folder that is not stored", `{"kind":"dir","path":"d","action":"mkdir","reason":"new"}`, false, 0, "it is not stored yet", false},
		{"a link", `{"kind":"symlink","path":"l","target":"x","action":"none","reason":"symlink"}`, false, 0, "", false},
		{"of another kind", `{"kind":"album","path":"f"}`, false, 0, "", false},

		{"read back", `{"kind":"file","path":"` + inside + `","size":5,"status":"verified"}`, true, 1, "", false},
		{"not read back", `{"kind":"file","path":"` + inside + `","size":5,"action":"none","reason":"same"}`, true, 0, "the run ended before its turn", false},
		{"another time, not read back", `{"kind":"file","path":"` + inside + `","size":5,"action":"touch","reason":"touched"}`, true, 0, "its time on the service is another", false},
		{"of another slice", `{"kind":"file","path":"` + outside + `","size":5,"action":"put","reason":"new"}`, true, 0, "", false},
		{"of another slice, with an error", `{"kind":"file","path":"` + outside + `","error":{"class":"corrupt","message":"bad"}}`, true, 0, "bad", false},
	} {
		c := Check{Report: new(Report)}
		if test.slice {
			c.Slice = &third
		}
		in := record.NewReader(strings.NewReader(test.line + "\n" + end("1", "0", "true")))
		for rec := range in.All() {
			c.Add(rec)
		}
		c.Finish(in, time.Unix(2, 0))
		why := ""
		if len(c.Unproven) > 0 {
			why = c.Unproven[0].Why()
		}
		if c.Files != test.proven || c.Bytes != 5*test.proven || (why == "") != (test.unproven == "") || !strings.Contains(why, test.unproven) || c.OnlyChanging() != test.changing {
			t.Errorf("%s: %d files of %d bytes proven, not %q, only changing: %v", test.name, c.Files, c.Bytes, why, c.OnlyChanging())
		}
	}
}

// TestProofFinish: what a check leaves in the report of the last run.
func TestProofFinish(t *testing.T) {
	before, now := time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	old := func() Proof {
		return Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before}, Tried: map[int]time.Time{2: before}}
	}
	found := func(by By) Proof {
		p := old()
		p.Failed, p.Unproven = now, []Entry{{Path: "f", Reason: record.ReasonChanged, By: by, Since: now}}
		return p
	}
	bad := func(e Entry, tried int) Proof {
		p := old()
		p.Failed, p.Unproven = now, []Entry{e}
		if tried != 2 {
			p.Tried[tried] = now
		}
		return p
	}
	fault := func(class string) string {
		return `{"kind":"file","path":"f","size":5,"action":"none","reason":"same","status":"failed","error":{"class":"` + class + `","message":"m"}}` + "\n"
	}
	const same = `{"kind":"file","path":"f","size":5,"action":"none","reason":"same"}` + "\n"
	const verified = `{"kind":"file","path":"f","size":5,"status":"verified"}` + "\n"
	const changed = `{"kind":"file","path":"f","size":5,"action":"put","reason":"changed"}` + "\n"
	other := &record.Slice{N: 3 - in(2), Of: 2}
	for _, test := range []struct {
		name, stream string
		slice        *record.Slice
		problem      string
		want         Proof
	}{
		{"compared", same + end("1", "0", "true"), nil, "", Proof{Compared: now, Slices: 3, Read: map[int]time.Time{1: before}, Tried: map[int]time.Time{2: before}}},
		{"another slice", verified + end("1", "0", "true"), &record.Slice{N: in(3), Of: 3}, "", Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before, in(3): now}, Tried: map[int]time.Time{2: before, in(3): now}}},
		{"cut otherwise", verified + end("1", "0", "true"), &record.Slice{N: 1, Of: 1}, "", Proof{Compared: before, Slices: 1, Read: map[int]time.Time{1: now}, Tried: map[int]time.Time{1: now}}},
		{"not read back", same + end("1", "0", "true"), &record.Slice{N: in(3), Of: 3}, "1 entry is not proven", bad(Entry{Path: "f", Reason: record.ReasonSame, By: ByRead, Since: now}, in(3))},
		{"not read back, cut otherwise", same + end("1", "0", "true"), &record.Slice{N: 1, Of: 1}, "1 entry is not proven", bad(Entry{Path: "f", Reason: record.ReasonSame, By: ByRead, Since: now}, 2)},
		{"not read back, cut short", same, &record.Slice{N: 1, Of: 1}, "did not see the whole tree", old()},
		{"changed", changed + end("1", "0", "true"), nil, "1 entry is not proven", found(ByDigest)},
		{"cut short", same, nil, "did not see the whole tree", old()},
		{"incomplete", same + end("1", "0", "false"), nil, "did not see the whole tree", old()},
		{"an error that is not seen", same + end("1", "1", "true"), nil, "did not see the whole tree", old()},
		{"one that is not seen, in a slice", verified + end("1", "1", "true"), &record.Slice{N: 1, Of: 1}, "did not see the whole tree", old()},
		{"left out what is the same", same + strings.Replace(end("1", "0", "true"), `"complete"`, `"same":{"files":1,"dirs":0,"bytes":1},"complete"`, 1), nil, "did not see the whole tree", old()},
		{"cut short and changed", changed, nil, "1 entry is not proven", found(ByDigest)},
		{"changed, in another slice", changed + end("1", "0", "true"), other, "", Proof{Compared: before, Slices: 2, Read: map[int]time.Time{other.N: now}, Tried: map[int]time.Time{other.N: now}}},
		{"the line", fault("network") + end("1", "1", "true"), &record.Slice{N: in(3), Of: 3}, "1 entry is not proven", old()},
		{"damaged", fault("corrupt") + end("1", "1", "true"), &record.Slice{N: in(3), Of: 3}, "1 entry is not proven",
			bad(Entry{Path: "f", Reason: record.ReasonSame, Class: record.ClassCorrupt, Message: "m", By: ByRead, Since: now}, in(3))},
	} {
		r := &Report{Proof: old(), Unfinished: before}
		c := Check{Slice: test.slice, Report: r}
		in := record.NewReader(strings.NewReader(test.stream))
		for rec := range in.All() {
			c.Add(rec)
		}
		problem := c.Finish(in, now)
		if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
			t.Errorf("%s: problem %q, want %q", test.name, problem, test.problem)
		}
		if diff := cmp.Diff(test.want, r.Proof, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: the proof (-want +got):\n%s", test.name, diff)
		}
	}
}

// in returns in which of so many slices the path f is.
func in(of int) int {
	for n := 1; ; n++ {
		if (record.Slice{N: n, Of: of}).Contains("f") {
			return n
		}
	}
}

// TestDue: a slice that was never tried comes first, then the one that was tried longest
// ago, whatever that showed.
func TestDue(t *testing.T) {
	at := func(days ...int) map[int]time.Time {
		m := map[int]time.Time{}
		for i, d := range days {
			if d > 0 {
				m[i+1] = time.Unix(int64(d)*86400, 0)
			}
		}
		return m
	}
	for _, test := range []struct {
		name string
		p    Proof
		of   int
		want record.Slice
	}{
		{"nothing was", Proof{}, 31, record.Slice{N: 1, Of: 31}},
		{"one was", Proof{Slices: 3, Read: at(5)}, 3, record.Slice{N: 2, Of: 3}},
		{"in any order", Proof{Slices: 3, Read: at(7, 5, 6)}, 3, record.Slice{N: 2, Of: 3}},
		{"one has findings", Proof{Slices: 3, Read: at(7, 0, 6), Tried: at(7, 8, 6)}, 3, record.Slice{N: 3, Of: 3}},
		{"an older report", Proof{Slices: 3, Read: at(7, 5, 6), Tried: at(0, 8)}, 3, record.Slice{N: 3, Of: 3}},
		{"cut otherwise", Proof{Slices: 4, Read: at(1)}, 31, record.Slice{N: 2, Of: 4}},
		{"cut into nothing", Proof{Slices: -5}, 2, record.Slice{N: 1, Of: 2}},
		{"cut into too much", Proof{Slices: 1 << 40}, 2, record.Slice{N: 1, Of: 2}},
	} {
		if got := test.p.Due(test.of); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestDueReadsAll: day by day, each slice has its turn, also while one fails each time and
// some runs are cut short.
func TestDueReadsAll(t *testing.T) {
	const of = 5
	r, turns := new(Report), map[int]int{}
	for day := range 40 {
		slice := r.Proof.Due(of)
		stream := `{"kind":"file","path":"f","size":5,"action":"none","reason":"same","status":"verified"}` + "\n" + end("1", "0", "true")
		switch {
		case slice.N == in(of):
			stream = `{"kind":"file","path":"f","size":5,"action":"none","reason":"same","error":{"class":"corrupt","message":"m"}}` + "\n" + end("1", "1", "true")
		case day%7 == 3:
			stream = ""
		}
		c := Check{Slice: &slice, Report: r}
		reader := record.NewReader(strings.NewReader(stream))
		for rec := range reader.All() {
			c.Add(rec)
		}
		c.Finish(reader, time.Unix(int64(day+1)*86400, 0))
		if stream != "" {
			turns[slice.N]++
		}
	}
	for n := 1; n <= of; n++ {
		if turns[n] < 6 {
			t.Errorf("slice %d had its turn %d times of %v", n, turns[n], turns)
		}
	}
	if r.Proof.Failed.IsZero() || len(r.Proof.Read) != of-1 {
		t.Errorf("the proof: %+v", r.Proof)
	}
}

// TestProofOmits: a check of any size keeps a report small, and counts the rest.
func TestProofOmits(t *testing.T) {
	c := Check{Report: new(Report)}
	for range maxListed + 3 {
		c.Add(&record.Record{Kind: record.KindFile, Path: "f", Action: record.ActionPut, Reason: record.ReasonNew})
	}
	if len(c.Unproven) != maxListed || c.Omitted != 3 {
		t.Errorf("%d listed and %d omitted", len(c.Unproven), c.Omitted)
	}
}
