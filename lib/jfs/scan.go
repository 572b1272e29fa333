package jfs

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
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
