package jfs

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
)

// treeScanner is the treeSource that reads the service's XML by hand: a listing of
// an account is the largest thing that is ever read, and encoding/xml takes most of
// the time for it. It takes and refuses exactly what encoding/xml does; the fuzz
// test holds the two together. What is rare (attributes, declarations, comments,
// names that are not ASCII) goes byte by byte.
type treeScanner struct {
	in   io.Reader
	buf  []byte
	pos  int // of the next byte
	keep int // bytes from here on stay when buf is filled; -1: from pos on
	left int // bytes that may yet be read before the next entry; see maxToken
	err  error

	names   []byte // of the open elements, one after the other, as they are written
	opened  []int  // where each begins
	isEmpty bool   // the current element ends where it began

	local []byte // name of the element that began last; until the next call
	text  []byte // captured
}

// scanBuffer is how much is read at a time, in bytes.
const scanBuffer = 64 << 10

func newTreeScanner(r io.Reader) (*treeScanner, error) {
	s := &treeScanner{in: r, buf: make([]byte, 0, scanBuffer), keep: -1, left: maxToken}
	for {
		switch t, err := s.token(false); {
		case err == io.EOF:
			return nil, syntaxError("it is empty")
		case err != nil:
			return nil, err
		case t == startToken:
			if name := string(s.local); strings.EqualFold(name, "html") || name == "error" {
				return nil, unexpected(name)
			}
			return s, nil
		}
	}
}

func syntaxError(message string) error { return &xml.SyntaxError{Msg: message} }

// next finds the elements that matter at any depth.
func (s *treeScanner) next(e *treeElement) error {
	s.left = maxToken
	for len(s.opened) > 0 {
		t, err := s.token(false)
		if err != nil {
			return err
		}
		if t != startToken {
			continue
		}
		*e = treeElement{}
		switch string(s.local) {
		case "file":
			e.kind = fileElement
		case "folder":
			e.kind = folderElement
		case "stats":
			e.kind = countsElement
		default:
			continue
		}
		return s.fields(e)
	}
	return io.EOF
}

// fields reads the elements inside e, and leaves it. Their texts are cut from one
// string.
func (s *treeScanner) fields(e *treeElement) error {
	type span struct {
		field    *string
		from, to int
	}
	var spans [8]span
	found := spans[:0]
	s.text = s.text[:0]
	s.left = maxToken
	for {
		if name, text, ok := s.leaf(); ok {
			if field := e.field(string(name)); field != nil {
				found = append(found, span{field, len(s.text), len(s.text) + len(text)})
				s.text = append(s.text, text...)
			}
			continue
		}
		t, err := s.token(false)
		if err != nil {
			return err
		}
		if t == endToken {
			break
		}
		if t != startToken {
			continue
		}
		field, from := e.field(string(s.local)), len(s.text)
		for depth := 0; depth >= 0; {
			t, err := s.token(field != nil && depth == 0)
			if err != nil {
				return err
			}
			switch t {
			case startToken:
				depth++
			case endToken:
				depth--
			}
		}
		if field != nil {
			found = append(found, span{field, from, len(s.text)})
		}
	}
	all := string(s.text)
	for _, f := range found {
		*f.field = all[f.from:f.to]
	}
	return nil
}

// leaf reads an element that is a plain name with plain text in it, at one go: this
// is what entries are made of, and as three tokens it takes twice as long
// (BenchmarkTreeSource). Of anything else, and of what is not in the buffer whole, it
// reads nothing and returns false.
func (s *treeScanner) leaf() (name, text []byte, ok bool) {
	rest := s.buf[s.pos:]
	if s.isEmpty || len(rest) == 0 || rest[0] != '<' {
		return nil, nil, false
	}
	end := bytes.IndexByte(rest, '>')
	if end < 2 || !isPlainName(rest[1:end]) {
		return nil, nil, false
	}
	name, rest = rest[1:end], rest[end+1:]
	n := 0
	for n < len(rest) && isPlainByte[rest[n]] {
		n++
	}
	text, rest = rest[:n], rest[n:]
	tag := len("</>") + len(name)
	if len(rest) < tag || rest[0] != '<' || rest[1] != '/' || rest[tag-1] != '>' || string(rest[2:tag-1]) != string(name) {
		return nil, nil, false
	}
	s.pos = len(s.buf) - len(rest) + tag
	return name, text, true
}

