package jserve

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"

	"jottatools/lib/jserve/store"
)

// download answers mode=bin (docs/protocol.md, section 6.6). Trashed files are
// served too; clients that show the trash read them from their old place.
func (c *call) download(p store.Path) error {
	c.stats.count("download")
	missing := fmt.Errorf("%w: File %s does not exist", store.ErrNoFile, c.fullPath(p))
	e, err := c.store.Stat(c.user.name, p)
	if errors.Is(err, store.ErrNoPath) || err == nil && e.Kind != store.KindFile {
		return missing
	}
	if err != nil {
		return err
	}
	r := e.Current()
	if wanted := c.r.URL.Query().Get("revision"); wanted != "" {
		r = completeRevision(&e.Node, wanted)
	}
	if r == nil {
		return missing
	}
	return c.sendContent(e.Name, r)
}

// completeRevision finds a revision by its number.
func completeRevision(n *store.Node, text string) *store.Revision {
	wanted, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	for i := range n.Revisions {
		if r := &n.Revisions[i]; r.Number == wanted && r.State == store.Completed {
			return r
		}
	}
	return nil
}

// sendSlice is how much of a content has stallTimeout to go out: 4 KB a second are
// a line that is slow, and not dead.
const sendSlice = 256 << 10

// sendContent sends a revision, or the part of it that the request asks for.
func (c *call) sendContent(name string, r *store.Revision) error {
	start, length, whole, err := parseRange(c.r.Header.Get("Range"), r.Size)
	if err != nil {
		c.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", r.Size))
		return fmt.Errorf("%w: Requested range not satisfiable", store.ErrRange)
	}
	f, err := c.store.OpenBlob(r)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: content of %s was removed", store.ErrNoFile, name) // since it was looked up
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if start > 0 {
		if _, err := f.Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	c.saved(name)
	h := c.w.Header()
	h.Set("Content-Type", mimeType(name))
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	h.Set("Accept-Ranges", "bytes")
	status := http.StatusOK
	if !whole {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, start+length-1, r.Size))
	}
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.sendFile(f, length)
}

// sendFile sends the next length bytes of f.
func (c *call) sendFile(f *os.File, length int64) error {
	for length > 0 {
		n, err := io.CopyN(c.w, f, min(length, sendSlice))
		c.stats.downloadBytes.Add(n)
		length -= n
		if err != nil {
			return err
		}
	}
	return nil
}
