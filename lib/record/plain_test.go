package record

import (
	"strings"
	"testing"
)

// TestPlainPrefix holds every byte, at every place, against the table.
func TestPlainPrefix(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			for _, tail := range []string{"", "a", "\x00\xff\"\\\x7f\x1f \x80", strings.Repeat("z", 20)} {
				s := strings.Repeat("b", at) + string([]byte{byte(c)}) + tail
				want := 0
				for want < len(s) && kindOf[s[want]] == plainByte {
					want++
				}
				if got := plainPrefix(s); got != want {
					t.Fatalf("plainPrefix(%q) = %d, want %d", s, got, want)
				}
			}
		}
	}
	if n := plainPrefix(""); n != 0 {
		t.Errorf(`plainPrefix("") = %d`, n)
	}
}
