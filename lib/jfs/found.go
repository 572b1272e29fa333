package jfs

import (
	"cmp"
	"context"
	"io"
	"iter"
	"net/http"
	"strings"
)

// Latest returns the newest files of the account, newest first, at most n of
// them; 0 leaves the number to the service, which gives 10. The Path of each is
// its absolute one. Memory does not grow with n. Source: docs/protocol.md,
// section 6.10.
func (c *Client) Latest(ctx context.Context, n int) iter.Seq2[Info, error] {
	query := "sort=updated"
	if n > 0 {
		query += "&max=" + itoa(int64(n)) // the service gives no fewer than 10
	}
	return func(yield func(Info, error) bool) {
		left := n
		for info, err := range c.found(ctx, "list the latest files", "/Jotta/Latest", query) {
			if !yield(info, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// Links returns the shared files of the account, also those in the trash, whose
// links are dead. The Path of each is its absolute one, and [Client.LinkTo] gives
// its addresses. Shared folders were never seen in it. Source: docs/protocol.md,
// section 6.10.
func (c *Client) Links(ctx context.Context) iter.Seq2[Info, error] {
	return c.found(ctx, "list the shared files", "/Jotta/Links", "")
}

// Trashed returns what is in the trash of the account: the tops of what was
// deleted, files, folders and mount points. The Path of each is the absolute one
// that it had and Deleted the time it went. Several can have had the same path,
// and something alive may be there now: check with [Client.Stat] before deleting
// by it. Source: docs/protocol.md, section 6.10.
func (c *Client) Trashed(ctx context.Context) iter.Seq2[Info, error] {
	return c.found(ctx, "list the trash", "/Jotta/Trash", "")
}

// found returns the entries of a view, one by one as they arrive.
func (c *Client) found(ctx context.Context, op string, p Path, query string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := c.readFound(ctx, op, p, query, yield); err != nil && err != errStopped {
			yield(Info{}, err)
		}
	}
}

func (c *Client) readFound(ctx context.Context, op string, p Path, query string, yield func(Info, error) bool) error {
	address, err := c.entryURL(ctx, op, p, query)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{op: op, method: http.MethodGet, url: address})
	if err != nil {
		return err
	}
	defer closeBody(resp)
	err = parseFound(resp.Body, func(info Info) bool { return yield(info, nil) })
	if err != nil && err != errStopped {
		return answerError(ctx, op, "", resp, err)
	}
	return err
}

// xmlFound is an entry with its place.
type xmlFound struct {
	xmlNode
	UUID      string `xml:"uuid,attr"`
	Path      string `xml:"path"`
	AbsPath   string `xml:"abspath"`
	PublicURI string `xml:"publicURI"`
	SharePath string `xml:"publicSharePath"`
}

func (x *xmlFound) info(kind Kind) (Info, error) {
	e, err := x.entry(kind)
	if err != nil {
		return Info{}, err
	}
	info := Info{Entry: e, UUID: x.UUID, PublicURI: x.PublicURI, SharePath: x.SharePath}
	// In the trash only abspath tells where the entry was.
	dir, foreign, err := fromAbsPath(cmp.Or(x.AbsPath, x.Path))
	if err != nil {
		return info, err
	}
	p := dir.Join(e.Path)
	if info.Path, info.Foreign = string(p), e.Foreign || foreign; kind == KindFolder && p.Depth() == 2 {
		info.Kind = KindMountPoint // which the trash shows as a folder
	}
	return info, nil
}

// fromAbsPath returns the path for one of the service, /user/device/….
func fromAbsPath(abs string) (p Path, foreign bool, err error) {
	parts := strings.FieldsFunc(abs, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return "", false, listingError("an entry has the path %s", quoted(abs))
	}
	p = "/"
	for _, wire := range parts[1:] {
		local, odd, err := fromWire(wire)
		if err != nil {
			return "", false, err
		}
		p, foreign = p.Join(local), foreign || odd
	}
	return p, foreign, nil
}

// parseFound hands out the entries of a search result, or of the trash, which is
// a mount point.
func parseFound(r io.Reader, yield func(Info) bool) error {
	d := newDecoder(r, maxListing)
	root, err := d.root()
	if err != nil {
		return err
	}
	if name := root.Name.Local; name != "searchresult" && Kind(name) != KindMountPoint {
		return unexpected(name)
	}
	return d.each(func(name string) error {
		if name != "files" && name != "folders" {
			return d.Skip()
		}
		return d.each(func(name string) error {
			kind := Kind(name)
			if kind != KindFile && kind != KindFolder {
				return d.Skip()
			}
			d.entry()
			var x xmlFound
			if err := d.DecodeElement(&x, &d.at); err != nil {
				return err
			}
			info, err := x.info(kind)
			if err != nil {
				return err
			}
			if !yield(info) {
				return errStopped
			}
			return nil
		})
	})
}
