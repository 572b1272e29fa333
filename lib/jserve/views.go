package jserve

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"jottatools/lib/jserve/store"
)

// view answers for the special mount points (docs/protocol.md, section 6.10).
func (c *call) view(name string) error {
	switch name {
	case "Trash":
		c.stats.count("trash")
		return c.trash()
	case "Links":
		c.stats.count("links")
		return c.links()
	default:
		c.stats.count("latest")
		return c.latest()
	}
}

// trash lists the tops of deleted subtrees. The index is gone through once for
// folders and once for files, since folders come first.
func (c *call) trash() error {
	d := c.document(http.StatusOK)
	dir := "/" + c.user.name + "/" + store.BuiltinDevice
	d.open("mountPoint", c.rootAttrs()...)
	d.leaf("name", "Trash", preserve...)
	d.paths(dir)
	d.leaf("size", "")
	d.leaf("modified", "")
	d.leaf("device", store.BuiltinDevice)
	d.leaf("user", c.user.name)
	list := childList{document: d, extra: []string{"contextType", "TRASH"}}
	for _, files := range []bool{false, true} {
		err := c.store.Trashed(c.user.name, func(e *store.Entry) error {
			if (e.Kind == store.KindFile) != files {
				return nil
			}
			list.dir = e.Dir
			return list.add(&e.Node)
		})
		if err != nil {
			return err
		}
	}
	list.end()
	d.close("mountPoint")
	return d.finish()
}

// searchFile writes a file in a search result.
func (d *document) searchFile(e *store.Entry) {
	attrs := []string{"name", e.Name, "uuid", formatUUID(e.UUID)}
	if e.Deleted != 0 {
		attrs = append(attrs, "deleted", formatJFS(e.Deleted))
	}
	d.open("file", attrs...)
	d.paths(e.Dir)
	d.sharing(&e.Node, false)
	d.revisions(&e.Node, notShown)
	d.close("file")
}

// links lists shared files.
func (c *call) links() error {
	d := c.document(http.StatusOK)
	d.open("searchresult", c.rootAttrs()...)
	n := 0
	err := c.store.Links(c.user.name, func(e *store.Entry) error {
		if e.Kind != store.KindFile {
			return nil
		}
		if n++; n == 1 {
			d.open("files")
		}
		d.searchFile(e)
		return d.flush()
	})
	if err != nil {
		return err
	}
	if n > 0 {
		d.close("files")
	}
	count := strconv.Itoa(n)
	d.empty("metadata", "first", "0", "max", count, "total", count, "num_folders", count) // num_folders: as recorded
	d.close("searchresult")
	return d.finish()
}

// maxLatest bounds what a client may ask of Latest, and the memory it takes.
const maxLatest = 1000

// latest lists the files uploaded last. It goes through the whole account:
// only old clients ask, and no index has to be kept for them.
func (c *call) latest() error {
	limit, err := strconv.Atoi(c.r.URL.Query().Get("max"))
	if err != nil || limit < 10 {
		limit = 10
	}
	limit = min(limit, maxLatest)
	root, err := c.store.Stat(c.user.name, nil)
	if err != nil {
		return err
	}
	newest := make([]store.Entry, 0, 2*limit)
	total := 0
	order := func(a, b store.Entry) int { return cmp.Compare(b.Current().Updated, a.Current().Updated) }
	w := c.store.Walk(&root.Node, "", true)
	w.File = func(f *store.Folder, n *store.Node) {
		total++
		newest = append(newest, store.Entry{Node: n.Clone(), Dir: f.Path()})
		if len(newest) == cap(newest) {
			slices.SortStableFunc(newest, order)
			newest = newest[:limit]
		}
	}
	if err := c.walk(w, func() error { return nil }); err != nil {
		return err
	}
	slices.SortStableFunc(newest, order)
	newest = newest[:min(limit, len(newest))]

	d := c.document(http.StatusOK)
	d.open("searchresult", c.rootAttrs()...)
	if len(newest) > 0 {
		d.open("files")
		for i := range newest {
			d.searchFile(&newest[i])
		}
		d.close("files")
	}
	d.empty("metadata", "first", "", "max", "", "total", strconv.Itoa(total), "num_files", strconv.Itoa(total))
	d.close("searchresult")
	return d.finish()
}
