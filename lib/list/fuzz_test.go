package list

import (
	"jottatools/lib/record"
	"slices"
	"strings"
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

// FuzzParseStates: a list of states holds nothing but states, and reads the same again.
func FuzzParseStates(f *testing.F) {
	for _, s := range []string{"all", "completed", "incomplete, CORRUPT", "", ",", "all,all", "complete"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		states, err := ParseStates(s)
		if err != nil {
			return
		}
		for _, state := range states {
			if state != record.StateCompleted && state != record.StateIncomplete && state != record.StateCorrupt {
				t.Fatalf("ParseStates(%q) = %q", s, states)
			}
		}
		if again, err := ParseStates(strings.Join(states, ",")); err != nil || !slices.Equal(again, states) {
			t.Fatalf("ParseStates(%q) = %q, then %q, %v", s, states, again, err)
		}
	})
}
