package record

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Compare orders paths as streams are ordered: part by part, as if '/' sorted
// before every other byte, each part by its case-folded form first and by its
// bytes second. It returns -1, 0 or 1, and 0 only for equal paths.
//
// A folder therefore comes right before everything in it, and names that
// differ only by case are neighbours.
func Compare(a, b string) int {
	if c, ok := compareQuickly(a, b); ok {
		return c
	}
	return compareParts(a, b)
}

// compareQuickly is Compare for paths of which the first byte that differs tells, as it
// nearly always does: one of them ends there, or is in ASCII and not of the same letter.
// Sorting what is in no order takes two thirds of the time by that (BenchmarkSorter).
func compareQuickly(a, b string) (c int, ok bool) {
	i := shared(a, b)
	switch {
	case i < len(a) && a[i] >= utf8.RuneSelf || i < len(b) && b[i] >= utf8.RuneSelf: // perhaps in the middle of a character
		return 0, false
	case i == len(a) || i == len(b):
		return cmp.Compare(len(a), len(b)), true
	case a[i] == '/':
		return -1, true
	case b[i] == '/':
		return 1, true
	}
	c = cmp.Compare(lower(a[i]), lower(b[i]))
	return c, c != 0
}

// shared returns how many bytes both begin with.
func shared(a, b string) int {
	n, i := min(len(a), len(b)), 0
	for ; n-i >= 8 && eight(a[i:]) == eight(b[i:]); i += 8 {
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// compareParts is Compare for all paths.
func compareParts(a, b string) int {
	for {
		partA, restA, moreA := strings.Cut(a, "/")
		partB, restB, moreB := strings.Cut(b, "/")
		if c := CompareNames(partA, partB); c != 0 {
			return c
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

// CompareNames orders the names of one folder: by [Fold] first, by bytes
// second.
func CompareNames(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			if c := strings.Compare(Fold(a[i:]), Fold(b[i:])); c != 0 {
				return c
			}
			return strings.Compare(a, b)
		}
		if x != y {
			if x, y = lower(x), lower(y); x != y {
				if x < y {
					return -1
				}
				return 1
			}
		}
	}
	// One is the other's beginning, ignoring case.
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return strings.Compare(a, b)
}

// Fold returns the simple case folding of s: names with equal foldings are one
// name to the service, as far as is known (docs/protocol.md, section 13.1).
// Bytes that are not UTF-8 stay as they are.
func Fold(s string) string {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf && (s[i] < 'A' || 'Z' < s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	return string(AppendFold(append(make([]byte, 0, len(s)+8), s[:i]...), s[i:]))
}

// AppendFold adds what [Fold] returns to b.
func AppendFold(b []byte, s string) []byte {
	i := 0
	for i < len(s) {
		if s[i] < utf8.RuneSelf {
			b = append(b, lower(s[i]))
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[i])
		} else {
			b = utf8.AppendRune(b, foldRune(r))
		}
		i += n
	}
	return b
}

// DifferBeyondCase reports whether two paths surely lead to different entries, however the
// service compares names: in the first byte in which they differ they do so by more
// than the case of an ASCII letter. Of other pairs it knows nothing.
func DifferBeyondCase(a, b string) bool {
	i := shared(a, b)
	if i == len(a) || i == len(b) {
		return len(a) != len(b)
	}
	return a[i] < utf8.RuneSelf && b[i] < utf8.RuneSelf && lower(a[i]) != lower(b[i])
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// foldRune maps every rune of a simple-folding orbit to the same one, the
// lower-case form where there is one.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if least == r && unicode.SimpleFold(r) == r {
		return r // alone: İ and ı have lower and upper cases that are not their equals
	}
	return unicode.ToLower(unicode.ToUpper(least))
}
