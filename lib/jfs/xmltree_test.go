package jfs

import (
	"io"
	"strings"
)

// xmlTree is the treeSource that encoding/xml makes, which treeScanner is held
// against.
type xmlTree struct {
	d     *decoder
	depth int // of elements around the next one
}

func newXMLTree(r io.Reader) (*xmlTree, error) {
	d := newDecoder(r, maxListing)
	start, err := d.root()
	if err != nil {
		return nil, err
	}
	if name := start.Name.Local; strings.EqualFold(name, "html") || name == "error" {
		return nil, unexpected(name)
	}
	return &xmlTree{d, 1}, nil
}

// next finds the elements that matter at any depth.
func (x *xmlTree) next(e *treeElement) error {
	x.d.entry()
	for x.depth > 0 {
		start, err := x.d.child()
		if err == io.EOF {
			x.depth--
			continue
		}
		if err != nil {
			return err
		}
		*e = treeElement{}
		switch start.Name.Local {
		case "file":
			e.kind = fileElement
		case "folder":
			e.kind = folderElement
		case "stats":
			e.kind = countsElement
		default:
			x.depth++
			continue
		}
		x.d.entry()
		return x.d.each(func(name string) error {
			text, err := x.d.text()
			if field := e.field(name); field != nil {
				*field = text
			}
			return err
		})
	}
	return io.EOF
}
