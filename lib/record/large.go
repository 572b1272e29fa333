package record

import (
	"strconv"
	"strings"
)

// set sets a field from a member. One that is null is not there: programs that keep
// records in columns write null for what a record lacks.
func set[T any](later *pending, field *T, value string, parse func(string) (T, error)) error {
	if value == "null" {
		return nil
	}
	plain := largeNumber(value)
	v, err := parse(plain)
	if err == nil {
		later.mended = later.mended || plain != value
		*field = v
	}
	return err
}

// largeNumber returns a whole number that programs with numbers in floating point cannot
// hold as digits: some make text of it, some give it an exponent. Other values stay.
func largeNumber(value string) string {
	switch {
	case len(value) > 2 && value[0] == '"':
		inner := value[1 : len(value)-1]
		if n, err := strconv.ParseUint(inner, 10, 64); err == nil && n >= 1<<53 {
			return inner
		}
	case strings.ContainsAny(value, "eE"):
		if f, err := strconv.ParseFloat(value, 64); err == nil && f >= 1<<53 && f < 1<<64 {
			return strconv.FormatUint(uint64(f), 10)
		}
	}
	return value
}
