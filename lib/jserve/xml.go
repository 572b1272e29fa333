package jserve

import (
	"unicode/utf8"
)

// xmlWriter builds XML in memory, indented by two spaces as the service does.
// Whoever writes much empties buf now and then. encoding/xml would need the
// whole listing as a value.
type xmlWriter struct {
	buf   []byte
	depth int
	flat  bool // no indentation: liststream is one line
}

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>`

func newXML() *xmlWriter {
	return &xmlWriter{buf: append(make([]byte, 0, 1024), xmlHeader+"\n"...)}
}

// preserve is the attribute on elements whose text people chose.
var preserve = []string{"xml:space", "preserve"}

// start writes <name and its attributes, given as names and values in turn.
func (x *xmlWriter) start(name string, attrs []string) {
	if !x.flat {
		for range x.depth {
			x.buf = append(x.buf, ' ', ' ')
		}
	}
	x.buf = append(append(x.buf, '<'), name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		x.buf = append(append(append(x.buf, ' '), attrs[i]...), '=', '"')
		x.buf = append(appendEscaped(x.buf, attrs[i+1]), '"')
	}
}

func (x *xmlWriter) newline() {
	if !x.flat {
		x.buf = append(x.buf, '\n')
	}
}

// open begins an element with children.
func (x *xmlWriter) open(name string, attrs ...string) {
	x.start(name, attrs)
	x.buf = append(x.buf, '>')
	x.newline()
	x.depth++
}

// close ends it.
func (x *xmlWriter) close(name string) {
	x.depth--
	if !x.flat {
		for range x.depth {
			x.buf = append(x.buf, ' ', ' ')
		}
	}
	x.buf = append(append(append(x.buf, '<', '/'), name...), '>')
	x.newline()
}

// leaf writes an element with text.
func (x *xmlWriter) leaf(name, text string, attrs ...string) {
	x.start(name, attrs)
	x.buf = appendEscaped(append(x.buf, '>'), text)
	x.buf = append(append(append(x.buf, '<', '/'), name...), '>')
	x.newline()
}

// empty writes an element with attributes only.
func (x *xmlWriter) empty(name string, attrs ...string) {
	x.start(name, attrs)
	x.buf = append(x.buf, '/', '>')
	x.newline()
}

// appendEscaped writes text for use in elements and attributes. What XML cannot
// hold becomes U+FFFD; no name in the store has such characters.
func appendEscaped(b []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		esc := ""
		switch {
		case r == '&':
			esc = "&amp;"
		case r == '<':
			esc = "&lt;"
		case r == '>':
			esc = "&gt;"
		case r == '"':
			esc = "&quot;"
		case r == '\t':
			esc = "&#x9;"
		case r == '\n':
			esc = "&#xA;"
		case r == '\r':
			esc = "&#xD;"
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError && n == 1:
			esc = "\uFFFD"
		}
		if esc != "" {
			b = append(append(b, s[done:i]...), esc...)
			done = i + n
		}
		i += n
	}
	return append(b, s[done:]...)
}
