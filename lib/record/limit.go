package record

import (
	"fmt"
	"strconv"
	"strings"
)

// Limit bounds how much a plan may delete: a number of entries, or a share of what
// is stored.
type Limit struct {
	N       int64
	Percent bool // N is a percentage of the entries stored
}

// ParseLimit reads a limit such as "100" or "50%".
func ParseLimit(s string) (Limit, error) {
	number, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || percent && n > 100 {
		return Limit{}, fmt.Errorf("%q is not a limit; write a number of entries, such as 100, or a share of what is stored, such as 50%%", s)
	}
	return Limit{n, percent}, nil
}

// String returns the limit as ParseLimit reads it.
func (l Limit) String() string {
	if l.Percent {
		return fmt.Sprintf("%d%%", l.N)
	}
	return strconv.FormatInt(l.N, 10)
}

// Exceeded reports whether there are too many deletions. The share is that of
// base: of what was stored when all was well, and not of what a wrong source has
// added since.
func (l Limit) Exceeded(deletions, base int64) bool {
	if l.Percent {
		// What a plan says is not trusted to be small.
		return float64(deletions)*100 > float64(base)*float64(l.N)
	}
	return deletions > l.N
}
