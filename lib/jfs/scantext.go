package jfs

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// place is where a piece of text stands.
type place int

const (
	inText place = iota
	inCDATA
	inValue // of an attribute
)

// isPlainByte is true for what stands for itself in text and needs no second look.
var isPlainByte = func() (plain [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		plain[c] = c != '&' && c != ']' && c != '<'
	}
	plain['\t'], plain['\n'] = true, true
	return plain
}()

// take checks a piece of text and, if capture is set, adds what it stands for to
// s.text.
func (s *treeScanner) take(raw []byte, where place, capture bool) error {
	plain := 0
	for plain < len(raw) && isPlainByte[raw[plain]] {
		plain++
	}
	before := len(s.text)
	s.text = append(s.text, raw[:plain]...)
	if plain < len(raw) {
		if err := s.decode(raw[plain:], where); err != nil {
			return err
		}
	}
	if !capture {
		s.text = s.text[:before]
	}
	return nil
}

// decode adds text that is not plain to s.text. What is before it is plain.
func (s *treeScanner) decode(raw []byte, where place) error {
	start := len(s.text)
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '&' && where != inCDATA:
			n, r, ok := reference(raw[i:])
			if !ok {
				return syntaxError("invalid character entity")
			}
			s.text = utf8.AppendRune(s.text, r)
			i += n - 1
		case c == '>' && where == inText && i >= 2 && raw[i-1] == ']' && raw[i-2] == ']':
			return syntaxError("unescaped ]]> not in CDATA section")
		case c == '<' && where == inValue:
			return syntaxError("unescaped < inside quoted string")
		case c == '\r':
			s.text = append(s.text, '\n')
		case c == '\n' && i > 0 && raw[i-1] == '\r':
		default:
			s.text = append(s.text, c)
		}
	}
	for rest := s.text[start:]; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			return syntaxError("invalid UTF-8")
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return syntaxError("illegal character code " + strconv.QuoteRuneToASCII(r))
		}
		rest = rest[n:]
	}
	return nil
}

// reference reads the reference to a character that raw begins with, and returns
// its length and what it stands for.
func reference(raw []byte) (n int, r rune, ok bool) {
	end := bytes.IndexByte(raw, ';')
	if end < 0 {
		return 0, 0, false
	}
	name := string(raw[1:end])
	switch name {
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "amp":
		r = '&'
	case "apos":
		r = '\''
	case "quot":
		r = '"'
	default:
		digits, isNumber := strings.CutPrefix(name, "#")
		base := 10
		if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
			digits, base = hex, 16
		}
		code, err := strconv.ParseUint(digits, base, 64)
		if !isNumber || err != nil || code > unicode.MaxRune {
			return 0, 0, false
		}
		r = rune(code)
	}
	return end + 1, r, true
}
