package jserve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"jottatools/lib/jserve/store"
)

// maxSize is the largest file in bytes. It leaves room for sums.
const maxSize = 1 << 60

// headerTime reads JCreated or JModified. A time that is not understood becomes
// now, as on the real service; one that is missing is left open.
func headerTime(h http.Header, name string, now func() time.Time) store.Stamp {
	v := h.Get(name)
	if v == "" {
		return store.Stamp{}
	}
	if unix, ok := parseTime(v); ok {
		return store.At(unix)
	}
	return store.At(now().Unix())
}

// allocateRequest is the body of POST files/v1/allocate.
type allocateRequest struct {
	Path            string
	Bytes           int64
	MD5             store.MD5
	Created         store.Stamp // now, if it was there but not understood
	Modified        store.Stamp
	RejectConflicts bool
}

// parseAllocate reads and checks the body. Unknown fields are ignored. Source:
// docs/protocol.md, section 8.1.
func parseAllocate(body []byte, now int64) (a allocateRequest, err error) {
	var raw struct {
		Path     string          `json:"path"`
		Bytes    *int64          `json:"bytes"`
		MD5      string          `json:"md5"`
		Created  json.RawMessage `json:"created"`
		Modified json.RawMessage `json:"modified"`
		Conflict string          `json:"conflict_handler"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return a, invalid("malformed JSON")
	}
	switch {
	case raw.Path == "":
		return a, invalid("path is missing")
	case raw.Bytes == nil || *raw.Bytes < 0 || *raw.Bytes > maxSize:
		return a, invalid("bytes is missing or out of range")
	}
	if a.MD5, err = store.ParseMD5(raw.MD5); err != nil {
		return a, err
	}
	switch raw.Conflict {
	case "", "CREATE_NEW_REVISION":
	case "REJECT_CONFLICTS":
		a.RejectConflicts = true
	default:
		return a, invalid("unknown conflict_handler %q", raw.Conflict)
	}
	a.Path, a.Bytes = raw.Path, *raw.Bytes
	a.Created, a.Modified = jsonTime(raw.Created, now), jsonTime(raw.Modified, now)
	return a, nil
}

// jsonTime reads a time in allocate: a string or Unix milliseconds.
func jsonTime(raw json.RawMessage, now int64) store.Stamp {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return store.Stamp{}
	}
	var ms int64
	if json.Unmarshal(raw, &ms) == nil {
		if unix, ok := fromMillis(ms); ok {
			return store.At(unix)
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if unix, ok := parseTime(text); ok {
			return store.At(unix)
		}
	}
	return store.At(now)
}

// allocate announces an upload (docs/protocol.md, section 8.1).
func (c *call) allocate() error {
	c.stats.count("allocate")
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxForm))
	if err != nil {
		return err
	}
	req, err := parseAllocate(body, c.cfg.Now().Unix())
	if err != nil {
		return err
	}
	p, err := allocatePath(req.Path)
	if err != nil {
		return err
	}
	a, err := c.store.Allocate(c.user.name, p, store.Content{
		Size: req.Bytes, MD5: req.MD5, Created: req.Created, Modified: req.Modified,
		Echo: req.Path, RejectConflicts: req.RejectConflicts, Quota: c.user.quota,
	})
	if err != nil {
		return err
	}
	answer := allocateAnswer{Name: a.Entry.Name, Path: req.Path, State: a.State.String(), Bytes: req.Bytes}
	if a.State == store.Completed {
		answer.ResumePos = req.Bytes
	} else {
		answer.ResumePos, answer.UploadID = a.Received, a.Token
		answer.UploadURL = c.external() + "/upload/" + a.Token
	}
	return c.answerJSON(http.StatusOK, answer)
}

// allocateAnswer has all seven fields always; a strict client needs them.
type allocateAnswer struct {
	Name      string `json:"name"`
	Path      string `json:"path"`
	State     string `json:"state"`
	UploadID  string `json:"upload_id"`
	UploadURL string `json:"upload_url"`
	Bytes     int64  `json:"bytes"`
	ResumePos int64  `json:"resume_pos"`
}

// external is what absolute URLs begin with.
func (c *call) external() string {
	// Clients that use the service's own names come through the proxy and have to stay there.
	if host, _, _ := strings.Cut(c.r.Host, ":"); c.cfg.ExternalURL != "" && !IsServiceHost(strings.ToLower(host)) {
		return strings.TrimSuffix(c.cfg.ExternalURL, "/")
	}
	if c.r.TLS != nil {
		return "https://" + c.r.Host
	}
	return "http://" + c.r.Host
}

// contentBody counts content bytes as they arrive.
type contentBody struct {
	io.Reader
	stats *stats
}

func (b contentBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.stats.uploadBytes.Add(int64(n))
	return n, err
}

// receive stores bytes at a target.
func (c *call) receive(token string, offset int64, body io.Reader) (store.Entry, string, error) {
	abort := func() {}
	if c.body != nil {
		c.body.isContent()
		abort = c.body.abandon
	}
	return c.store.Receive(c.r.Context(), store.Delivery{
		User: c.user.name, Token: token, Offset: offset,
		Body: contentBody{body, &c.stats},
		// The client has sent the same file again over another connection:
		// this one is most likely dead, and must not hold up the other.
		Abort: abort,
	})
}

// upload receives bytes at a target handed out by allocate (docs/protocol.md, section 8.2).
func (c *call) upload() error {
	c.stats.count("upload")
	offset, err := parseUploadRange(c.r.Header.Get("Range"))
	if err != nil {
		return fmt.Errorf("%w: malformed Range", store.ErrRange)
	}
	token := path.Base(c.r.URL.Path)
	e, echo, err := c.receive(token, offset, c.r.Body)
	if err != nil {
		return err
	}
	r := e.Current()
	return c.answerJSON(http.StatusOK, struct {
		Path      string `json:"path"`
		ContentID string `json:"content_id"`
		Bytes     int64  `json:"bytes"`
		MD5       string `json:"md5"`
		Modified  int64  `json:"modified"`
	}{echo, contentID(r), r.Size, r.MD5.String(), r.Modified * 1000})
}

// contentID names a content by its size and MD5; clients take it as opaque.
func contentID(r *store.Revision) string {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(r.Size))
	return fmt.Sprintf("%x%x", size, r.MD5[:])
}

// postContent answers an upload to the file's own URL, raw or multipart, with
// 201 whatever became of it (docs/protocol.md, sections 8.3 and 8.4).
func (c *call) postContent(p store.Path, multipart bool) error {
	if c.r.Header.Get("JMd5") == "" && !multipart {
		c.stats.count("upload_raw")
		return errNoMD5
	}
	var err error
	if multipart {
		c.stats.count("upload_multipart")
		err = c.postMultipart(p)
	} else {
		c.stats.count("upload_raw")
		err = c.postRaw(p)
	}
	if err != nil && !errors.Is(err, store.ErrIncomplete) && !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	e, err := c.store.Stat(c.user.name, p)
	if err != nil {
		return err
	}
	return c.showBare(http.StatusCreated, &e)
}

func (c *call) postRaw(p store.Path) error {
	content, err := c.announced("")
	if err != nil {
		return err
	}
	a, err := c.store.AllocateRaw(c.user.name, p, content, c.r.ContentLength)
	if err != nil {
		return err
	}
	_, _, err = c.receive(a.Token, a.Received, c.r.Body)
	return err
}

// postMultipart stores the part that holds the content: the one called file, or
// else the first that is none of the known fields. The fields come first.
func (c *call) postMultipart(p store.Path) error {
	parts, err := c.r.MultipartReader()
	if err != nil {
		return invalid("malformed multipart body")
	}
	for range 16 { // more parts than any client sends
		part, err := parts.NextPart()
		if err != nil {
			return invalid("multipart body without content")
		}
		switch part.FormName() {
		case "md5", "modified", "created":
			value, err := io.ReadAll(io.LimitReader(part, 256))
			if err != nil {
				return invalid("malformed multipart body")
			}
			name := map[string]string{"md5": "JMd5", "modified": "JModified", "created": "JCreated"}[part.FormName()]
			if c.r.Header.Get(name) == "" {
				c.r.Header.Set(name, string(value))
			}
			continue
		}
		if c.r.Header.Get("JMd5") == "" {
			return errNoMD5
		}
		if c.r.Header.Get("JSize") == "" {
			return invalid("multipart upload without JSize")
		}
		content, err := c.announced("")
		if err != nil {
			return err
		}
		a, err := c.store.AllocateRaw(c.user.name, p, content, content.Size)
		if err != nil {
			return err
		}
		_, _, err = c.receive(a.Token, a.Received, part)
		return err
	}
	return invalid("too many parts")
}

// purgeTrash answers POST files/v1/purge_trash (docs/protocol.md, section 9).
func (c *call) purgeTrash() error {
	c.stats.count("purge_trash")
	files, folders, err := c.store.PurgeTrash(c.user.name)
	if err != nil {
		return err
	}
	return c.answerJSON(http.StatusOK, struct {
		Files   int `json:"files"`
		Folders int `json:"folders"`
	}{files, folders})
}
