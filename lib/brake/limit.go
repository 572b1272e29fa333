package brake

import (
	"fmt"
	"strconv"
	"strings"
)

// Limit bounds how much a run may delete or overwrite: a number, or a share of what
// is stored.
type Limit struct {
	N       int64
	Percent bool  // N is a percentage of what is stored
	Spare   int64 // so many are never too many, whatever their share
}

// ParseLimit reads a limit such as "100" or "50%".
func ParseLimit(s string) (Limit, error) {
	number, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || percent && n > 100 {
		return Limit{}, fmt.Errorf("%q is not a limit; write a number, such as 100, or a share of what is stored, such as 50%%", s)
	}
	return Limit{N: n, Percent: percent}, nil
}

// String returns the limit as ParseLimit reads it.
func (l Limit) String() string {
	if l.Percent {
		return fmt.Sprintf("%d%%", l.N)
	}
	return strconv.FormatInt(l.N, 10)
}

// Exceeded reports whether n are too many of base.
func (l Limit) Exceeded(n, base int64) bool {
	if l.Percent {
		// What a plan says is not trusted to be small.
		return float64(n)*100 > float64(base)*float64(l.N)
	}
	return n > l.N
}
