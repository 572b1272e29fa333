package jserve

import (
	"strings"
	"time"
)

// Times on the wire (docs/protocol.md, section 3.4). Everything is in whole
// seconds; fractions are cut off.
const (
	layoutJFS        = "2006-01-02-T15:04:05Z"
	layoutListstream = "2006-01-02T15:04:05.000Z"
)

// The first and last second whose year has four digits.
const (
	minTime = -62167219200 // 0000-01-01T00:00:00Z
	maxTime = 253402300799 // 9999-12-31T23:59:59Z
)

// formatJFS is the form in JFS XML; 0 deleted or modified times are written
// empty by those who call it, since 0 is also 1970.
func formatJFS(unix int64) string { return time.Unix(unix, 0).UTC().Format(layoutJFS) }

// parseTime reads a time from a header or a JSON string: the JFS format with Z,
// +hhmm or +hh:mm; RFC 3339; and "…Z+00:00" as an old client sends it. ok is
// false for anything else, which the service takes for now.
func parseTime(text string) (unix int64, ok bool) {
	text = strings.TrimSpace(text)
	if strings.HasSuffix(text, "Z+00:00") {
		text = strings.TrimSuffix(text, "+00:00")
	}
	for _, layout := range []string{"2006-01-02-T15:04:05Z0700", "2006-01-02-T15:04:05Z07:00", time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			unix := t.Unix()
			return unix, minTime <= unix && unix <= maxTime
		}
	}
	return 0, false
}

// fromMillis turns Unix milliseconds into seconds.
func fromMillis(ms int64) (unix int64, ok bool) {
	unix = ms / 1000
	if ms%1000 < 0 {
		unix-- // cut off means earlier, before 1970 too
	}
	return unix, minTime <= unix && unix <= maxTime
}

func timeOf(unix int64) time.Time { return time.Unix(unix, 0).UTC() }
