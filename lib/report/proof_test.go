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
	var in, out string
	for i := 0; in == "" || out == ""; i++ {
		if path := fmt.Sprint("f", i); third.Contains(path) {
			in = path
		} else {
			out = path
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

		{"read back", `{"kind":"file","path":"` + in + `","size":5,"status":"verified"}`, true, 1, "", false},
		{"not read back", `{"kind":"file","path":"` + in + `","size":5,"action":"none","reason":"same"}`, true, 0, "the run ended before its turn", false},
		{"another time, not read back", `{"kind":"file","path":"` + in + `","size":5,"action":"touch","reason":"touched"}`, true, 0, "its time on the service is another", false},
		{"of another slice", `{"kind":"file","path":"` + out + `","size":5,"action":"put","reason":"new"}`, true, 0, "", false},
		{"of another slice, with an error", `{"kind":"file","path":"` + out + `","error":{"class":"corrupt","message":"bad"}}`, true, 0, "bad", false},
	} {
		var c Check
		if test.slice {
			c.Slice = &third
		}
		for rec := range record.NewReader(strings.NewReader(test.line + "\n")).All() {
			c.Add(rec)
		}
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
		return Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before}, Failed: before, Unproven: []Entry{{Path: "old"}}, Omitted: 7}
	}
	const same = `{"kind":"file","path":"f","size":5,"action":"none","reason":"same"}` + "\n"
	const verified = `{"kind":"file","path":"f","size":5,"status":"verified"}` + "\n"
	const changed = `{"kind":"file","path":"f","size":5,"action":"put","reason":"changed"}` + "\n"
	for _, test := range []struct {
		name, stream string
		slice        *record.Slice
		problem      string
		want         Proof
	}{
		{"compared", same + end("1", "0", "true"), nil, "", Proof{Compared: now, Slices: 3, Read: map[int]time.Time{1: before}}},
		{"another slice", verified + end("1", "0", "true"), &record.Slice{N: 2, Of: 3}, "", Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before, 2: now}}},
		{"the same slice", verified + end("1", "0", "true"), &record.Slice{N: 1, Of: 3}, "", Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: now}}},
		{"cut otherwise", verified + end("1", "0", "true"), &record.Slice{N: 1, Of: 1}, "", Proof{Compared: before, Slices: 1, Read: map[int]time.Time{1: now}}},
		{"changed", changed + end("1", "0", "true"), nil, "1 entry is not proven", Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before}, Failed: now, Unproven: []Entry{{Path: "f", Reason: record.ReasonChanged}}}},
		{"cut short", same, nil, "did not see the whole tree", old()},
		{"incomplete", same + end("1", "0", "false"), nil, "did not see the whole tree", old()},
		{"an error that is not seen", same + end("1", "1", "true"), nil, "did not see the whole tree", old()},
		{"cut short and changed", changed, nil, "1 entry is not proven", Proof{Compared: before, Slices: 3, Read: map[int]time.Time{1: before}, Failed: now, Unproven: []Entry{{Path: "f", Reason: record.ReasonChanged}}}},
	} {
		r := &Report{Proof: old(), Unfinished: before}
		c := Check{Slice: test.slice}
		in := record.NewReader(strings.NewReader(test.stream))
		for rec := range in.All() {
			if test.slice == nil || rec.Status == record.StatusVerified {
				c.Add(rec)
			}
		}
		problem := c.Finish(r, in, now)
		if (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
			t.Errorf("%s: problem %q, want %q", test.name, problem, test.problem)
		}
		if diff := cmp.Diff(test.want, r.Proof, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: the proof (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestProofOmits: a check of any size keeps a report small, and counts the rest.
func TestProofOmits(t *testing.T) {
	var c Check
	for range maxListed + 3 {
		c.Add(&record.Record{Kind: record.KindFile, Path: "f", Action: record.ActionPut, Reason: record.ReasonNew})
	}
	if len(c.Unproven) != maxListed || c.Omitted != 3 {
		t.Errorf("%d listed and %d omitted", len(c.Unproven), c.Omitted)
	}
}
