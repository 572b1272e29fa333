package jfs

import (
	"context"
	"net/http"
	"strings"

	"jottatools/lib/record"
)

// Link is a public link: whoever has an address of it needs no login.
type Link struct {
	URI      string // 32 hex digits that stand for the entry
	Download string // address of the content; a folder comes as ZIP
	Page     string // address of a page for people
}

// Share makes the file or folder at p public and returns its link. One that is
// shared already keeps its link. The service knows no expiry. Errors:
// ErrNotExist. Source: docs/protocol.md, section 6.11.
func (c *Client) Share(ctx context.Context, p Path) (Link, error) {
	const op = "share"
	info, err := c.sharing(ctx, op, p, "enableShare")
	if err != nil {
		return Link{}, err
	}
	if info.PublicURI == "" {
		return Link{}, &Error{Op: op, Path: p, Class: record.ClassServer, Message: "the service gave no link", Retry: true}
	}
	return c.LinkTo(ctx, info)
}

// Unshare makes what is at p private again; its link is dead from then on. It is
// no error if it was not shared. Errors: ErrNotExist. Source: docs/protocol.md,
// section 6.11.
func (c *Client) Unshare(ctx context.Context, p Path) error {
	const op = "stop sharing"
	info, err := c.sharing(ctx, op, p, "disableShare")
	if err != nil {
		return err
	}
	if info.PublicURI != "" {
		return &Error{Op: op, Path: p, Class: record.ClassServer, Message: "the service says it is still shared", Retry: true}
	}
	return nil
}

// LinkTo returns the link of an entry that [Client.Stat] or [Client.Links]
// showed, the zero Link if it is not shared. Source: docs/protocol.md, section
// 6.11.
func (c *Client) LinkTo(ctx context.Context, info Info) (Link, error) {
	if info.PublicURI == "" {
		return Link{}, nil
	}
	customer, err := c.Customer(ctx)
	if err != nil {
		return Link{}, err
	}
	var place strings.Builder
	escape(&place, customer.Username)
	place.WriteByte('/')
	escape(&place, info.PublicURI)
	link := Link{
		URI:      info.PublicURI,
		Download: c.web + "/opin/io/downloadPublic/" + place.String(),
		Page:     c.web + "/p/" + place.String(),
	}
	if info.SharePath != "" { // newer
		link.Page = c.web + "/" + strings.TrimLeft(info.SharePath, "/")
	}
	return link, nil
}

func (c *Client) sharing(ctx context.Context, op string, p Path, mode string) (Info, error) {
	address, err := c.entryURL(ctx, op, p, "mode="+mode)
	if err != nil {
		return Info{}, err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodGet, url: address})
	if err != nil {
		return Info{}, err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, nil)
	if err != nil {
		return Info{}, answerError(ctx, op, p, resp, err)
	}
	info.Path = string(p)
	return info, nil
}
