package jfs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"jottatools/lib/record"
)

const (
	// moveTries is how often a move is sent, at most. Between two, the service is
	// asked whether it has done it.
	moveTries = 3
	// movePause is how long to wait before the service is asked; doubled each time.
	movePause = 250 * time.Millisecond
)

// Move moves or renames the file at from. It keeps its identity, revisions and
// times; folders above to are made; something in the trash at to does not matter.
// Errors: ErrNotExist, also if from is in the trash; ErrExist if there is
// something at to, or a folder at from; ErrNameInvalid.
//
// A move is not repeatable: carried out twice, the second reports that there is
// nothing at from. When an answer is lost, Move therefore looks whether the file
// has arrived before it tries again. Source: docs/protocol.md, sections 7.5 and
// 18.
func (c *Client) Move(ctx context.Context, from, to Path) error {
	return c.move(ctx, KindFile, "mv", from, to)
}

// MoveDir moves or renames the folder at from with all that is in it. It makes no
// difference otherwise from [Client.Move]; ErrExist is also for a file at from,
// and ErrForbidden for a folder that would end up inside itself.
func (c *Client) MoveDir(ctx context.Context, from, to Path) error {
	return c.move(ctx, KindFolder, "mvDir", from, to)
}

const opMove = "move"

func (c *Client) move(ctx context.Context, kind Kind, command string, from, to Path) error {
	fail := func(p Path, class record.Class, what string) error {
		return &Error{Op: opMove, Path: p, Class: class, Message: what}
	}
	renamed := record.Fold(string(from)) == record.Fold(string(to)) // in letter case only
	switch {
	case from.Depth() < 3:
		return fail(from, record.ClassForbidden, "mount points and devices cannot be moved")
	case to.Depth() < 3:
		return fail(to, record.ClassForbidden, "nothing can be moved to the place of a mount point or device; name a file or folder in one")
	case kind == KindFolder && !renamed && record.Under(record.Fold(string(to)), record.Fold(string(from))):
		return fail(from, record.ClassForbidden, "a folder cannot be moved into itself")
	}
	source, err := c.node(ctx, opMove, from, nil)
	switch {
	case err != nil:
		return err
	case !source.Deleted.IsZero():
		return fail(from, record.ClassNotFound, "it is in the trash")
	case source.Kind != kind && kind == KindFile:
		return fail(from, record.ClassKindConflict, "it is a folder, not a file")
	case source.Kind != kind:
		return fail(from, record.ClassKindConflict, "it is a file, not a folder")
	}
	if !renamed {
		// What the service does with something at the target is not known for sure,
		// and it could be somebody's only copy.
		target, err := c.node(ctx, opMove, to, nil)
		switch {
		case err == nil && target.Live():
			return fail(to, record.ClassKindConflict, "something is there already; move it away or delete it first")
		case err != nil && !notExist(err):
			return err
		}
	}
	address, err := c.targetURL(ctx, opMove, from, command, to)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		_, err = c.relocate(ctx, opMove, from, address)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if lost := answerLost(err); !lost && (try == 1 || !notExist(err)) {
			return err
		}
		if try < moveTries {
			if err := pauseAfter(ctx, err, movePause<<(try-1)); err != nil {
				return err
			}
		}
		moved, asked := c.hasMoved(ctx, &source, from, to, renamed)
		switch {
		case asked != nil || try == moveTries && !moved:
			return err
		case moved:
			return nil
		case notExist(err):
			return err
		}
	}
}

// answerLost reports whether an error leaves open if the service did what it was
// asked for, or did not do it this time.
func answerLost(err error) bool {
	var e *Error
	if !errors.As(err, &e) || !e.Retry || e.RetryAfter > defaultMaxElapsed {
		return false
	}
	return e.Class == record.ClassNetwork || e.Class == record.ClassServer || e.Class == record.ClassRateLimited
}

// pauseAfter waits as long as the service asked for with err, else for d.
func pauseAfter(ctx context.Context, err error, d time.Duration) error {
	if e := (*Error)(nil); errors.As(err, &e) && e.RetryAfter > 0 {
		d = e.RetryAfter
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hasMoved finds out whether a move whose answer is not known was carried out.
func (c *Client) hasMoved(ctx context.Context, source *Info, from, to Path, renamed bool) (bool, error) {
	target, err := c.node(ctx, opMove, to, nil)
	if notExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch {
	case target.Kind != source.Kind || !target.Deleted.IsZero():
		return false, nil
	case renamed:
		wire, err := WireName(to.Name())
		return target.wire == wire, err
	case source.UUID != "" && target.UUID != "":
		return target.UUID == source.UUID, nil
	}
	// Folders have no identity. This one was not there before, so it is enough
	// that the other is gone.
	left, err := c.node(ctx, opMove, from, nil)
	return notExist(err) || err == nil && !left.Deleted.IsZero(), ignoreNotExist(err)
}

func ignoreNotExist(err error) error {
	if notExist(err) {
		return nil
	}
	return err
}

// Copy makes the file at to hold the newest complete revision of the file at
// from, without sending content, and returns what is at to then: a file of its
// own, or a new revision of the one that was there, alive or in the trash.
// Folders above to are made; folders cannot be copied. Errors: ErrNotExist;
// ErrExist if there is a folder at to; ErrQuota; ErrNameInvalid. After a lost
// answer copying again does no harm but for one more revision.
//
// On the service a copy onto a file in the trash stays there; Copy brings it
// back. Source: docs/protocol.md, section 7.6.
func (c *Client) Copy(ctx context.Context, from, to Path) (Info, error) {
	const op = "copy"
	for _, p := range []Path{from, to} {
		if p.Depth() < 3 {
			return Info{}, &Error{Op: op, Path: p, Class: record.ClassForbidden, Message: "only files can be copied, to a place in a mount point"}
		}
	}
	address, err := c.targetURL(ctx, op, from, "cp", to)
	if err != nil {
		return Info{}, err
	}
	info, err := c.relocate(ctx, op, from, address)
	if err != nil {
		return Info{}, err
	}
	info.Path = string(to)
	if !info.Deleted.IsZero() {
		err := c.TouchFile(ctx, to, Content{Size: info.Size, MD5: info.MD5, Created: info.Created, Modified: info.Modified})
		if err != nil {
			return Info{}, atOp(op, err)
		}
		info.Deleted = time.Time{}
	}
	if err := info.Problem(); err != nil {
		return Info{}, atPath(op, to, err)
	}
	return info, nil
}

// targetURL returns the address of a command that names a second path.
func (c *Client) targetURL(ctx context.Context, op string, from Path, command string, to Path) (string, error) {
	wire, err := to.wire()
	if err != nil {
		return "", atPath(op, to, err)
	}
	customer, err := c.Customer(ctx)
	if err != nil {
		return "", err
	}
	return c.entryURL(ctx, op, from, command+"="+url.QueryEscape("/"+customer.Username+wire))
}

// relocate posts a command whose answer is the entry at its new place.
func (c *Client) relocate(ctx context.Context, op string, p Path, address string) (Info, error) {
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodPost, url: address})
	if err != nil {
		return Info{}, err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, nil)
	if err == nil && info.Kind != KindFile && info.Kind != KindFolder {
		err = unexpected(string(info.Kind))
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Info{}, answerError(ctx, op, p, resp, err)
	}
	return info, nil
}
