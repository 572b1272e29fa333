package jfs

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"jottatools/lib/record"
)

const opDownload = "download"

// Open returns length bytes of the content of the file at p from offset on; a
// negative length means up to the end. It is the newest complete revision, also
// of a file in the trash. The caller closes it. The range must lie in the file;
// content that breaks off is an error of the reader. Errors: ErrNotExist,
// ErrRange; ErrIncomplete and ErrCorrupt if there is a file but it has no
// complete revision. Source: docs/protocol.md, section 6.6.
func (c *Client) Open(ctx context.Context, p Path, offset, length int64) (io.ReadCloser, error) {
	body, err := c.open(ctx, p, "mode=bin", offset, length)
	if !notExist(err) {
		return body, err
	}
	// The service says the same of a file that is there but was never complete.
	info, statErr := c.node(ctx, opDownload, p, nil)
	switch {
	case statErr != nil || info.Kind != KindFile:
		return nil, err
	case info.State == record.StateIncomplete, info.State == record.StateCorrupt:
		info.Deleted = time.Time{}
		return nil, atPath(opDownload, p, info.Problem())
	}
	return nil, err
}

// OpenRevision is [Client.Open] for the revision with the given number, one of
// those that [Client.Stat] shows. The service keeps five. Errors: ErrNotExist if
// there is no complete revision of that number, ErrRange. Source:
// docs/protocol.md, section 6.6.
func (c *Client) OpenRevision(ctx context.Context, p Path, number, offset, length int64) (io.ReadCloser, error) {
	return c.open(ctx, p, "mode=bin&revision="+itoa(number), offset, length)
}

func (c *Client) open(ctx context.Context, p Path, query string, offset, length int64) (io.ReadCloser, error) {
	address, err := c.entryURL(ctx, opDownload, p, query)
	if err != nil {
		return nil, err
	}
	// A transport that unpacks gzip behind our back would break ranges.
	header := http.Header{"Accept-Encoding": {"identity"}}
	switch {
	case offset < 0:
		return nil, &Error{Op: opDownload, Path: p, Class: record.ClassRange, Message: "the offset " + itoa(offset) + " is before the file"}
	case length == 0:
		return http.NoBody, nil
	case length > 0:
		header.Set("Range", formatRange(offset, length))
	case offset > 0:
		header.Set("Range", formatRange(offset, -1))
	}
	resp, err := c.send(ctx, request{op: opDownload, path: p, method: http.MethodGet, url: address, header: header})
	if err != nil {
		return nil, err
	}
	if !isPart(resp, offset, length) {
		resp.Body.Close()
		return nil, &Error{Op: opDownload, Path: p, Class: record.ClassRange, Status: resp.StatusCode, Message: "the service answered with another part of the file"}
	}
	return &content{Reader: resp.Body, body: resp.Body, ctx: ctx, op: opDownload, path: p, left: length}, nil
}

// formatRange returns the header for length bytes from offset on, or all of them
// if length is negative. Both ends count.
func formatRange(offset, length int64) string {
	if length < 0 {
		return "bytes=" + itoa(offset) + "-"
	}
	return "bytes=" + itoa(offset) + "-" + itoa(offset+length-1)
}

// isPart reports whether an answer is the part that was asked for. The whole file
// will do for its beginning: the reader cuts it.
func isPart(resp *http.Response, offset, length int64) bool {
	if resp.StatusCode != http.StatusPartialContent {
		return offset == 0
	}
	first, last, size, ok := parseContentRange(resp.Header.Get("Content-Range"))
	if !ok || first != offset {
		return false
	}
	return length > 0 || size < 0 || last == size-1
}

// parseContentRange reads the header of an answer with a part of a file: its
// first and last byte, and the size of the file, -1 if that is not said.
func parseContentRange(s string) (first, last, size int64, ok bool) {
	s, isBytes := strings.CutPrefix(strings.TrimSpace(s), "bytes ")
	part, whole, hasSize := strings.Cut(s, "/")
	from, to, hasPart := strings.Cut(part, "-")
	if !isBytes || !hasSize || !hasPart {
		return 0, 0, 0, false
	}
	number := func(s string) int64 {
		n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63)
		if err != nil {
			ok = false
		}
		return int64(n)
	}
	ok = true
	first, last, size = number(from), number(to), -1
	if strings.TrimSpace(whole) != "*" {
		size = number(whole)
	}
	if !ok || first > last || size >= 0 && last >= size {
		return 0, 0, 0, false
	}
	return first, last, size, true
}

// ThumbSize is a size of a thumbnail (docs/protocol.md, section 6.7).
type ThumbSize string

// The sizes of thumbnails, in pixels.
const (
	ThumbSmall      ThumbSize = "WS"  // 30 by 30, cut to a square
	ThumbMedium     ThumbSize = "WM"  // 240 wide
	ThumbLarge      ThumbSize = "WL"  // 560 wide
	ThumbExtraLarge ThumbSize = "WXL" // 1024
)

// Thumbnail returns a small picture of the image at p, as JPEG. The caller closes
// it. The service may give another size: in 2026 it had only the small one.
// Errors: ErrNotExist if there is no such file or no picture of it. Source:
// docs/protocol.md, section 6.7.
func (c *Client) Thumbnail(ctx context.Context, p Path, size ThumbSize) (io.ReadCloser, error) {
	const op = "get the thumbnail of"
	address, err := c.entryURL(ctx, op, p, "mode=thumb&ts="+string(size))
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, request{op: op, path: p, method: http.MethodGet, url: address})
	if err != nil {
		return nil, err
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "image/") {
		resp.Body.Close()
		return nil, &Error{Op: op, Path: p, Class: record.ClassServer, Status: resp.StatusCode, Message: "the answer is no picture but of the type " + quoted(kind), Retry: true}
	}
	return &content{Reader: resp.Body, body: resp.Body, ctx: ctx, op: op, path: p, left: -1}, nil
}

// content is the body of a download: errors get their kind, and an answer longer
// than asked for is cut.
type content struct {
	io.Reader
	body io.Closer
	ctx  context.Context
	op   string
	path Path
	left int64 // bytes still wanted; negative: all
}

func (c *content) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if c.left > 0 && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Reader.Read(p)
	if c.left > 0 {
		c.left -= int64(n)
		if err == io.EOF && c.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil && err != io.EOF {
		err = transportError(c.ctx, c.op, c.path, err)
	}
	return n, err
}

func (c *content) Close() error { return c.body.Close() }
