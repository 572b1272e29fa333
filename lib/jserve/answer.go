package jserve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	contentXML  = "application/xml;charset=UTF-8"
	contentJSON = "application/json"
)

// gzipMin is the size in bytes below which compressing costs more than it saves.
const gzipMin = 1024

// flushSize is how much of a listing is put together before it is sent.
const flushSize = 64 << 10

var gzipWriters = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// acceptsGzip reads the Accept-Encoding header.
func acceptsGzip(r *http.Request) bool {
	others := false
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(part, ";")
		q := strings.ReplaceAll(params, " ", "")
		accepted := q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "gzip"):
			return accepted // whatever is said of all others
		case name == "*":
			others = accepted
		}
	}
	return others
}

// answer sends a complete body, compressed if that is worth it.
func (c *call) answer(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Encoding")
	if len(body) >= gzipMin && acceptsGzip(c.r) {
		out := c.begin(status, contentType)
		_, err := out.Write(body)
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the client went away
		}
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // an error means that the client went away
}

// answerJSON sends a value.
func (c *call) answerJSON(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.answer(status, contentJSON, body)
	return nil
}

// begin sends the header of an answer of unknown length. Close ends the body.
func (c *call) begin(status int, contentType string) io.WriteCloser {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Vary", "Accept-Encoding")
	if !acceptsGzip(c.r) {
		c.w.WriteHeader(status)
		return plainBody{c.w}
	}
	h.Set("Content-Encoding", "gzip")
	c.w.WriteHeader(status)
	z := gzipWriters.Get().(*gzip.Writer)
	z.Reset(c.w)
	return &gzipBody{z}
}

type plainBody struct{ io.Writer }

func (plainBody) Close() error { return nil }

type gzipBody struct{ z *gzip.Writer }

func (b *gzipBody) Write(p []byte) (int, error) { return b.z.Write(p) }

func (b *gzipBody) Close() error {
	err := b.z.Close()
	b.z.Reset(nil)
	gzipWriters.Put(b.z)
	b.z = nil
	return err
}

// document is an XML answer that is sent in pieces once it grows large, and as
// one with its length if it stays small.
type document struct {
	*xmlWriter
	call   *call
	status int
	out    io.WriteCloser // nil until the first piece is sent
}

func (c *call) document(status int) *document {
	return &document{xmlWriter: newXML(), call: c, status: status}
}

// flush sends what there is, if it is much.
func (d *document) flush() error {
	if len(d.buf) < flushSize {
		return nil
	}
	return d.send()
}

func (d *document) send() error {
	if d.out == nil {
		d.out = d.call.begin(d.status, contentXML)
	}
	_, err := d.out.Write(d.buf)
	d.buf = d.buf[:0]
	return err
}

// finish sends the rest.
func (d *document) finish() error {
	if d.out == nil {
		d.call.answer(d.status, contentXML, d.buf)
		return nil
	}
	if err := d.send(); err != nil {
		return err
	}
	return d.out.Close()
}