type scanToken int

const (
	textToken scanToken = iota // also what is passed over: comments and the like
	startToken
	endToken
)

// token reads one token. Text is added to s.text if capture is set.
func (s *treeScanner) token(capture bool) (scanToken, error) {
	if s.isEmpty {
		s.isEmpty = false
		s.pop()
		return endToken, nil
	}
	if s.pos == len(s.buf) && !s.fill() {
		return 0, s.atEnd()
	}
	if s.buf[s.pos] != '<' {
		return textToken, s.chars(capture)
	}
	// The tags that all listings are made of: no more than a name.
	if i := bytes.IndexByte(s.buf[s.pos:], '>'); i > 1 {
		tag := s.buf[s.pos+1 : s.pos+i]
		if tag[0] == '/' {
			if len(s.opened) > 0 && string(tag[1:]) == string(s.names[s.opened[len(s.opened)-1]:]) {
				s.pos += i + 1
				s.pop()
				return endToken, nil
			}
		} else if isPlainName(tag) {
			s.pos += i + 1
			s.push(tag)
			s.local = tag
			return startToken, nil
		}
	}
	s.pos++
	return s.markup(capture)
}

// isPlainName reports whether a tag is a name of ASCII letters and digits, as are
// all that the service writes.
func isPlainName(tag []byte) bool {
	for i, c := range tag {
		isLetter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !isLetter && (i == 0 || c < '0' || '9' < c) {
			return false
		}
	}
	return true
}

func (s *treeScanner) push(name []byte) {
	s.opened = append(s.opened, len(s.names))
	s.names = append(s.names, name...)
}

func (s *treeScanner) pop() {
	last := len(s.opened) - 1
	s.names = s.names[:s.opened[last]]
	s.opened = s.opened[:last]
}

// fill reads more, and reports whether there was any. What is before pos goes,
// unless it is to be kept.
func (s *treeScanner) fill() bool {
	if s.err == nil && s.left <= 0 {
		s.err = errTokenTooLong
	}
	if s.err != nil {
		return false
	}
	from := s.pos
	if s.keep >= 0 {
		from = s.keep
	}
	if from > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[from:])]
		s.pos -= from
		if s.keep >= 0 {
			s.keep = 0
		}
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	room := s.buf[len(s.buf):cap(s.buf)]
	for range 100 {
		n, err := s.in.Read(room[:min(len(room), s.left)])
		s.left -= n
		s.buf = s.buf[:len(s.buf)+n]
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// atEnd is the error of an input that ends here.
func (s *treeScanner) atEnd() error {
	if s.err == io.EOF && len(s.opened) > 0 {
		return syntaxError("unexpected EOF")
	}
	return s.err
}

// get returns the next byte, which there must be.
func (s *treeScanner) get() (byte, error) {
	if s.pos == len(s.buf) && !s.fill() {
		if s.err == io.EOF {
			return 0, syntaxError("unexpected EOF")
		}
		return 0, s.err
	}
	c := s.buf[s.pos]
	s.pos++
	return c, nil
}

// until reads up to and including the next end, and returns what is before it.
func (s *treeScanner) until(end string) ([]byte, error) {
	s.keep = s.pos
	defer func() { s.keep = -1 }()
	for searched := 0; ; {
		// s.keep moves when the buffer is filled.
		if i := bytes.Index(s.buf[s.keep+searched:], []byte(end)); i >= 0 {
			text := s.buf[s.keep : s.keep+searched+i]
			s.pos = s.keep + searched + i + len(end)
			return text, nil
		}
		searched = max(len(s.buf)-s.keep-len(end)+1, 0)
		s.pos = len(s.buf)
		if !s.fill() {
			if s.err == io.EOF {
				return nil, syntaxError("unexpected EOF")
			}
			return nil, s.err
		}
	}
}

// chars reads text up to the next tag, or the end of the input.
func (s *treeScanner) chars(capture bool) error {
	s.keep = s.pos
	defer func() { s.keep = -1 }()
	for {
		if i := bytes.IndexByte(s.buf[s.pos:], '<'); i >= 0 {
			s.pos += i
			break
		}
		s.pos = len(s.buf)
		if !s.fill() {
			break
		}
	}
	return s.take(s.buf[s.keep:s.pos], inText, capture)
}
