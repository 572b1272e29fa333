package brake

import "testing"

// FuzzParseLimit: what is read prints as what is read the same, and a brake that
// holds holds all the more for more deletions.
func FuzzParseLimit(f *testing.F) {
	for _, s := range []string{"0", "100", "50%", "101%", "-1", "9223372036854775807"} {
		f.Add(s, int64(5), int64(9))
	}
	f.Fuzz(func(t *testing.T, s string, n, base int64) {
		l, err := ParseLimit(s)
		if err != nil || n < 0 || base < 0 {
			return
		}
		if again, err := ParseLimit(l.String()); err != nil || again != l {
			t.Fatalf("ParseLimit(%q) = %v, then %v, %v", s, l, again, err)
		}
		if n < 1<<62 && l.Exceeded(n, base) && !l.Exceeded(2*n, base) {
			t.Fatalf("%v of %d holds %d, and not twice as many", l, base, n)
		}
	})
}
