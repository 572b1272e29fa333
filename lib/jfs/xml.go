package jfs

import (
	"encoding/xml"
	"errors"
	"io"

	"jottatools/lib/record"
)

// maxToken bounds how much of an answer may go by between two entries, in bytes,
// so that a broken answer cannot fill the memory.
const maxToken = 1 << 20

// How much there may be of an answer altogether, in bytes; less in tests.
var (
	// maxDocument is for about one entry.
	maxDocument int64 = 16 << 20
	// maxFolder is for a folder with what is directly in it, which is kept in memory:
	// one with more than a million entries.
	maxFolder int64 = 1 << 30
	// maxListing is for what is handed on entry by entry, and ends up sorted on disk:
	// more than two hundred million of them.
	maxListing int64 = 64 << 30
)

// decoder reads the service's XML element by element, in bounded memory.
type decoder struct {
	*xml.Decoder
	in *boundedReader
	at xml.StartElement // where each is
}

// newDecoder returns a decoder of an answer of at most so many bytes.
func newDecoder(r io.Reader, most int64) *decoder {
	in := &boundedReader{r: &endReader{r: r, left: most}, left: maxToken}
	d := &decoder{Decoder: xml.NewDecoder(in), in: in}
	// The service writes UTF-8, whatever a declaration may say.
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d
}

// boundedReader lets left bytes through.
type boundedReader struct {
	r    io.Reader
	left int
}

var errTokenTooLong = errors.New("the answer has an element of more than a megabyte")

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTokenTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// endReader refuses what is longer than left bytes.
type endReader struct {
	r    io.Reader
	left int64
}

func (e *endReader) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, errEndless
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	return n, err
}

var errEndless error = &Error{Class: record.ClassServer, Message: "the answer does not end; what is at the other end is not the service", Retry: true}

// root returns the start of the document's element.
func (d *decoder) root() (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err == io.EOF {
			err = &xml.SyntaxError{Msg: "it is empty"}
		}
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, nil
		}
	}
}

// entry is called where an entry begins: so much may go by again.
func (d *decoder) entry() { d.in.left = maxToken }

// child returns the start of the next element inside the current one, and io.EOF
// at the end of the current one.
func (d *decoder) child() (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // cannot be: the decoder has a syntax error for it
		}
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t, nil
		case xml.EndElement:
			return xml.StartElement{}, io.EOF
		}
	}
}

// each calls visit for every element inside the current one, whose start is d.at
// and which visit has to leave.
func (d *decoder) each(visit func(name string) error) error {
	for {
		start, err := d.child()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		d.at = start
		if err := visit(start.Name.Local); err != nil {
			return err
		}
	}
}

// text returns what the current element holds, without the elements inside it,
// and leaves it.
func (d *decoder) text() (string, error) {
	var text []byte
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			text = append(text, t...)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return string(text), nil
		}
	}
}
