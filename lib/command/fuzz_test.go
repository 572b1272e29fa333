package command

import (
	"math"
	"strings"
	"testing"
)

// FuzzFlags: what a flag takes is in its bounds, and means the same when it is printed
// and read again.
func FuzzFlags(f *testing.F) {
	for _, s := range []string{"", "0", "10M", "1.5G", "-1", "1e30", "NaN", "Inf", "99999999999T", "0x10", "1_000", " 1", "1 kB", "true", "a/**/*.jpg", "[a-c]/{b,c}?", `a\[`, "a/../b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var p patterns
		if p.Set(s) == nil {
			if path := strings.TrimRight(s, "/"); !p.match(path) || !p.match(path+"/x") {
				t.Fatalf("the pattern %q does not match itself", s)
			}
			p.match("a/[b]/c.jpg")
		}
		var n, again size
		if n.Set(s) == nil && (n < 0 || again.Set(n.String()) != nil || again != n) {
			t.Fatalf("the size %q is %d, then %d", s, n, again)
		}
		var j, j2 jobs
		if j.Set(s) == nil && (j < 1 || j2.Set(j.String()) != nil || j2 != j) {
			t.Fatalf("the number %q is %d, then %d", s, j, j2)
		}
		var r, r2 perSecond
		if r.Set(s) == nil && (!(r >= 0) || math.IsInf(float64(r), 0) || r2.Set(r.String()) != nil || r2 != r) {
			t.Fatalf("the rate %q is %v, then %v", s, r, r2)
		}
	})
}
