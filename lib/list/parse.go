package list

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"jottatools/lib/record"
)

// ParseStates reads a list of states such as "incomplete,corrupt", or "all".
func ParseStates(s string) ([]string, error) {
	all := []string{record.StateCompleted, record.StateIncomplete, record.StateCorrupt}
	var states []string
	for part := range strings.SplitSeq(s, ",") {
		state := strings.ToUpper(strings.TrimSpace(part))
		switch {
		case state == "ALL":
			states = append(states, all...)
		case slices.Contains(all, state):
			states = append(states, state)
		default:
			return nil, fmt.Errorf("%q is not a state; write completed, incomplete, corrupt, or all", part)
		}
	}
	return states, nil
}

// ParseAt reads a time as people write it: RFC 3339, or without a zone, seconds
// or the time of day, and then in the given zone. A date alone is its end: what
// was there that day.
func ParseAt(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return t.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write it like 2026-01-31T12:00 or 2026-01-31", s)
}
