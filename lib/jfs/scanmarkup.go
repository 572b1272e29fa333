package jfs

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"unicode/utf8"
)

// markup reads what follows a < that is not one of the simple tags.
func (s *treeScanner) markup(capture bool) (scanToken, error) {
	c, err := s.get()
	if err != nil {
		return 0, err
	}
	switch c {
	case '/':
		return endToken, s.endTag()
	case '?':
		return textToken, s.instruction()
	case '!':
		return textToken, s.declaration(capture)
	}
	s.pos--
	return startToken, s.startTag()
}

// name reads a name with or without a prefix and returns it as it is written.
func (s *treeScanner) name() (string, error) {
	s.keep = s.pos
	defer func() { s.keep = -1 }()
	odd := false
	for {
		c, err := s.get()
		if err != nil {
			return "", err
		}
		switch {
		case c >= utf8.RuneSelf, c == ':':
			odd = true
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			s.pos--
			name := string(s.buf[s.keep:s.pos])
			if !isName(name, odd) {
				return "", syntaxError("invalid XML name: " + name)
			}
			return name, nil
		}
	}
}

// isName reports whether a name is one. What letters there are beyond ASCII, and
// what colons mean, encoding/xml knows.
func isName(name string, odd bool) bool {
	if name == "" || '0' <= name[0] && name[0] <= '9' || name[0] == '.' || name[0] == '-' {
		return false
	}
	if !odd {
		return true
	}
	_, err := xml.NewDecoder(strings.NewReader("<" + name + "/>")).Token()
	return err == nil
}

// local returns a name without its prefix, as encoding/xml cuts it.
func local(name string) string {
	if prefix, rest, found := strings.Cut(name, ":"); found && prefix != "" && rest != "" {
		return rest
	}
	return name
}

// space passes over white space and returns the byte after it.
func (s *treeScanner) space() (byte, error) {
	for {
		c, err := s.get()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
	}
}

func (s *treeScanner) endTag() error {
	name, err := s.name()
	if err != nil {
		return err
	}
	c, err := s.space()
	switch {
	case err != nil:
		return err
	case c != '>':
		return syntaxError("invalid characters between </" + name + " and >")
	case len(s.opened) == 0:
		return syntaxError("unexpected end element </" + name + ">")
	}
	if open := s.names[s.opened[len(s.opened)-1]:]; string(open) != name {
		return syntaxError("element <" + string(open) + "> closed by </" + name + ">")
	}
	s.pop()
	return nil
}

func (s *treeScanner) startTag() error {
	name, err := s.name()
	if err != nil {
		return err
	}
	for {
		c, err := s.space()
		if err != nil {
			return err
		}
		switch c {
		case '/':
			if c, err = s.get(); err != nil {
				return err
			}
			if c != '>' {
				return syntaxError("expected /> in element")
			}
			s.isEmpty = true
			fallthrough
		case '>':
			s.push([]byte(name))
			s.local = []byte(local(name))
			return nil
		}
		s.pos--
		if err := s.attribute(); err != nil {
			return err
		}
	}
}

func (s *treeScanner) attribute() error {
	if _, err := s.name(); err != nil {
		return err
	}
	c, err := s.space()
	if err != nil {
		return err
	}
	if c != '=' {
		return syntaxError("attribute name without = in element")
	}
	if c, err = s.space(); err != nil {
		return err
	}
	if c != '"' && c != '\'' {
		return syntaxError("unquoted or missing attribute value in element")
	}
	value, err := s.until(string(c))
	if err != nil {
		return err
	}
	return s.take(value, inValue, false)
}

// instruction passes over a processing instruction; of the document's own one
// it looks at the version.
func (s *treeScanner) instruction() error {
	// Unlike those of elements, the target may have any number of colons.
	s.keep = s.pos
	var target []byte
	for {
		c, err := s.get()
		if err != nil {
			s.keep = -1
			return err
		}
		if c < utf8.RuneSelf && !(('a' <= c|0x20 && c|0x20 <= 'z') || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-' || c == ':') {
			s.pos--
			target = bytes.Clone(s.buf[s.keep:s.pos])
			s.keep = -1
			break
		}
	}
	data, err := s.until("?>")
	if err != nil {
		return err
	}
	// encoding/xml knows what targets and versions there are. The encoding is
	// UTF-8 whatever it says.
	if string(target) == "xml" && bytes.Contains(data, []byte("version")) || !isPlainName(target) || len(target) == 0 {
		d := xml.NewDecoder(strings.NewReader("<?" + string(target) + string(data) + "?>"))
		d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
		if _, err := d.RawToken(); err != nil {
			return err
		}
	}
	return nil
}

// declaration passes over what begins with <!, and reads CDATA.
func (s *treeScanner) declaration(capture bool) error {
	c, err := s.get()
	if err != nil {
		return err
	}
	switch c {
	case '-':
		if c, err = s.get(); err != nil {
			return err
		}
		if c != '-' {
			return syntaxError("invalid sequence <!- not part of <!--")
		}
		if _, err := s.until("--"); err != nil {
			return err
		}
		if c, err = s.get(); err != nil {
			return err
		}
		if c != '>' {
			return syntaxError(`invalid sequence "--" not allowed in comments`)
		}
		return nil
	case '[':
		for _, want := range []byte("CDATA[") {
			if c, err = s.get(); err != nil {
				return err
			}
			if c != want {
				return syntaxError("invalid <![ sequence")
			}
		}
		data, err := s.until("]]>")
		if err != nil {
			return err
		}
		return s.take(data, inCDATA, capture)
	}
	return s.directive()
}

// directive passes over <!DOCTYPE …> and the like, whose first byte has been read:
// brackets in quotes and in comments do not count.
func (s *treeScanner) directive() error {
	quote, depth := byte(0), 0
	for {
		c, err := s.get()
		if err != nil {
			return err
		}
		if quote == 0 && c == '>' && depth == 0 {
			return nil
		}
		for again := true; again; {
			again = false
			switch {
			case c == quote:
				quote = 0
			case quote != 0:
			case c == '\'', c == '"':
				quote = c
			case c == '>':
				depth--
			case c == '<':
				isComment := true
				for _, want := range []byte("!--") {
					if c, err = s.get(); err != nil {
						return err
					}
					if c != want {
						depth++
						isComment, again = false, true // c has yet to be looked at
						break
					}
				}
				if isComment {
					if _, err := s.until("-->"); err != nil {
						return err
					}
				}
			}
		}
	}
}
