package list

import (
	"testing"
	"time"
)

// FuzzParseAt: a time that is read prints as one that is read the same.
func FuzzParseAt(f *testing.F) {
	for _, s := range []string{"2026-01-31", "2026-01-31T12:00", "2026-01-31 12:00:01", "2026-01-31T12:00:00+02:00", "0000-01-01", "yesterday"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseAt(s, time.UTC)
		if err != nil {
			return
		}
		again, err := ParseAt(at.UTC().Format(time.RFC3339Nano), time.UTC)
		if year := at.UTC().Year(); year >= 0 && year <= 9999 && (err != nil || !again.Equal(at)) {
			t.Fatalf("ParseAt(%q) = %v, then %v, %v", s, at, again, err)
		}
	})
}
