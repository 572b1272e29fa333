package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"jottatools/lib/record"
)

// FuzzParse: a report, whoever wrote it, can be shown on a terminal, and is the same
// when it is saved and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"source":"/s","dest":"/Jotta/Archive/s","started":"2026-01-02T03:04:05Z","ended":"2026-01-02T03:04:06Z","complete":true,"counts":{"files":1}}`,
		`{"v":1,"source":"\u001b[2J","not_stored":[{"path":"a\u202e","class":"quota","message":"full"}],"not_stored_omitted":5,"incomplete":"cut"}`,
		`{"restore":true,"proof":{"slices":3,"read":{"1":"2026-01-02T03:04:05Z","9":"0001-01-01T00:00:00Z"},"failed":"2026-01-02T03:04:05Z","unproven":[{"path":"x"}]}}`,
		`{"complete":true,"runs":["2026-01-02T03:04:05Z","2026-01-01T03:04:05Z","2026-01-03T03:04:05Z","9999-01-02T03:04:05Z"],"trouble":{"at":"2026-01-02T03:04:05Z","text":"a\nb\u001b"}}`,
		`{"held":[{"path":"a","action":"delete","reason":"held"},{"path":"o\ufffd","path_raw":"b/8=","action":"put"}],"withheld":-3,"held_changes":9223372036854775807,"held_omitted":4}`,
		`{"left_behind":[{"path":"l","reason":"symlink"},{"path":"\u202e","reason":"\u0007"}],"left_behind_omitted":2,"spared":3,"known":[{"path":"k","class":"case_conflict"}],"mounts":[{"path":"m"}],"out_of_time":true}`,
		`{"proof":{"slices":9999999999,"tried":{"-1":"2026-01-02T03:04:05Z"},"unproven":[{"path":"../x"},{"path":"y"},{"path":"y"},{"path":"d/z","by":"read","since":"2026-01-02T03:04:05Z"}],"unproven_omitted":-1,"unproven_omitted_read":5}}`,
		`{"counts":{"bytes":-9223372036854775808,"sent":9223372036854775807},"proof":{"slices":-1}}`, `{`, `[]`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parse(b)
		if err != nil {
			return
		}
		var shown strings.Builder
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		if err := r.WriteStatus(&shown, now, 36*time.Hour); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(strings.ReplaceAll(shown.String(), "\n", ""), unicode.IsControl) {
			t.Fatalf("the status of %s is %q", b, &shown)
		}
		if n := r.Proof.Due(31); n.N < 1 || n.N > n.Of || n.Of > MaxSlices {
			t.Fatalf("the slice that is due of %s is %v", b, n)
		}
		// A run and a proof that come after it take over what it says, and can be saved.
		run := finish(`{"kind":"file","path":"y","size":1,"action":"put","status":"done"}`+"\n"+end("1", "0", "true"), r, now)
		check := Check{Report: &run.Report, Slice: &record.Slice{N: 1, Of: 2}}
		check.Finish(record.NewReader(strings.NewReader(end("0", "0", "true"))), now)
		if _, err := json.Marshal(check.Report); err != nil {
			t.Fatalf("what follows on %s cannot be saved: %v", b, err)
		}
		for _, e := range check.Report.Proof.Unproven {
			if record.CheckPath(e.Path) != nil || e.Path == "y" {
				t.Fatalf("what follows on %s has the finding %+v", b, e)
			}
		}
		once, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%s cannot be saved: %v", b, err)
		}
		again, err := parse(once)
		if err != nil {
			t.Fatalf("%s cannot be read again: %v", once, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(once) != string(twice) {
			t.Fatalf("%s is saved as %s, then as %s: %v", b, once, twice, err)
		}
	})
}
