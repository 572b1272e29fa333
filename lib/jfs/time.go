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

// listTime reads a time as a streamed listing has it, 2006-01-02T15:04:05.000Z: by
// hand, since there are two in each entry.
func listTime(s string) (time.Time, bool) {
	const layout = "0000-00-00T00:00:00.000Z"
	if len(s) != len(layout) {
		return time.Time{}, false
	}
	for i := range len(layout) {
		if layout[i] != '0' && s[i] != layout[i] || layout[i] == '0' && (s[i] < '0' || '9' < s[i]) {
			return time.Time{}, false
		}
	}
	two := func(at int) int { return int(s[at]-'0')*10 + int(s[at+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second, milli := two(11), two(14), two(17), two(20)*10+int(s[22]-'0')
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, milli*1e6, time.UTC)
	// No month is shorter than 28 days, and a day that there is not comes out as another one.
	return t, day <= 28 || t.Day() == day
}

// lenientTime is ParseTime for answers, where a time that cannot be read is no
// reason to refuse the whole: it becomes the zero time.
func lenientTime(s string) time.Time {
	if t, ok := listTime(s); ok {
		return t
	}
	t, _ := ParseTime(s)
	return t
}
