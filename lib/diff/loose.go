package diff

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"jottatools/lib/record"
)

// looseKey returns a form of path that is equal for any two paths that some
// service might take for one: under full case folding, Unicode normalisation of
// any form, and collations that ignore accents or spaces at the end.
//
// It errs on the side of equal: its only use is to keep things from deletion.
func looseKey(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = looseName(part)
	}
	return strings.Join(parts, "/")
}

func looseName(name string) string {
	if isPlain(name) {
		name = strings.ToLower(name)
	} else {
		// cases.Fold takes Cherokee letters of either case for different ones.
		name = norm.NFKD.String(cases.Fold().String(norm.NFKD.String(record.Fold(name))))
		name = strings.Map(func(r rune) rune {
			switch {
			case unicode.Is(unicode.Mn, r):
				return -1
			case r == 'ı':
				return 'i'
			}
			return r
		}, cases.Fold().String(name))
	}
	trimmed := strings.TrimRight(name, " .")
	if trimmed == "" || trimmed == "." || trimmed == ".." || strings.Contains(trimmed, "/") {
		// Not a name any more. The separator cannot come out of a
		// decomposition (a fullwidth solidus does), so put it back as a letter.
		trimmed = strings.ReplaceAll("_"+name, "/", "_")
	}
	return trimmed
}

// isPlain reports whether lower-casing ASCII is all the folding a name needs.
func isPlain(name string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
