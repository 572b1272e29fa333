package jserve

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"jottatools/lib/jserve/store"
)

// command answers POST under /jfs, in the order of docs/protocol.md, section 7.1.
func (c *call) command(p store.Path) error {
	params, err := c.params()
	if err != nil {
		return err
	}
	if h := findCommand(params); h != nil {
		return h(c, p, params)
	}
	if value := params.Get("cphash"); value != "" {
		done, err := c.cphash(p, value)
		if done || err != nil {
			return err
		}
	}
	multipart := c.mediaType() == "multipart/form-data"
	if raw := params.Get("umode") == "nomultipart" || c.isUpload(); len(p) > 2 && (raw || multipart) {
		return c.postContent(p, multipart)
	}
	switch len(p) {
	case 1:
		return c.createDevice(p, params)
	case 2:
		return c.createMountPoint(p)
	}
	return errNoCommand
}

// commands in the order they are looked for.
var commands = []struct {
	name string
	run  func(c *call, p store.Path, params url.Values) error
}{
	{"mkDir", (*call).mkDir},
	{"dl", func(c *call, p store.Path, _ url.Values) error { return c.trashEntry(p, false) }},
	{"dlDir", func(c *call, p store.Path, _ url.Values) error { return c.trashEntry(p, true) }},
	{"rm", func(c *call, p store.Path, _ url.Values) error { return c.remove(p, false) }},
	{"rmDir", func(c *call, p store.Path, _ url.Values) error { return c.remove(p, true) }},
	{"mv", func(c *call, p store.Path, q url.Values) error { return c.move(p, q.Get("mv"), false) }},
	{"mvDir", func(c *call, p store.Path, q url.Values) error { return c.move(p, q.Get("mvDir"), true) }},
	{"cp", func(c *call, p store.Path, q url.Values) error { return c.copy(p, q.Get("cp")) }},
	{"restore", func(*call, store.Path, url.Values) error { return errNoCommand }}, // there is none (section 7.7)
}

func findCommand(params url.Values) func(*call, store.Path, url.Values) error {
	for _, cmd := range commands {
		if v, ok := params[cmd.name]; ok && v[0] != "false" {
			return cmd.run
		}
	}
	return nil
}

// mediaType is the content type of the request without parameters.
func (c *call) mediaType() string {
	t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// isUpload tells whether headers announce content.
func (c *call) isUpload() bool { return c.r.Header.Get("JMd5") != "" || c.r.Header.Get("JSize") != "" }

// params returns the parameters of the query and of a form body, which is one
// only if the request is no upload (docs/protocol.md, section 3.3).
func (c *call) params() (url.Values, error) {
	params, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, invalid("malformed query")
	}
	if c.mediaType() != "application/x-www-form-urlencoded" || params.Has("umode") || c.isUpload() {
		return params, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxForm))
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid("malformed form")
	}
	for k, v := range form {
		params[k] = append(params[k], v...)
	}
	return params, nil
}

// mkDir makes a folder. The answer has no lists of children.
func (c *call) mkDir(p store.Path, _ url.Values) error {
	c.stats.count("mkdir")
	e, err := c.store.MakeFolder(c.user.name, p)
	if err != nil {
		return err
	}
	return c.showBare(http.StatusOK, &e)
}

// showBare answers with an entry's document without children.
func (c *call) showBare(status int, e *store.Entry) error {
	d := c.document(status)
	var err error
	switch e.Kind {
	case store.KindFile:
		c.fileDocument(d.xmlWriter, e, false)
	case store.KindUser:
		err = c.userDocument(d, e)
	case store.KindDevice:
		err = c.deviceDocument(d, e, false)
	default:
		var tag string
		if tag, err = c.folderStart(d.xmlWriter, e, false); err == nil {
			d.close(tag)
		}
	}
	if err != nil {
		return err
	}
	return d.finish()
}

// trashEntry answers dl and dlDir.
func (c *call) trashEntry(p store.Path, dir bool) error {
	c.stats.count(map[bool]string{false: "dl", true: "dldir"}[dir])
	e, err := c.store.Trash(c.user.name, p, dir)
	if !dir && errors.Is(err, store.ErrNoFile) {
		// Deleting a file that is not there succeeds; a folder in its place is an error (section 7.3).
		if _, there := c.store.Stat(c.user.name, p); there != nil {
			return c.showGhost(p)
		}
	}
	if err != nil {
		return err
	}
	if e.Kind == store.KindFolder {
		return c.show(&e, false)
	}
	return c.showBare(http.StatusOK, &e)
}

