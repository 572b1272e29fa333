package jfs

import (
	"fmt"
	"strings"
	"time"
)

// jfsTime is the service's own time format: RFC 3339 with a dash before the T
// (docs/protocol.md, section 3.4).
const jfsTime = "2006-01-02-T15:04:05Z"

// FormatTime returns t as the service writes times: UTC, fractions of a second
// cut off.
func FormatTime(t time.Time) string {
	return clampTime(t).Format(jfsTime)
}

// formatRFC3339 returns t as the JSON API takes it.
func formatRFC3339(t time.Time) string {
	return clampTime(t).Format("2006-01-02T15:04:05Z07:00")
}

// clampTime returns t in UTC within the years that have four digits: a damaged
// disk has files from the year 30828, and they are worth keeping too.
func clampTime(t time.Time) time.Time {
	t = t.UTC()
	switch {
	case t.Year() < 1:
		return time.Time{}
	case t.Year() > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}

// ParseTime reads any time the service is known to write: its own format and
// RFC 3339, with or without fractions, with any kind of offset. The result is
// in UTC and keeps the fraction. An empty string is the zero time, which the
// service means by "not known" (docs/protocol.md, section 3.4).
func ParseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	norm := strings.Replace(s, "-T", "T", 1)
	if utc, ok := strings.CutSuffix(norm, "+00:00"); ok {
		norm = strings.TrimSuffix(utc, "Z") + "Z" // an old client wrote both
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, norm); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is not a time", quoted(s))
}

// lenientTime is ParseTime for answers, where a time that cannot be read is no
// reason to refuse the whole: it becomes the zero time.
func lenientTime(s string) time.Time {
	t, _ := ParseTime(s)
	return t
}
