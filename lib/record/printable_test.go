package record

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"a b/ä 日本\u3000語 🎞\ufe0f \\", "a b/ä 日本\u3000語 🎞\ufe0f \\"},
		{"\x1b[2J\a\b\x7f\x00", `\x1b[2J\x07\x08\x7f\x00`},
		{"a\nb\rc\td", `a\x0ab\x0dc\x09d`},
		{"\u009b31m\u0085", `\u009b31m\u0085`}, // CSI and NEL in one character
		{"photo\u202egpj.exe", `photo\u202egpj.exe`},
		{"\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069", `\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069`},
		{"\u200b\u200c\u200d\u200e\u200f\u061c", `\u200b\u200c\u200d\u200e\u200f\u061c`},
		{"\u2028\u2029\u2060\ufeff\u00ad", `\u2028\u2029\u2060\ufeff\u00ad`},
		{"\u034f\u115f\u3164\uffa0", `\u034f\u115f\u3164\uffa0`},
		{"\U000e0001\U000e0061", `\U000e0001\U000e0061`}, // tags
		{"caf\xe9 \xff\xf0\x9f", `caf\xe9 \xff\xf0\x9f`},
		{"\ufffd", "\ufffd"},
	} {
		if got := Printable(test.in); got != test.want {
			t.Errorf("Printable(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzPrintable holds that nothing is left that a terminal obeys, that what is
// there twice over changes nothing, and that plain text stays as it is.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"a", "\x1b[2J", "\u202e\u009b", "\xff\xc2\x9b", `\x1b`, "日本\ufe0f\U000e0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if !utf8.ValidString(got) || strings.IndexFunc(got, Hidden) >= 0 {
			t.Errorf("Printable(%q) = %q", s, got)
		}
		if again := Printable(got); again != got {
			t.Errorf("Printable(%q) = %q", got, again)
		}
		if plain := utf8.ValidString(s) && strings.IndexFunc(s, Hidden) < 0; plain != (got == s) {
			t.Errorf("Printable(%q) = %q", s, got)
		}
	})
}