// showGhost answers for a file that never was.
func (c *call) showGhost(p store.Path) error {
	e := store.Entry{Node: store.Node{Kind: store.KindFile, Name: p[len(p)-1].Name, Deleted: c.cfg.Now().Unix()}}
	e.Dir = c.fullPath(p[:len(p)-1])
	return c.showBare(http.StatusOK, &e)
}

// remove answers rm and rmDir with the parent.
func (c *call) remove(p store.Path, dir bool) error {
	c.stats.count(map[bool]string{false: "rm", true: "rmdir"}[dir])
	parent, err := c.store.Remove(c.user.name, p, dir)
	if err != nil {
		return err
	}
	return c.showBare(http.StatusOK, &parent)
}

// move answers mv and mvDir with the entry at its new place.
func (c *call) move(p store.Path, value string, dir bool) error {
	c.stats.count(map[bool]string{false: "mv", true: "mvdir"}[dir])
	to, err := c.targetPath(value)
	if err != nil {
		return err
	}
	e, err := c.store.Move(c.user.name, p, to, dir)
	if err != nil {
		return err
	}
	return c.showBare(http.StatusOK, &e)
}

// copy answers cp with the copy.
func (c *call) copy(p store.Path, value string) error {
	c.stats.count("cp")
	to, err := c.targetPath(value)
	if err != nil {
		return err
	}
	put := c.store.Copy
	if c.w.tamper.is(effectTrashCp) {
		put = c.store.CopyIntoTrash
	}
	e, err := put(c.user.name, p, to, c.user.quota)
	if err != nil {
		return err
	}
	return c.showBare(http.StatusOK, &e)
}

// cphash makes the file hold content the store has. done is false if it cannot
// and the request brings the bytes along. Source: docs/protocol.md, section 7.8.
func (c *call) cphash(p store.Path, value string) (done bool, err error) {
	c.stats.count("cphash")
	cannot := fmt.Errorf("%w: File %s does not exist", store.ErrNoFile, c.fullPath(p))
	content, err := c.announced(value)
	if err == nil && len(p) > 2 {
		var e store.Entry
		if e, err = c.store.Rehash(c.user.name, p, content); err == nil {
			return true, c.showBare(http.StatusOK, &e)
		}
	} else {
		err = cannot
	}
	if c.r.ContentLength != 0 { // -1 is a body of unknown length
		return false, nil
	}
	// Clients take every status but 404 for success or a passing trouble.
	if errors.Is(err, store.ErrNoContent) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrForbidden) {
		err = cannot
	}
	return true, err
}

// announced reads the headers that describe a content. md5 stands in for JMd5.
// Times that are missing or not understood are left open.
func (c *call) announced(md5 string) (content store.Content, err error) {
	h := c.r.Header
	if v := h.Get("JMd5"); v != "" {
		md5 = v
	}
	if content.MD5, err = store.ParseMD5(strings.TrimSpace(md5)); err != nil {
		return content, err
	}
	content.Quota = c.user.quota
	content.Size = c.r.ContentLength
	if v := h.Get("JSize"); v != "" {
		var ok bool
		if content.Size, ok = parseOffset(strings.TrimSpace(v)); !ok {
			return content, invalid("JSize is not a number")
		}
	}
	if content.Size < 0 || content.Size > maxSize {
		return content, invalid("size is not known")
	}
	content.Created, content.Modified = headerTime(h, "JCreated", c.cfg.Now), headerTime(h, "JModified", c.cfg.Now)
	return content, nil
}

// createDevice always succeeds with 201 (docs/protocol.md, section 7.9).
func (c *call) createDevice(p store.Path, params url.Values) error {
	c.stats.count("create_device")
	e, err := c.store.MakeDevice(c.user.name, p[0].Name, params.Get("type"))
	if err != nil {
		return err
	}
	return c.showBare(http.StatusCreated, &e)
}

// createMountPoint answers 201 for a new one and 200 otherwise (section 7.10).
func (c *call) createMountPoint(p store.Path) error {
	c.stats.count("create_mountpoint")
	if view, ok := store.IsView(p[0].Name, p[1].Name); ok {
		return c.view(view)
	}
	e, created, err := c.store.MakeMountPoint(c.user.name, p)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return c.showBare(status, &e)
}
