package transfer

import (
	"context"
	"errors"
	"iter"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// group is a folder of the plan that is in no other, and what the plan deletes
// in it, in tree order.
type group struct {
	top     *record.Record
	beneath record.Spool

	files   record.Spool // in tree order; with status skipped if to be kept
	folders record.Spool // each after what is in it; with status skipped if to be kept
	kept    string       // remote path, without the first slash, of something that is not in the plan
}

func (g *group) close() {
	g.beneath.Close()
	g.files.Close()
	g.folders.Close()
}

// deleteGroup deletes a folder and writes the records of all that goes with it.
func (d *deletions) deleteGroup(g *group) {
	top := remotePath(g.top)
	err := d.inspect(g, top)
	switch {
	case errors.Is(err, jfs.ErrNotExist):
		err = nil
	case errors.Is(err, jfs.ErrExist) && d.isFile(top):
		err = nil // the folder is gone, and a file has its name by now
	case err == nil && g.kept == "":
		err = d.deleteFolder(top)
	case err == nil:
		d.o.Info("keep %s: it holds /%s, which is not in the plan", top, g.kept)
		d.deleteSingly(g)
		return
	}
	d.settleAll(g, err)
}

// isFile reports whether a file has the name p. A conflict alone does not say so: a
// service in trouble may answer the listing of a folder with one.
func (d *deletions) isFile(p jfs.Path) bool {
	info, err := d.service.Stat(d.ctx, p)
	return err == nil && info.Kind == jfs.KindFile
}

// inspect holds the service's listing of the folder against the plan.
func (d *deletions) inspect(g *group, top jfs.Path) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	stored, err := d.list(d.service.ListTree(d.ctx, top), g.top.Path)
	if errors.Is(err, jfs.ErrListing) {
		stored, err = d.list(d.service.WalkTree(d.ctx, top), g.top.Path)
	}
	if err != nil {
		return err
	}
	defer stored.Close()
	return g.compare(stored.Sorted())
}

// list fetches a listing into tree order, with paths like those of held records.
func (d *deletions) list(entries iter.Seq2[jfs.Entry, error], under string) (*record.Sorter, error) {
	sorted := new(record.Sorter)
	for e, err := range entries {
		if err == nil {
			rec := e.RecordAt(under+"/"+e.Path, "")
			rec.Ignored = e.Foreign // no deletion can mean it, whatever its path
			err = sorted.Add(&rec)
		}
		if err != nil {
			sorted.Close()
			return nil, err
		}
	}
	return sorted, nil
}

// openFolder is a folder of the plan on the way to the current entry.
type openFolder struct {
	rec  *record.Record
	kept bool // it holds something that is not in the plan
}

// compare sorts what the plan deletes into files and folders, and marks what has
// to be kept because of entries in stored that are not the plan's. Both are in
// tree order, so the folders on the way are all it has to remember.
func (g *group) compare(stored iter.Seq2[*record.Record, error]) error {
	next, stop := iter.Pull2(stored)
	defer stop()
	way := []openFolder{{rec: g.top}}

	// leave closes the folders that path is not in.
	leave := func(path string) error {
		for len(way) > 1 && !record.Under(path, way[len(way)-1].rec.Path) {
			last := way[len(way)-1]
			way = way[:len(way)-1]
			if last.kept {
				way[len(way)-1].kept = true
				last.rec.Status = record.StatusSkipped
			}
			if err := g.folders.Add(last.rec); err != nil {
				return err
			}
		}
		return nil
	}
	keep := func(path string) {
		way[len(way)-1].kept = true
		if g.kept == "" {
			g.kept = path
		}
	}

	entry, err, more := next()
	for rec, recErr := range g.beneath.All() {
		if recErr != nil {
			return recErr
		}
		for more && err == nil && record.Compare(entry.Path, rec.Path) < 0 {
			if err := leave(entry.Path); err != nil {
				return err
			}
			keep(entry.Path)
			entry, err, more = next()
		}
		if err != nil {
			return err
		}
		if err := leave(rec.Path); err != nil {
			return err
		}
		if more && entry.Path == rec.Path {
			if !isPlanned(entry, rec) {
				rec.Status = record.StatusSkipped
				keep(entry.Path)
			}
			entry, err, more = next()
			// A foreign entry can stand beside the one that is meant.
			for more && err == nil && entry.Path == rec.Path {
				keep(entry.Path)
				entry, err, more = next()
			}
		}
		if rec.Kind == record.KindDir {
			way = append(way, openFolder{rec: rec, kept: rec.Status != ""})
			continue
		}
		if err := g.files.Add(rec); err != nil {
			return err
		}
	}
	for more && err == nil {
		if err := leave(entry.Path); err != nil {
			return err
		}
		keep(entry.Path)
		entry, err, more = next()
	}
	if err != nil {
		return err
	}
	if err := leave(""); err != nil {
		return err
	}
	if way[0].kept {
		g.top.Status = record.StatusSkipped
	}
	return nil
}

// isPlanned reports whether a stored entry is the one that the plan deletes.
func isPlanned(stored, planned *record.Record) bool {
	return stored.Kind == planned.Kind && !stored.Ignored &&
		(planned.MD5 == "" || stored.MD5 == "" || planned.MD5 == stored.MD5)
}

// deleteSingly deletes what the plan deletes in a folder that has to be kept.
func (d *deletions) deleteSingly(g *group) {
	each := func(records iter.Seq2[*record.Record, error], remove func(*record.Record)) bool {
		for rec, err := range records {
			switch {
			case err != nil:
				d.stop(err) // the disk with the records; their fate cannot be told
				return false
			case d.ended():
				return false
			case rec.Status == record.StatusSkipped:
				d.skip(rec)
			default:
				remove(rec)
			}
		}
		return true
	}
	folder := func(rec *record.Record) { d.settle(rec, d.deleteFolder(remotePath(rec))) }
	if each(g.files.All(), d.deleteFile) && each(g.folders.All(), folder) {
		d.skip(g.top)
	}
}

// settleAll writes the records of a folder whose fate is that of all in it.
func (d *deletions) settleAll(g *group, err error) {
	d.settle(g.top, err)
	if err != nil && !errors.Is(err, errCutOff) {
		shared := jfs.RecordError(err)
		d.hush(shared, true)
		defer d.hush(shared, false)
		err = shared
	}
	for rec, readErr := range g.beneath.All() {
		if readErr != nil {
			d.stop(readErr)
			return
		}
		if d.ended() && err != nil {
			return
		}
		d.settle(rec, err)
	}
}
