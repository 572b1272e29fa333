package jserve

import (
	"encoding/hex"
	"path"
	"strconv"
	"strings"

	"jottatools/lib/jserve/store"
)

// rootAttrs are on every root element.
func (c *call) rootAttrs(attrs ...string) []string {
	return append(attrs, "time", formatJFS(c.cfg.Now().Unix()), "host", c.cfg.Host)
}

func formatUUID(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// stamp formats a time that 0 stands in for when it is not known.
func stamp(unix int64) string {
	if unix == 0 {
		return ""
	}
	return formatJFS(unix)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// paths writes path and abspath, which name the parent.
func (x *xmlWriter) paths(dir string) {
	x.leaf("path", dir, preserve...)
	x.leaf("abspath", dir, preserve...)
}

// sharing writes what a shared entry has in addition. The landing page's path is
// only given in the answer to enabling (docs/protocol.md, section 6.11).
func (x *xmlWriter) sharing(n *store.Node, page bool) {
	if n.PublicURI == "" {
		return
	}
	x.leaf("publicURI", n.PublicURI)
	if page {
		x.leaf("publicSharePath", "s/"+n.PublicURI)
	}
}

// revision writes one revision. The size of a complete one is its own; an
// incomplete one has what was received, where that is shown at all; a corrupt
// one has none (docs/protocol.md, section 2.2).
func (x *xmlWriter) revision(tag, name string, r *store.Revision, received int64) {
	x.open(tag)
	x.leaf("number", number(r.Number))
	x.leaf("state", r.State.String())
	x.leaf("created", formatJFS(r.Created))
	x.leaf("modified", formatJFS(r.Modified))
	x.leaf("mime", mimeType(name))
	switch {
	case r.State == store.Completed:
		x.leaf("size", number(r.Size))
	case r.State == store.Incomplete && received >= 0:
		x.leaf("size", number(received))
	}
	x.leaf("md5", r.MD5.String())
	x.leaf("updated", formatJFS(r.Updated))
	x.close(tag)
}

// notShown is in place of the bytes received, where they are left out.
const notShown = -1

// fileChild writes a file inside a listing. dir is its parent's path, written
// for trashed ones; extra are more attributes.
func (x *xmlWriter) fileChild(n *store.Node, dir string, extra ...string) {
	attrs := append(make([]string, 0, 8), "name", n.Name, "uuid", formatUUID(n.UUID))
	if n.Deleted != 0 {
		attrs = append(attrs, "deleted", formatJFS(n.Deleted))
	}
	x.open("file", append(attrs, extra...)...)
	if n.Deleted != 0 {
		x.leaf("abspath", dir, preserve...)
	}
	x.revisions(n, notShown)
	x.close("file")
}

// folderChild writes a folder inside a listing.
func (x *xmlWriter) folderChild(n *store.Node, dir string, extra ...string) {
	if n.Deleted == 0 {
		x.empty("folder", append([]string{"name", n.Name}, extra...)...)
		return
	}
	x.open("folder", append([]string{"name", n.Name, "deleted", formatJFS(n.Deleted)}, extra...)...)
	x.leaf("abspath", dir, preserve...)
	x.close("folder")
}

// revisions writes currentRevision and latestRevision.
func (x *xmlWriter) revisions(n *store.Node, received int64) {
	if r := n.Current(); r != nil {
		x.revision("currentRevision", n.Name, r, notShown)
	}
	if r := n.Latest(); r != nil {
		x.revision("latestRevision", n.Name, r, received)
	}
}

// fileDocument writes a file as the root element.
func (c *call) fileDocument(x *xmlWriter, e *store.Entry, page bool) {
	attrs := []string{"name", e.Name, "uuid", formatUUID(e.UUID)}
	if e.Deleted != 0 {
		attrs = append(attrs, "deleted", formatJFS(e.Deleted))
	}
	x.open("file", c.rootAttrs(attrs...)...)
	x.paths(e.Dir)
	x.sharing(&e.Node, page)
	received := int64(notShown)
	if r := e.Latest(); r != nil {
		received = c.store.Received(r)
	}
	x.revisions(&e.Node, received)
	if older := e.Older(); len(older) > 0 {
		x.open("revisions")
		for i := range older {
			x.revision("revision", e.Name, &older[i], notShown)
		}
		x.close("revisions")
	}
	x.close("file")
}

// folderStart writes a folder or mount point as the root element, up to where
// its children begin. It returns the name to close.
func (c *call) folderStart(x *xmlWriter, e *store.Entry, page bool) (string, error) {
	if e.Kind == store.KindMountPoint {
		return "mountPoint", c.mountPointStart(x, e)
	}
	attrs := []string{"name", e.Name}
	if e.Deleted != 0 {
		attrs = append(attrs, "deleted", formatJFS(e.Deleted))
	}
	x.open("folder", c.rootAttrs(attrs...)...)
	x.paths(e.Dir)
	x.sharing(&e.Node, page)
	return "folder", nil
}

func (c *call) mountPointStart(x *xmlWriter, e *store.Entry) error {
	u, err := c.store.Usage(e.ID)
	if err != nil {
		return err
	}
	x.open("mountPoint", c.rootAttrs()...)
	x.leaf("name", e.Name, preserve...)
	if e.Deleted != 0 {
		x.leaf("deleted", formatJFS(e.Deleted)) // an element here, an attribute elsewhere
	}
	x.paths(e.Dir)
	x.leaf("size", number(u.Bytes))
	x.leaf("modified", stamp(u.Modified))
	x.leaf("device", e.Device)
	x.leaf("user", c.user.name)
	return nil
}

// deviceFields writes what a device has both alone and in the account's list.
func (c *call) deviceFields(x *xmlWriter, n *store.Node) error {
	u, err := c.store.Usage(n.ID)
	if err != nil {
		return err
	}
	x.leaf("name", n.Name, preserve...)
	x.leaf("display_name", n.Name, preserve...)
	x.leaf("type", n.DeviceType)
	x.leaf("sid", formatUUID(n.UUID))
	x.leaf("size", number(u.Bytes))
	x.leaf("modified", stamp(u.Modified))
	return nil
}

// mimeTypes are the types by extension. The table is fixed, so that answers do
// not depend on the machine.
var mimeTypes = map[string]string{
	".7z": "application/x-7z-compressed", ".aac": "audio/aac", ".avi": "video/x-msvideo", ".bmp": "image/bmp", ".bz2": "application/x-bzip2",
	".css": "text/css", ".csv": "text/csv", ".doc": "application/msword",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".flac": "audio/flac", ".gif": "image/gif", ".gz": "application/gzip", ".heic": "image/heic", ".htm": "text/html", ".html": "text/html",
	".ico": "image/x-icon", ".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript", ".json": "application/json",
	".m4a": "audio/mp4", ".m4v": "video/mp4", ".md": "text/markdown", ".mkv": "video/x-matroska", ".mov": "video/quicktime", ".mp3": "audio/mpeg",
	".mp4": "video/mp4", ".mpeg": "video/mpeg", ".mpg": "video/mpeg", ".odp": "application/vnd.oasis.opendocument.presentation",
	".ods": "application/vnd.oasis.opendocument.spreadsheet", ".odt": "application/vnd.oasis.opendocument.text", ".ogg": "audio/ogg",
	".pdf": "application/pdf", ".png": "image/png", ".ppt": "application/vnd.ms-powerpoint",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", ".rar": "application/x-rar-compressed",
	".rtf": "application/rtf", ".svg": "image/svg+xml", ".tar": "application/x-tar", ".tif": "image/tiff", ".tiff": "image/tiff",
	".txt": "text/plain", ".wav": "audio/x-wav", ".webm": "video/webm", ".webp": "image/webp", ".xls": "application/vnd.ms-excel",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xml": "application/xml", ".zip": "application/zip",
}

// mimeType goes by the extension of a name.
func mimeType(name string) string {
	if t := mimeTypes[strings.ToLower(path.Ext(name))]; t != "" {
		return t
	}
	return "application/octet-stream"
}
