package jfs

import (
	"cmp"
	"context"
	"io"
	"iter"
	"net/http"
	"strings"

	"jottatools/lib/record"
)

// ListAll returns every entry below the folder or mount point at p in one
// request and in constant memory: unlike [Client.ListTree] also what is in the
// trash, unfinished or damaged, and it can be asked of a folder in the trash. Each
// folder comes before the files directly in it. The service is slow with it, and
// it knows no counts: an answer is whole if its end is there.
//
// An error ends the sequence. Errors: ErrNotExist; ErrExist if p is a file;
// ErrListing if it is not about p. Source: docs/protocol.md, section 6.8.
func (c *Client) ListAll(ctx context.Context, p Path) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := c.listAll(ctx, p, yield); err != nil && err != errStopped {
			yield(Entry{}, err)
		}
	}
}

func (c *Client) listAll(ctx context.Context, p Path, yield func(Entry, error) bool) error {
	if p.Depth() < 2 {
		return &Error{Op: opTree, Path: p, Class: record.ClassNotFound, Message: "only mount points and what is in them can be listed as a tree"}
	}
	parts, err := p.parts()
	if err != nil {
		return atPath(opTree, p, err)
	}
	address, err := c.entryURL(ctx, opTree, p, "mode=list")
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{op: opTree, path: p, method: http.MethodGet, url: address})
	if err != nil {
		return c.whyNoTree(ctx, p, err)
	}
	defer closeBody(resp)
	err = parseAll(resp.Body, parts, func(e Entry) bool { return yield(e, nil) })
	if err != nil && err != errStopped {
		return answerError(ctx, opTree, p, resp, err)
	}
	return err
}

// parseAll hands out the entries of an old recursive listing of root, given by
// its wire names from the device on.
func parseAll(r io.Reader, root []string, yield func(Entry) bool) error {
	d := newDecoder(r, maxListing)
	start, err := d.root()
	if err != nil {
		return err
	}
	if start.Name.Local != "filedirlist" {
		return unexpected(start.Name.Local)
	}
	p := allParser{decoder: d, root: root, yield: yield}
	if err := d.each(func(name string) error {
		if name != "folders" {
			return d.Skip()
		}
		return d.each(func(name string) error {
			if name != "folder" {
				return d.Skip()
			}
			return p.folder()
		})
	}); err != nil {
		return err
	}
	if !p.met {
		return listingError("the listing lacks the folder itself")
	}
	return nil
}

type allParser struct {
	*decoder
	root  []string
	yield func(Entry) bool
	met   bool // the listed folder was there
}

// folder reads one folder of the flat list, with the files directly in it.
func (p *allParser) folder() error {
	p.entry()
	x := xmlNode{}
	for _, a := range p.at.Attr {
		switch a.Name.Local {
		case "name":
			x.NameAttr = a.Value
		case "deleted":
			x.DeletedAttr = a.Value
		}
	}
	e, err := x.entry(KindFolder)
	if err != nil {
		return err
	}
	var path, absPath string
	placed := false
	place := func() error {
		if placed {
			return nil
		}
		placed = true
		at, foreign, err := p.below(cmp.Or(absPath, path) + "/" + e.wire)
		if err != nil {
			return err
		}
		e.Path, e.Foreign = at, foreign
		if at == "" {
			p.met = true
			return nil
		}
		if !p.yield(e) {
			return errStopped
		}
		return nil
	}
	err = p.each(func(name string) (err error) {
		switch name {
		case "path":
			path, err = p.text()
		case "abspath":
			absPath, err = p.text()
		case "files":
			if err := place(); err != nil {
				return err
			}
			err = p.files(&e)
		default:
			err = p.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	return place()
}

func (p *allParser) files(dir *Entry) error {
	return p.each(func(name string) error {
		if name != "file" {
			return p.Skip()
		}
		p.entry()
		var x xmlNode
		if err := p.DecodeElement(&x, &p.at); err != nil {
			return err
		}
		e, err := x.entry(KindFile)
		if err != nil {
			return err
		}
		e.Path, e.Foreign = join(dir.Path, e.Path), e.Foreign || dir.Foreign
		if !p.yield(e) {
			return errStopped
		}
		return nil
	})
}

// below returns the local path, relative to the listed folder, of a path of the
// service, /user/device/….
func (p *allParser) below(abs string) (local string, foreign bool, err error) {
	parts := strings.FieldsFunc(abs, func(r rune) bool { return r == '/' })
	elsewhere := len(parts) < 1+len(p.root)
	for i := 0; i < len(p.root) && !elsewhere; i++ {
		elsewhere = record.Fold(parts[1+i]) != record.Fold(p.root[i])
	}
	if elsewhere {
		return "", false, listingError("the listing has the folder %s, which is somewhere else", quoted(abs))
	}
	for _, wire := range parts[1+len(p.root):] {
		name, odd, err := fromWire(wire)
		if err != nil {
			return "", false, err
		}
		local, foreign = join(local, name), foreign || odd
	}
	return local, foreign, nil
}
