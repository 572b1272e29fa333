package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

const run = `{"kind":"dir","path":"d","action":"mkdir","reason":"new","status":"done"}
{"kind":"file","path":"d/new","size":5,"action":"put","reason":"new","status":"done","sent":5,"ms":1}
{"kind":"file","path":"d/known","size":7,"action":"put","reason":"new","status":"deduplicated","sent":0,"ms":1}
{"kind":"file","path":"same","size":1,"action":"none","reason":"same"}
{"kind":"file","path":"touched","size":1,"action":"touch","reason":"touched","status":"done"}
{"kind":"file","path":"junk","size":9,"ignored":true,"action":"none","reason":"ignored"}
{"kind":"symlink","path":"l","target":"x","action":"none","reason":"symlink"}
{"kind":"special","path":"s","action":"none","reason":"special"}
{"kind":"file","path":"gone","action":"delete","reason":"gone","status":"done"}
`

// collect adds a stream to a run whose previous report is before. Files are where they
// were, and there are no others.
func collect(stream string, before *Report) (*Run, *record.Reader) {
	in := record.NewReader(strings.NewReader(stream))
	r := &Run{Previous: before, Lstat: func(string) (fs.FileInfo, error) { return nil, nil }}
	r.Source, r.Dest, r.Started = "/s", "/Jotta/Archive/s", time.Unix(1, 0)
	for rec := range in.All() {
		r.Add(rec)
	}
	return r, in
}

// finish is collect to the end.
func finish(stream string, before *Report, now time.Time) *Run {
	r, in := collect(stream, before)
	r.Finish(in, now)
	return r
}

// status returns what is shown of a report.
func status(t *testing.T, r *Report, now time.Time, maxAge time.Duration) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteStatus(&b, now, maxAge); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func end(records, errors string, complete string) string {
	return `{"kind":"end","v":1,"records":` + records + `,"errors":` + errors + `,"complete":` + complete + "}\n"
}

