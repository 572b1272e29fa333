package jserve

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"jottatools/lib/jserve/store"
)

// walkStep is how many entries are read from the store in one transaction.
const walkStep = 2000

// walk runs a walker to its end, and flush after each step, when no transaction
// is open that a slow client could keep so.
func (c *call) walk(w *store.Walker, flush func() error) error {
	for {
		more, err := w.Next(walkStep)
		if err != nil {
			return err
		}
		if err := flush(); err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := c.r.Context().Err(); err != nil {
			return err
		}
	}
}

// folder finds what a recursive listing can start from.
func (c *call) folder(p store.Path) (store.Entry, error) {
	e, err := c.store.Stat(c.user.name, p)
	if err == nil && e.Kind != store.KindFolder && e.Kind != store.KindMountPoint {
		err = fmt.Errorf("%w: Directory %s", store.ErrNoPath, c.fullPath(p))
	}
	return e, err
}

// list answers mode=list: every folder beneath, depth first, with all that is
// in it (docs/protocol.md, section 6.8).
func (c *call) list(p store.Path) error {
	c.stats.count("list")
	e, err := c.folder(p)
	if err != nil {
		return err
	}
	d := c.document(http.StatusOK)
	d.open("filedirlist", c.rootAttrs()...)
	d.open("folders")
	w := c.store.Walk(&e.Node, e.Dir, false)
	w.Enter = func(f *store.Folder) {
		attrs := []string{"name", f.Name}
		if f.Deleted != 0 {
			attrs = append(attrs, "deleted", formatJFS(f.Deleted))
		}
		d.open("folder", attrs...)
		d.paths(f.Dir)
	}
	w.File = func(f *store.Folder, n *store.Node) {
		if f.Count == 1 {
			d.open("files")
		}
		d.fileChild(n, f.Path())
	}
	w.Files = func(f *store.Folder) {
		if f.Count > 0 {
			d.close("files")
		}
		d.close("folder")
	}
	if err := c.walk(w, d.flush); err != nil {
		return err
	}
	d.close("folders")
	d.close("filedirlist")
	return d.finish()
}

// listStream answers mode=liststream: live, complete files, one line, paths
// without account and device. A folder element is written only for a folder
// without files of its own, because clients count a folder at its first file
// (docs/protocol.md, section 6.9).
func (c *call) listStream(p store.Path) error {
	c.stats.count("liststream")
	e, err := c.folder(p)
	if err != nil {
		return err
	}
	if e.Deleted != 0 {
		return fmt.Errorf("%w: Directory %s", store.ErrNoPath, c.fullPath(p))
	}
	d := c.document(http.StatusOK)
	d.flat = true
	d.buf = append(d.buf[:0], xmlHeader...)
	d.open("liststream", c.rootAttrs()...)

	above := 2 // slashes of /user/device
	dir := e.Dir
	for i := 1; i < len(dir); i++ {
		if dir[i] == '/' {
			if above--; above == 0 {
				dir = dir[i:]
				break
			}
		}
	}
	if above > 0 {
		dir = "" // e is the mount point itself
	}
	folders, files := 0, 0
	var path []byte // of the folder at hand, escaped
	var stamp [len(layoutListstream) + 8]byte
	w := c.store.Walk(&e.Node, dir, true)
	w.Enter = func(f *store.Folder) { folders++ }
	w.File = func(f *store.Folder, n *store.Node) {
		files++
		if f.Count == 1 {
			path = appendEscaped(path[:0], f.Path())
		}
		r := n.Current()
		d.buf = append(append(append(d.buf, "<file><path>"...), path...), "</path><filename>"...)
		d.buf = append(appendEscaped(d.buf, n.Name), "</filename><md5>"...)
		d.buf = append(appendHex(d.buf, r.MD5[:]), "</md5><size>"...)
		d.buf = append(strconv.AppendInt(d.buf, r.Size, 10), "</size><modified>"...)
		d.buf = append(append(d.buf, time.Unix(r.Modified, 0).UTC().AppendFormat(stamp[:0], layoutListstream)...), "</modified><created>"...)
		d.buf = append(append(d.buf, time.Unix(r.Created, 0).UTC().AppendFormat(stamp[:0], layoutListstream)...), "</created></file>"...)
	}
	w.Files = func(f *store.Folder) {
		if f.Count == 0 {
			d.open("folder")
			d.leaf("path", f.Path())
			d.close("folder")
		}
	}
	if err := c.walk(w, d.flush); err != nil {
		return err
	}
	d.open("stats")
	d.leaf("folders", strconv.Itoa(folders))
	d.leaf("files", strconv.Itoa(files))
	d.close("stats")
	d.close("liststream")
	return d.finish()
}

func appendHex(b, src []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range src {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}
