package brake

import (
	"math"
	"testing"
)

func TestParseLimit(t *testing.T) {
	for s, want := range map[string]Limit{"0": {N: 0}, "100": {N: 100}, "50%": {N: 50, Percent: true}, "100%": {N: 100, Percent: true}} {
		if got, err := ParseLimit(s); err != nil || got != want || got.String() != s {
			t.Errorf("ParseLimit(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "%", "-1", "101%", "x", "5 %", "1.5%"} {
		if got, err := ParseLimit(s); err == nil {
			t.Errorf("ParseLimit(%q) = %v, want an error", s, got)
		}
	}
}

// TestLimitExceeded looks around every bound, and at numbers that a product of which
// would overflow.
func TestLimitExceeded(t *testing.T) {
	for _, test := range []struct {
		limit     string
		n, stored int64
		want      bool
	}{
		{"0", 0, 9, false},
		{"0", 1, 9, true},
		{"5", 5, 9, false},
		{"5", 6, 9, true},
		{"50%", 4, 8, false},
		{"50%", 5, 8, true},
		{"50%", 4, 7, true},
		{"100%", 8, 8, false},
		{"100%", 1, 0, true},
		{"100%", 9, 8, true},
		{"0%", 0, 0, false},
		{"0%", 1, 9, true},
		{"99%", math.MaxInt64, math.MaxInt64, true},
		{"100%", math.MaxInt64, math.MaxInt64, false},
		{"50%", 1, math.MaxInt64, false},
	} {
		l, err := ParseLimit(test.limit)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Exceeded(test.n, test.stored); got != test.want {
			t.Errorf("%v: Exceeded(%d, %d) = %v, want %v", l, test.n, test.stored, got, test.want)
		}
	}
}
