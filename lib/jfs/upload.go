package jfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"jottatools/lib/record"
)

// Content is what a file is to hold: the service knows content by size and MD5.
type Content struct {
	Size     int64     // bytes
	MD5      string    // 32 lower-case hex digits
	Created  time.Time // of the file; kept to the second
	Modified time.Time // of the file; kept to the second
}

// Allocation is the service's permission to upload, and its word on how much it
// has already.
type Allocation struct {
	Path     Path
	Content  Content
	State    string // record.StateCompleted: there is nothing to send
	Offset   int64  // bytes the service has; send the rest
	Uploaded bool   // the file is complete at Path, because the service had the content

	url string // where the bytes go; it may hold a token and is shown to nobody
}

// Allocate announces content for the file at p. Folders above it are made. If
// the service has the content already, from whomever, the file is complete with
// that; else [Client.Upload] the bytes from Offset on. Announcing the same again
// is harmless and gives the current offset. Errors: ErrQuota, ErrNameInvalid,
// ErrExist, ErrNotExist if there is no such device. Source: docs/protocol.md,
// section 8.1.
func (c *Client) Allocate(ctx context.Context, p Path, content Content) (*Allocation, error) {
	return c.allocate(ctx, p, content, true)
}

// AllocateNew is [Client.Allocate] that replaces nothing: a live file with other
// content at p is ErrExist. Source: docs/protocol.md, section 8.1.
func (c *Client) AllocateNew(ctx context.Context, p Path, content Content) (*Allocation, error) {
	return c.allocate(ctx, p, content, false)
}

const opUpload = "upload"

