package store

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name in code points (docs/protocol.md, section 12).
const MaxName = 255

// CheckName tells whether the service takes name for a new entry. The error is
// an ErrInvalid that says why not. Source: docs/protocol.md, section 13.1.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty name", ErrInvalid)
	case name == "." || name == "..":
		return fmt.Errorf("%w: name %q", ErrInvalid, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: name is not valid UTF-8", ErrInvalid)
	case utf8.RuneCountInString(name) > MaxName:
		return fmt.Errorf("%w: JFS file names may not be longer than %d characters", ErrInvalid, MaxName)
	}
	for _, r := range name {
		switch {
		case r < 0x20 || r == 0x7F:
			return fmt.Errorf("%w: control character U+%04X in name", ErrInvalid, r)
		case r == '\uFFFE' || r == '\uFFFF': // no XML answer could carry it
			return fmt.Errorf("%w: character U+%04X in name", ErrInvalid, r)
		}
		switch r {
		case '/', '"', '*', ':', '<', '>', '?', '|', '%':
			return fmt.Errorf("%w: character %q in name", ErrInvalid, r)
		}
	}
	return nil
}

// Fold returns the form under which names are compared: two names are the same
// to the service when their folds are equal. It is Unicode simple case folding
// and nothing else: no accents, no normalisation (docs/protocol.md, section
// 13.1). Each character becomes the smallest of its folding orbit, which for
// letters is the capital, so that folds sort as listings do.
func Fold(name string) string {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'a' <= c && c <= 'z' {
			return string(appendFold(make([]byte, 0, len(name)+8), name))
		}
	}
	return name
}

func appendFold(b []byte, name string) []byte {
	for i, r := range name {
		switch {
		case 'a' <= r && r <= 'z':
			b = append(b, byte(r)-'a'+'A')
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r == utf8.RuneError:
			// Keep the byte of invalid UTF-8 as it is; U+FFFD itself has no case.
			_, n := utf8.DecodeRuneInString(name[i:])
			b = append(b, name[i:i+n]...)
		default:
			b = utf8.AppendRune(b, foldRune(r))
		}
	}
	return b
}

func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}
