package jfs

import (
	"context"
	"io"
	"net/http"
	"strings"

	"jottatools/lib/record"
)

// MkDir makes the folder at p and those above it. It is no error if it is there;
// one in the trash comes back, without what was in it. Errors: ErrExist if a
// file has the name, ErrNameInvalid, ErrForbidden. Source: docs/protocol.md,
// section 7.2.
func (c *Client) MkDir(ctx context.Context, p Path) error {
	return c.command(ctx, "make folder", p, "mkDir=true")
}

// Trash puts the file at p into the trash. It succeeds if there is nothing at p,
// or only something in the trash. Errors: ErrNotExist at a folder. Source:
// docs/protocol.md, section 7.3.
func (c *Client) Trash(ctx context.Context, p Path) error {
	return c.remove(ctx, "move to trash", p, "dl=true")
}

// TrashDir puts the folder at p and all that is in it into the trash. Errors:
// ErrNotExist, also at a file. Source: docs/protocol.md, section 7.3.
func (c *Client) TrashDir(ctx context.Context, p Path) error {
	return c.remove(ctx, "move to trash", p, "dlDir=true")
}

// Remove deletes the file at p for good, alive or in the trash. Errors:
// ErrNotExist, also at a folder. Source: docs/protocol.md, section 7.4.
func (c *Client) Remove(ctx context.Context, p Path) error {
	return c.remove(ctx, "delete", p, "rm=true")
}

// RemoveDir deletes the folder at p and all that is in it for good. Errors:
// ErrNotExist, also at a file. Source: docs/protocol.md, section 7.4.
func (c *Client) RemoveDir(ctx context.Context, p Path) error {
	return c.remove(ctx, "delete", p, "rmDir=true")
}

// remove is command for those that take something away. At a mount point or a
// device they would take away far more than anybody means.
func (c *Client) remove(ctx context.Context, op string, p Path, command string) error {
	if p.Depth() < 3 {
		return &Error{Op: op, Path: p, Class: record.ClassForbidden, Message: "mount points and devices are never deleted; name a file or folder in one"}
	}
	return c.command(ctx, op, p, command)
}

// command posts a command without content. The answer describes an entry, and
// that it came is all there is to know.
func (c *Client) command(ctx context.Context, op string, p Path, command string) error {
	address, err := c.entryURL(ctx, op, p, command)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodPost, url: address})
	if err != nil {
		return err
	}
	defer closeBody(resp)
	// A sign-in page answers 200 to anything.
	root, err := newDecoder(resp.Body, maxDocument).root()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return answerError(ctx, op, p, resp, err)
	}
	if name := root.Name.Local; strings.EqualFold(name, "html") || name == "error" {
		return atPath(op, p, unexpected(name))
	}
	return nil
}
