package jfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"jottatools/lib/record"
)

// OldAPI says how to speak to a service that has only the XML API of the years
// before 2018: no JSON requests, no upload addresses. All methods of [Client]
// work over it save EmptyTrash.
type OldAPI struct {
	// User is the internal name of the account, the first part of every path. The
	// old API cannot be asked for it; on old accounts it is the login name.
	User string
	// Multipart sends content as a form, which the oldest servers want. An upload
	// that breaks off then starts from the beginning.
	Multipart bool
}

// oldCustomer is Customer by the XML API.
func (c *Client) oldCustomer(ctx context.Context) (Customer, error) {
	account, err := c.account(ctx, c.old.User)
	return Customer{
		Username: c.old.User, Quota: account.Capacity, Usage: account.Usage,
		WriteLocked: account.Locked || account.WriteLocked, ReadLocked: account.Locked || account.ReadLocked,
	}, err
}

// oldAllocate is Allocate by the XML API. Nothing is announced: it is looked up
// whether the service has the content, and if not, how much of it.
func (c *Client) oldAllocate(ctx context.Context, p Path, content Content, mayReplace bool) (*Allocation, error) {
	a := &Allocation{Path: p, Content: content, State: record.StateIncomplete}
	info, err := c.node(ctx, opUpload, p, nil)
	switch {
	case notExist(err):
	case err != nil:
		return nil, err
	case info.Kind != KindFile && info.Deleted.IsZero():
		return nil, &Error{Op: opUpload, Path: p, Class: record.ClassKindConflict, Message: "it is a folder, not a file"}
	case info.Kind == KindFile && info.Live() && !mayReplace && (info.MD5 != content.MD5 || info.Size != content.Size):
		return nil, &Error{Op: opUpload, Path: p, Class: record.ClassKindConflict, Message: "another file is there already"}
	}
	switch touched := c.TouchFile(ctx, p, content); {
	case touched == nil:
		a.State, a.Offset, a.Uploaded = record.StateCompleted, content.Size, true
		return a, nil
	case !notExist(touched):
		return nil, atOp(opUpload, touched)
	}
	if err == nil && !c.old.Multipart {
		a.Offset = received(&info, content)
	}
	query := "umode=nomultipart"
	if c.old.Multipart {
		query = ""
	}
	escaped, err := p.escaped()
	if err != nil {
		return nil, atPath(opUpload, p, err)
	}
	a.url, err = c.addressAt(ctx, c.up, escaped, query)
	return a, err
}

// received returns how many bytes of a content the service has from an upload
// that broke off (docs/protocol.md, section 8.3).
func received(info *Info, content Content) int64 {
	r := &info.Revision
	if info.Newer != nil {
		r = info.Newer
	}
	if r.State != record.StateIncomplete || r.MD5 != content.MD5 || r.Size <= 0 || r.Size >= content.Size {
		return 0
	}
	return r.Size
}

// oldUpload posts content to the file's own address, as it is or as a form
// (docs/protocol.md, sections 8.3 and 8.4).
func (c *Client) oldUpload(ctx context.Context, a *Allocation, body io.Reader) error {
	header := contentHeader(a.Content)
	size := a.Content.Size - a.Offset
	header.Set("Content-Type", "application/octet-stream")
	if c.old.Multipart {
		head, tail, contentType, err := form(a.Path, a.Content)
		if err != nil {
			return &Error{Op: opUpload, Path: a.Path, Class: record.ClassInternal, Message: "the request cannot be written", Err: err}
		}
		header.Set("Content-Type", contentType)
		body = io.MultiReader(bytes.NewReader(head), io.LimitReader(body, size), bytes.NewReader(tail))
		size += int64(len(head) + len(tail))
	}
	resp, err := c.send(ctx, request{op: opUpload, path: a.Path, method: http.MethodPost, url: a.url, header: header, body: body, size: size})
	if err != nil {
		return err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, nil)
	if err == nil && info.Kind != KindFile {
		err = unexpected(string(info.Kind))
	}
	if err != nil {
		return answerError(ctx, opUpload, a.Path, resp, err)
	}
	return uploaded(a, &info, resp.StatusCode)
}

// uploaded tells from the file after an upload whether all of it arrived.
func uploaded(a *Allocation, info *Info, status int) error {
	e := &Error{Op: opUpload, Path: a.Path, Class: record.ClassCorrupt, Status: status, Retry: true}
	r := &info.Revision
	if info.Newer != nil {
		r = info.Newer
	}
	switch {
	case r.State == record.StateIncomplete:
		e.Class, e.Message = record.ClassIncomplete, "a part was stored, the rest is missing"
	case r.State != record.StateCompleted:
		e.Message = "the content does not have the MD5 that was announced"
	case r.MD5 != a.Content.MD5:
		e.Message = "the service does not confirm the MD5 of what it got"
	case r.Size != a.Content.Size:
		e.Message = "the service got " + itoa(r.Size) + " of " + itoa(a.Content.Size) + " bytes"
	default:
		return nil
	}
	return e
}

// contentHeader describes content to the XML API. The letter case of the names is
// that of net/http; the service does not mind.
func contentHeader(content Content) http.Header {
	return http.Header{
		"Jsize":     {itoa(content.Size)},
		"Jmd5":      {content.MD5},
		"Jcreated":  {FormatTime(content.Created)},
		"Jmodified": {FormatTime(content.Modified)},
	}
}

// form returns what goes before and after the content in a form, as jottalib
// sends it: the fields have empty file names, and the name of the file is bare
// UTF-8, since the service does not understand it encoded.
func form(p Path, content Content) (head, tail []byte, contentType string, err error) {
	wire, err := WireName(p.Name())
	if err != nil {
		return nil, nil, "", err
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(disposition, contentType string) (io.Writer, error) {
		h := textproto.MIMEHeader{"Content-Disposition": {"form-data; " + disposition}}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		return w.CreatePart(h)
	}
	for _, field := range [][2]string{{"md5", content.MD5}, {"modified", FormatTime(content.Modified)}, {"created", FormatTime(content.Created)}} {
		to, err := part(`name="`+field[0]+`"; filename=""`, "")
		if err == nil {
			_, err = io.WriteString(to, field[1])
		}
		if err != nil {
			return nil, nil, "", err
		}
	}
	// No wire name has a quotation mark or a control character in it.
	name := strings.ReplaceAll(wire, `\`, `\\`)
	if _, err := part(`name="file"; filename="`+name+`"`, "application/octet-stream"); err != nil {
		return nil, nil, "", err
	}
	cut := b.Len()
	if err := w.Close(); err != nil {
		return nil, nil, "", err
	}
	all := b.Bytes()
	return all[:cut], all[cut:], w.FormDataContentType(), nil
}

// atOp gives an error the act that the caller had in mind.
func atOp(op string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return e.doing(op)
}

func (e *Error) doing(op string) *Error {
	with := *e
	with.Op = op
	return &with
}

// isForeign reports whether err is about a name that cannot be written.
func isForeign(err error) bool { return errors.Is(err, ErrNameInvalid) }
