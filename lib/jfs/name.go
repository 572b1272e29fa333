package jfs

import (
	"strings"
	"unicode/utf8"

	"jottatools/lib/record"
)

// The service refuses some characters in names. They are replaced by
// look-alikes, by the same rules as rclone uses, so that the files are the same
// in every client (docs/protocol.md, section 13.2). A look-alike that occurs
// literally is quoted with [quote].

// maxName is the longest name the service takes, in code points
// (docs/protocol.md, section 12).
const maxName = 255

// quote marks the next character as literal, or two hex digits as a byte that
// was not UTF-8.
const quote = '‛' // U+201B

// A mapping replaces characters by look-alikes.
type mapping struct {
	covers  [utf8.RuneSelf]bool // the characters that are replaced
	invalid bool                // bytes that are not UTF-8 become a quote and two hex digits
}

var (
	// serviceNames is what the service needs.
	serviceNames = newMapping("\x01\x02\x03\x04\x05\x06\x07\x08\t\n\v\f\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\x00/\"*:<>?|%", true)
	// diskNames is what a Unix disk needs.
	diskNames = newMapping("\x00/", false)
)

func newMapping(covers string, invalid bool) *mapping {
	m := &mapping{invalid: invalid}
	for _, c := range []byte(covers) {
		m.covers[c] = true
	}
	return m
}

// WireName returns the name under which the service keeps a local file called
// local. Different local names can share one wire name, but only if they hold
// the character ‛; see [LocalName].
//
// The error is an [*Error] of class name_invalid, also for the two characters that
// XML cannot hold (U+FFFE, U+FFFF), or name_too_long when the result has more than
// 255 characters.
func WireName(local string) (string, error) {
	if plain(local) {
		if len(local) <= maxName {
			return local, nil
		}
		return "", nameTooLong(local, len(local))
	}
	if local == "" || local == "." || local == ".." || strings.ContainsAny(local, "/\x00") {
		return "", &Error{Class: record.ClassNameInvalid, Message: "the name " + quoted(local) + " cannot be the name of a file"}
	}
	if strings.ContainsAny(local, "\uFFFE\uFFFF") {
		return "", &Error{Class: record.ClassNameInvalid, Message: "the name " + quoted(local) + " holds a character that no answer of the service could carry; rename it"}
	}
	wire := serviceNames.encode(diskNames.decode(local))
	if len(wire) > maxName {
		if n := utf8.RuneCountInString(wire); n > maxName {
			return "", nameTooLong(local, n)
		}
	}
	return wire, nil
}

// LocalName returns the name that a file kept by the service as wire has on a
// local disk. WireName(LocalName(wire)) is wire again, unless another client
// made up the name without following the rules; see [Entry.Foreign].
func LocalName(wire string) string {
	if plain(wire) {
		return wire
	}
	return diskNames.encode(serviceNames.decode(wire))
}

// CheckName returns the name that a local file called local comes back with from
// the service. The error is that of [WireName], or of class name_invalid if that is
// another one: names that hold ‛ may stand for the same file on the service as
// others (docs/protocol.md, section 13.2).
func CheckName(local string) (listed string, err error) {
	wire, err := WireName(local)
	if err != nil {
		return local, err
	}
	if listed = LocalName(wire); listed != local {
		err = &Error{Class: record.ClassNameInvalid, Message: "the name " + quoted(local) + " would come back from the service as " + quoted(listed) + ", since ‛ quotes other characters there; rename it"}
	}
	return listed, err
}

// plain reports whether no rule touches the name, as is so for most.
func plain(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= utf8.RuneSelf || serviceNames.covers[c] {
			return false
		}
	}
	return name != "" && name != "." && name != ".."
}

func nameTooLong(local string, n int) error {
	return &Error{
		Class:   record.ClassNameTooLong,
		Message: "the name " + quoted(local) + " has " + itoa(n) + " characters; the service takes at most " + itoa(maxName),
	}
}

// encode replaces what the mapping covers.
func (m *mapping) encode(name string) string {
	switch name {
	case ".":
		return "．"
	case "..":
		return "．．"
	case "．":
		return "‛．"
	case "．．":
		return "‛．‛．"
	}
	var b strings.Builder
	b.Grow(len(name) + 16)
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			if !m.invalid {
				b.WriteByte(name[i])
				break
			}
			const hex = "0123456789ABCDEF"
			b.WriteRune(quote)
			b.WriteByte(hex[name[i]>>4])
			b.WriteByte(hex[name[i]&15])
		case r < utf8.RuneSelf && m.covers[r]:
			b.WriteRune(lookalike(byte(r)))
		case r == quote || m.isLookalike(r):
			b.WriteRune(quote)
			b.WriteRune(r)
		default:
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// decode undoes encode, and leaves what encode never writes as it is.
func (m *mapping) decode(name string) string {
	switch name {
	case "．":
		return "."
	case "．．":
		return ".."
	case "‛．":
		return "．"
	case "‛．‛．":
		return "．．"
	}
	var b strings.Builder
	b.Grow(len(name))
	isQuoted := false
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		wasQuoted := isQuoted
		isQuoted = false
		switch {
		case r == quote && !wasQuoted:
			isQuoted = true
		case r == quote:
			b.WriteRune(quote)
		case m.isLookalike(r) && wasQuoted:
			b.WriteRune(r)
		case m.isLookalike(r):
			b.WriteByte(original(r))
		case wasQuoted && m.invalid && i+1 < len(name) && isHex(name[i]) && isHex(name[i+1]):
			b.WriteByte(unhex(name[i])<<4 | unhex(name[i+1]))
			n = 2
		default:
			if wasQuoted {
				b.WriteRune(quote)
			}
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	if isQuoted {
		b.WriteRune(quote)
	}
	return b.String()
}

// lookalike returns the character that stands for c: a control picture for a
// control character, else the full-width form.
func lookalike(c byte) rune {
	switch {
	case c == 0x7f:
		return '␡'
	case c < 0x20:
		return '␀' + rune(c)
	}
	return rune(c) + 0xfee0
}

func (m *mapping) isLookalike(r rune) bool {
	switch {
	case r == '␡', '␀' <= r && r <= '␟', '！' <= r && r <= '～':
		return m.covers[original(r)]
	}
	return false
}

// original is the inverse of lookalike.
func original(r rune) byte {
	switch {
	case r == '␡':
		return 0x7f
	case r <= '␟':
		return byte(r - '␀')
	}
	return byte(r - 0xfee0)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
