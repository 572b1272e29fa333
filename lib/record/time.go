package record

import (
	"fmt"
	"time"
)

// timestamp reads a time as RFC 3339 has it.
func timestamp(value string) (time.Time, error) {
	s, err := text[string](value)
	if err != nil || s == "" {
		return time.Time{}, err
	}
	if t, ok := parseUTC(s); ok {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("is not an RFC 3339 time: %s", clip(value))
	}
	return t.UTC(), nil
}

// parseUTC reads a time of the form 2006-01-02T15:04:05Z, with or without digits of
// a second: that is what records hold, and package time, which is ready for any
// layout, takes half as long again (BenchmarkParseUTC). What it does not take may
// still be a time.
func parseUTC[T string | []byte](s T) (t time.Time, ok bool) {
	const form = "2006-01-02T15:04:05"
	if len(s) <= len(form) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[len(s)-1] != 'Z' {
		return time.Time{}, false
	}
	ok = true
	two := func(at int) int {
		a, b := s[at]-'0', s[at+1]-'0'
		ok = ok && a <= 9 && b <= 9
		return int(a)*10 + int(b)
	}
	year := two(0)*100 + two(2)
	month, day, hour, minute, second := two(5), two(8), two(11), two(14), two(17)
	nanosecond := 0
	if fraction := s[len(form) : len(s)-1]; len(fraction) > 0 {
		if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
			return time.Time{}, false
		}
		scale := 100_000_000
		for i := 1; i < len(fraction); i++ {
			digit := fraction[i] - '0'
			ok = ok && digit <= 9
			nanosecond += int(digit) * scale
			scale /= 10
		}
	}
	// No month is shorter than 28 days; longer ones are left to package time.
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, nanosecond, time.UTC)
	return t, day <= 28 || t.Day() == day
}