func TestCounts(t *testing.T) {
	now := time.Unix(5, 0)
	r := &finish(run+end("9", "0", "true"), &Report{LastComplete: time.Unix(2, 0)}, now).Report
	want := Counts{Files: 4, Dirs: 1, Bytes: 14, Same: 1, Uploaded: 1, Deduplicated: 1, Touched: 1, Made: 1, Deleted: 1, AddedFiles: 2, DeletedFiles: 1, Sent: 5, Ignored: 1, Symlinks: 1, Special: 1}
	if diff := cmp.Diff(want, r.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if !r.Complete || !r.LastComplete.Equal(now) || problems(r) != "" {
		t.Errorf("not complete: %+v", r)
	}
}

func TestWhatIsNotStored(t *testing.T) {
	before := time.Unix(2, 0).UTC()
	for _, test := range []struct {
		name, extra, end string
		listed           int
		problem          string
	}{
		{"failed", `{"kind":"file","path":"f","size":1,"action":"put","status":"failed","error":{"class":"quota","message":"full"}}` + "\n", end("10", "1", "true"), 1, "1 entry not stored"},
		{"changing", `{"kind":"file","path":"f","size":1,"action":"none","reason":"changing","status":"skipped"}` + "\n", end("10", "0", "true"), 1, "1 entry left to the next run"},
		{"blocked", `{"kind":"file","path":"f","size":1,"action":"none","reason":"blocked","status":"skipped"}` + "\n", end("10", "0", "true"), 1, "1 entry left to the next run"},
		{"planned only", `{"kind":"file","path":"f","size":1,"action":"put","reason":"new"}` + "\n", end("10", "0", "true"), 1, "1 entry not stored"},
		{"incomplete", "", end("9", "0", "false"), 0, "did not see the whole tree"},
		{"cut", "", "", 0, "did not see the whole tree"},
		{"miscounted", "", end("10", "0", "true"), 0, "did not see the whole tree"},
	} {
		r := &finish(run+test.extra+test.end, &Report{LastComplete: before}, time.Unix(5, 0)).Report
		if r.Complete || !r.LastComplete.Equal(before) {
			t.Errorf("%s: complete %v, last complete %v", test.name, r.Complete, r.LastComplete)
		}
		if len(r.NotStored) != test.listed || !strings.Contains(problems(r), test.problem) {
			t.Errorf("%s: not stored %v, problems %q", test.name, r.NotStored, problems(r))
		}
		if got := status(t, r, time.Unix(5, 0), 0); !strings.Contains(got, "NOT complete") || !r.Red(time.Unix(5, 0), 0) {
			t.Errorf("%s: status\n%s", test.name, got)
		}
	}
}

// problems returns the problems in a line, and says so if they are not judged
// as they should be.
func problems(r *Report) string {
	text, failed := r.Problems()
	if c := r.Counts; failed != (c.Failed+c.Pending > 0 || r.Incomplete != "") {
		return fmt.Sprintf("%s (failed: %v)", text, failed)
	}
	return text
}

func TestUnfinishedRun(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.json")
	r := finish(run+end("9", "0", "true"), nil, time.Unix(5, 0).UTC())
	for text, want := range map[string]time.Time{"2026-01-02T03:04:05Z\n": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "": r.Ended} {
		if err := errors.Join(r.Save(name), os.WriteFile(name+unfinished, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		got, err := Load(name)
		if err != nil || !got.Unfinished.Equal(want) {
			t.Errorf("%q: unfinished since %v, %v, want %v", text, got.Unfinished, err, want)
		}
		if got := status(t, got, time.Unix(5, 0), 0); !strings.Contains(got, "has not come to its end") {
			t.Errorf("status:\n%s", got)
		}
		if err := got.Save(name); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(name); err != nil || strings.Contains(string(b), "unfinished") {
			t.Errorf("it is kept in the report: %s, %v", b, err)
		}
	}
}

func TestListIsBounded(t *testing.T) {
	var r Run
	for range maxListed + 5 {
		r.Add(&record.Record{Kind: record.KindFile, Path: "f", Status: record.StatusFailed})
	}
	if len(r.NotStored) != maxListed || r.Omitted != 5 {
		t.Errorf("listed %d, omitted %d", len(r.NotStored), r.Omitted)
	}

	var long Run
	for range 10 {
		long.Add(&record.Record{Kind: record.KindFile, Path: strings.Repeat("f", maxListedBytes/4), Status: record.StatusFailed})
	}
	if len(long.NotStored) != 4 || long.Omitted != 6 {
		t.Errorf("of long ones listed %d, omitted %d", len(long.NotStored), long.Omitted)
	}
	var one Run
	one.Add(&record.Record{Kind: record.KindFile, Path: strings.Repeat("f", 2*maxListedBytes), Status: record.StatusFailed})
	if len(one.NotStored) != 1 {
		t.Error("a single entry is not named")
	}
	name := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(name, []byte(`{"v":1,"source":"`+strings.Repeat("x", maxReport)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("Load of a large file: %v", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "r.json")
	if r, err := Load(name); r != nil || err != nil {
		t.Errorf("Load of nothing = %v, %v", r, err)
	}
	odd := `{"kind":"file","path":"a\ufffd","path_raw":"Yf8=","size":1,"action":"put","reason":"new"}` + "\n"
	want := &finish(run+odd+end("10", "0", "true"), nil, time.Unix(5, 0).UTC()).Report
	if want.NotStored[0].Path != "a\xff" {
		t.Errorf("not stored: %q", want.NotStored)
	}
	if err := want.Save(name); err != nil {
		t.Fatal(err)
	}
	got, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name); err == nil || !strings.Contains(err.Error(), "is not a report") {
		t.Errorf("Load of a damaged report: %v", err)
	}
}

// A line break in a name must not make up a line of its own.
func TestLineIsOneLine(t *testing.T) {
	r := &record.Record{Path: "a\ndelete b (gone)", Action: record.ActionPut, Reason: record.ReasonNew}
	if got, want := Line(r), `put a\x0adelete b (gone) (new)`; got != want {
		t.Errorf("Line = %q, want %q", got, want)
	}
}
