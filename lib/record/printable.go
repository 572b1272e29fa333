package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Printable returns text from elsewhere, such as a name, in a form that may be sent to
// a terminal: on one line, and such that people see what is there. What a terminal
// would obey, or show in another order, or not at all, stands as an escape: bytes of
// ASCII and those that are not UTF-8 as \x1b, other characters as \u202e. All that
// goes to people passes through here.
func Printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, Hidden) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < utf8.RuneSelf && Hidden(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !Hidden(r):
			b.WriteString(s[i : i+n])
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += n
	}
	return b.String()
}

// Hidden reports whether a character does something to a terminal instead of being
// seen: controls, among them those of direction, line ends, and all that has no
// width and no look of its own.
func Hidden(r rune) bool {
	if ' ' <= r && r <= '~' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// LocalTime returns a time as people read it, to the second: that of where they are, with
// the zone.
func LocalTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// Count returns a number with its noun: "1 entry", "2 entries".
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}
