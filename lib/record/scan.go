package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// eachMember calls f for each member of the JSON object in line: its key with
// escapes resolved, its value, and the member as it stands.
func eachMember(line string, f func(key, value, member string) error) error {
	if !utf8.ValidString(line) {
		return errors.New("the line is not UTF-8; a name that is not UTF-8 belongs into path_raw")
	}
	s := scanner{text: line}
	if !s.take('{') {
		return s.notJSON()
	}
	if s.take('}') {
		return s.end()
	}
	for {
		s.space()
		start := s.at
		s.escaped = false
		if !s.str() {
			return s.notJSON()
		}
		key := line[start+1 : s.at-1]
		if s.escaped {
			var err error
			if key, err = unescape[string](line[start:s.at]); err != nil {
				return s.notJSON()
			}
		}
		if !s.take(':') {
			return s.notJSON()
		}
		s.space()
		value := s.at
		if !s.value(0) {
			return s.notJSON()
		}
		if err := f(key, line[value:s.at], line[start:s.at]); err != nil {
			return err
		}
		switch {
		case s.take(','):
		case s.take('}'):
			return s.end()
		default:
			return s.notJSON()
		}
	}
}

// scanner walks over JSON text, checking its grammar (RFC 8259).
type scanner struct {
	text    string
	at      int
	escaped bool // there was an escape
	deep    bool // it is nested too deep
}

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack.
const maxDepth = 100

func (s *scanner) notJSON() error {
	if s.deep {
		return fmt.Errorf("the line is nested more than %d levels deep", maxDepth)
	}
	if s.at >= len(s.text) {
		return errors.New("the line is not a whole JSON object: it stops short")
	}
	return fmt.Errorf("the line is not a JSON object: unexpected %s at column %d", clip(strconv.QuoteRune(rune(s.text[s.at]))), s.at+1)
}

func (s *scanner) end() error {
	s.space()
	if s.at < len(s.text) {
		return s.notJSON()
	}
	return nil
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\r' || s.text[s.at] == '\n') {
		s.at++
	}
}

// take takes c, and white space before it.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c { // as nearly always
		s.at++
		return true
	}
	return s.takeSpaced(c)
}

func (s *scanner) takeSpaced(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) str() bool {
	if s.at >= len(s.text) || s.text[s.at] != '"' {
		return false
	}
	for s.at++; ; s.at++ {
		s.at += plainPrefix(s.text[s.at:])
		if s.at >= len(s.text) {
			return false
		}
		switch kindOf[s.text[s.at]] {
		case quoteByte:
			s.at++
			return true
		case controlByte:
			return false
		case backslashByte:
			if !s.escape() {
				return false
			}
		}
	}
}

// escape takes an escape up to its last byte.
func (s *scanner) escape() bool {
	s.escaped = true
	s.at++
	if s.at >= len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.at++
			if s.at >= len(s.text) || !isHex(s.text[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (s *scanner) value(depth int) bool {
	s.deep = depth > maxDepth
	if s.at >= len(s.text) || s.deep {
		return false
	}
	switch s.text[s.at] {
	case '"':
		return s.str()
	case '{':
		return s.list('}', depth, true)
	case '[':
		return s.list(']', depth, false)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.num()
}

func (s *scanner) list(closing byte, depth int, keyed bool) bool {
	s.at++
	if s.take(closing) {
		return true
	}
	for {
		s.space()
		if keyed && (!s.str() || !s.take(':')) {
			return false
		}
		s.space()
		if !s.value(depth + 1) {
			return false
		}
		if s.take(closing) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) word(w string) bool {
	if strings.HasPrefix(s.text[s.at:], w) {
		s.at += len(w)
		return true
	}
	return false
}

func (s *scanner) num() bool {
	if s.text[s.at] == '-' {
		s.at++
	}
	zero := s.at < len(s.text) && s.text[s.at] == '0'
	whole := s.digits()
	if whole == 0 || zero && whole > 1 {
		return false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return false
		}
	}
	if s.at < len(s.text) && s.text[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return false
		}
	}
	return true
}

func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at - start
}
