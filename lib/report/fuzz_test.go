package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzParse: a report, whoever wrote it, can be shown on a terminal, and is the same
// when it is saved and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"source":"/s","dest":"/Jotta/Archive/s","started":"2026-01-02T03:04:05Z","ended":"2026-01-02T03:04:06Z","complete":true,"counts":{"files":1}}`,
		`{"v":1,"source":"\u001b[2J","not_stored":[{"path":"a\u202e","class":"quota","message":"full"}],"not_stored_omitted":5,"incomplete":"cut"}`,
		`{"restore":true,"proof":{"slices":3,"read":{"1":"2026-01-02T03:04:05Z","9":"0001-01-01T00:00:00Z"},"failed":"2026-01-02T03:04:05Z","unproven":[{"path":"x"}]}}`,
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