func (c *Client) allocate(ctx context.Context, p Path, content Content, mayReplace bool) (*Allocation, error) {
	if c.old != nil {
		return c.oldAllocate(ctx, p, content, mayReplace)
	}
	body, err := allocateBody(p, content, mayReplace)
	if err != nil {
		return nil, err
	}
	r := request{
		op: opUpload, path: p, method: http.MethodPost, url: c.api + "/files/v1/allocate",
		header: http.Header{"Content-Type": {"application/json"}},
		body:   bytes.NewReader(body), size: int64(len(body)),
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var answer allocateAnswer
	if err := getJSON(r, ctx, resp, &answer); err != nil {
		return nil, err
	}
	a, err := c.allocation(p, content, &answer)
	if err != nil {
		return nil, &Error{Op: opUpload, Path: p, Class: record.ClassServer, Status: resp.StatusCode, Message: err.Error(), Retry: !errors.Is(err, errElsewhere)}
	}
	return a, nil
}

// allocateBody returns the body of a request for an upload.
func allocateBody(p Path, content Content, mayReplace bool) ([]byte, error) {
	wire, err := p.wire()
	if err != nil {
		return nil, atPath(opUpload, p, err)
	}
	fields := map[string]any{
		"path":     "/jfs" + wire,
		"bytes":    content.Size,
		"md5":      content.MD5,
		"created":  formatRFC3339(content.Created),
		"modified": formatRFC3339(content.Modified),
	}
	if !mayReplace {
		fields["conflict_handler"] = "REJECT_CONFLICTS"
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, &Error{Op: opUpload, Path: p, Class: record.ClassInternal, Message: "the request cannot be written", Err: err}
	}
	return body, nil
}

// allocateAnswer is the part of the answer to allocate that matters here.
type allocateAnswer struct {
	State     string `json:"state"`
	UploadURL string `json:"upload_url"`
	ResumePos int64  `json:"resume_pos"`
}

// allocation checks an answer to allocate.
func (c *Client) allocation(p Path, content Content, answer *allocateAnswer) (*Allocation, error) {
	a := &Allocation{Path: p, Content: content, State: answer.State, Offset: answer.ResumePos, url: answer.UploadURL}
	switch a.State {
	case record.StateCompleted:
		a.Uploaded, a.Offset = true, content.Size
		return a, nil
	case record.StateCorrupt:
		a.Offset = 0
	case record.StateIncomplete:
	default:
		return nil, errors.New("the answer has the unknown state " + quoted(answer.State))
	}
	if a.Offset < 0 || a.Offset > content.Size {
		return nil, errors.New("the service claims to have " + itoa(a.Offset) + " of " + itoa(content.Size) + " bytes")
	}
	return a, c.checkUploadURL(a.url)
}

// Upload sends the rest of the content: body must give exactly the bytes from
// a.Offset to the end. It returns nil only if the service confirms size and MD5
// of the whole. It reads body at most once and does not close it; after an error
// call Allocate again for the new offset. Errors: ErrIncomplete if the bytes are
// kept but some are missing, ErrCorrupt if the MD5 is another, ErrNotExist if the
// allocation has expired, ErrQuota. Source: docs/protocol.md, section 8.2.
func (c *Client) Upload(ctx context.Context, a *Allocation, body io.Reader) error {
	lent := &lentReader{r: body}
	defer lent.giveBack()
	if c.old != nil {
		return c.oldUpload(ctx, a, lent)
	}
	const op = opUpload
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if a.Offset > 0 {
		header.Set("Range", "bytes="+itoa(a.Offset)+"-"+itoa(a.Content.Size-1))
	}
	r := request{
		op: op, path: a.Path, method: http.MethodPost, url: a.url, header: header,
		body: lent, size: a.Content.Size - a.Offset,
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	var answer struct {
		Bytes *int64 `json:"bytes"`
		MD5   string `json:"md5"`
	}
	if err := getJSON(r, ctx, resp, &answer); err != nil {
		return err
	}
	corrupt := func(what string) error {
		return &Error{Op: op, Path: a.Path, Class: record.ClassCorrupt, Status: resp.StatusCode, Message: what, Retry: true}
	}
	switch md5 := lenientMD5(answer.MD5); {
	case md5 == "":
		return corrupt("the service does not confirm the MD5 of what it got")
	case md5 != a.Content.MD5:
		return corrupt("the service got content with the MD5 " + md5 + " instead of " + a.Content.MD5)
	case answer.Bytes != nil && *answer.Bytes != a.Content.Size:
		return corrupt("the service got " + itoa(*answer.Bytes) + " of " + itoa(a.Content.Size) + " bytes")
	}
	return nil
}

// lentReader lends a reader to the transport, which may go on reading after it
// has handed out an early answer, and takes it back.
type lentReader struct {
	mu sync.Mutex // guards r, also while it is read
	r  io.Reader
}

func (l *lentReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0, errors.New("the answer came before the content was sent")
	}
	return l.r.Read(p)
}

// giveBack returns when nobody reads any more.
func (l *lentReader) giveBack() {
	l.mu.Lock()
	l.r = nil
	l.mu.Unlock()
}

// TouchFile gives the file at p this content, without sending any, if the
// service has it; above all it sets the times of a file whose content is the
// same. It brings a file back from the trash. Errors: ErrNotExist if the service
// lacks the content: upload it. Source: docs/protocol.md, section 7.8.
func (c *Client) TouchFile(ctx context.Context, p Path, content Content) error {
	const op = "set times of"
	address, err := c.entryURL(ctx, op, p, "cphash=true")
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, request{
		op: op, path: p, method: http.MethodPost, url: address,
		header: contentHeader(content),
	})
	if err != nil {
		return err
	}
	defer closeBody(resp)
	info, err := parseNode(resp.Body, nil)
	if err != nil {
		return answerError(ctx, op, p, resp, err)
	}
	if info.Kind != KindFile || !info.Live() || info.MD5 != content.MD5 {
		return &Error{Op: op, Path: p, Class: record.ClassIncomplete, Status: resp.StatusCode, Message: "the service says the file is something else now", Retry: true}
	}
	return nil
}
