package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// PathService is the part of a [jfs.Client] that DeletePaths, RestorePaths and
// EmptyTrash need.
type PathService interface {
	Deleter
	Restore(context.Context, jfs.Path) error
	RestoreDir(context.Context, jfs.Path, time.Time) (int64, error)
	List(context.Context, jfs.Path) (jfs.Info, []jfs.Entry, error)
	Trashed(context.Context) iter.Seq2[jfs.Info, error]
	EmptyTrash(context.Context) (files, folders int64, err error)
}

// The records of what is named have the path that follows the first slash of the
// remote one.

// DeletePaths deletes what is named, folders with all that is in them, and
// writes a record for each path that is not beneath another one. With Hard, what is in the trash goes, too. There
// must be a file or folder at each path that is not a mount point or device. If
// MaxDelete is less than all that would go, nothing does; then the error is a
// [*WithheldError]. Memory grows with the number of paths. Other errors are as for
// [Upload].
func DeletePaths(ctx context.Context, paths []jfs.Path, out *record.Writer, service PathService, o DeleteOptions) error {
	n := newNamed(ctx, out, service, o)
	found := n.look(distinct(paths, true), record.ActionDelete)
	if o.MaxDelete != nil || o.DryRun && o.Count != nil {
		total, err := n.count(found)
		if err == nil && o.DryRun && o.Count != nil {
			o.Count(total)
		}
		if err != nil {
			n.stop(err)
		} else if held := n.o.tooMany(total, 0); held != nil {
			n.skip(found)
			if err := n.close(); err != nil {
				return err
			}
			return held
		}
	}
	return n.each(found, n.delete)
}

// RestorePaths brings back from the trash what is named: files, and folders with
// all that went there with them. A folder that is alive gets back all in it that
// is in the trash. It writes a record for each path; a file that is alive leaves
// with status skipped. Nothing goes over what is alive: a file in the trash whose
// name a folder has taken, or the reverse, is an error of that path.
func RestorePaths(ctx context.Context, paths []jfs.Path, out *record.Writer, service PathService, o DeleteOptions) error {
	n := newNamed(ctx, out, service, o)
	return n.each(n.look(distinct(paths, false), record.ActionRestore), n.restore)
}

// EmptyTrash deletes all that is in the trash for good, and writes a record for
// each entry that was listed there before. MaxDelete counts those.
func EmptyTrash(ctx context.Context, out *record.Writer, service PathService, o DeleteOptions) error {
	n := newNamed(ctx, out, service, o)
	var listed record.Spool
	defer listed.Close()
	for info, err := range service.Trashed(ctx) {
		if err == nil {
			rec := info.Record()
			rec.Action = record.ActionDelete
			err = listed.Add(rec)
		}
		if err != nil {
			return errors.Join(err, n.close())
		}
	}
	status, held := record.StatusDone, n.o.tooMany(listed.Len(), 0)
	switch {
	case held != nil, o.DryRun:
		status = record.StatusSkipped
	case listed.Len() > 0:
		files, folders, err := service.EmptyTrash(ctx)
		if err != nil {
			return errors.Join(err, n.close())
		}
		n.o.Info("the service counts %s and %s that are gone for good", record.Count(files, "file", "files"), record.Count(folders, "folder", "folders"))
	}
	for rec, err := range listed.All() {
		if err != nil {
			return errors.Join(err, n.close())
		}
		rec.Status = status
		n.write(rec)
	}
	if err := n.close(); err != nil {
		return err
	}
	return held
}

// named is a run over paths.
type named struct {
	*run
	service PathService
	o       DeleteOptions
}

// target is a path that something is at.
type target struct {
	*record.Record
	trashed time.Time // zero if it is alive
}

func newNamed(ctx context.Context, out *record.Writer, service PathService, o DeleteOptions) *named {
	o.setDefaults()
	return &named{run: newRun(ctx, out, o.Jobs), service: service, o: o}
}

// look asks the service for all named entries. It reports missing ones at once and
// returns the others.
func (n *named) look(paths []jfs.Path, action record.Action) []*target {
	n.account(n.service)
	all := make([]*target, len(paths))
	for i, p := range paths {
		n.start(func() {
			var info jfs.Info
			err := context.Cause(n.ctx)
			if err == nil {
				info, err = n.service.Stat(n.ctx, p)
			}
			info.Path = string(p)
			rec := info.Record()
			rec.Action = action
			switch {
			case err != nil:
				rec.Kind = record.KindFile // for all that is known
			case action == record.ActionDelete && !info.Deleted.IsZero() && !n.o.Hard:
				err = &jfs.Error{Op: "delete", Path: p, Class: record.ClassNotFound, Message: "it is in the trash already; --hard deletes it for good"}
			case action == record.ActionRestore && info.Deleted.IsZero() && info.Kind == jfs.KindFile:
				if err = n.inTheWay(p, info.Kind); err == nil {
					rec.Status, rec.Reason = record.StatusSkipped, record.ReasonSame
				}
			}
			if err != nil || rec.Status != "" {
				n.finish(rec, err)
				return
			}
			all[i] = &target{rec, info.Deleted}
		})
	}
	n.drain()
	return slices.DeleteFunc(all, func(t *target) bool { return t == nil })
}

// distinct returns each path once, and with alone none beneath another one.
func distinct(paths []jfs.Path, alone bool) (all []jfs.Path) {
	given := make(map[string]bool, len(paths))
	for _, p := range paths {
		given[record.Fold(string(p))] = true
	}
	taken := make(map[string]bool, len(paths))
	for _, p := range paths {
		key := record.Fold(string(p))
		left := taken[key]
		for dir := jfs.Path(key).Parent(); alone && !left && dir.Depth() > 2; dir = dir.Parent() {
			left = given[string(dir)]
		}
		if taken[key] = true; !left {
			all = append(all, p)
		}
	}
	return all
}

// count returns how many entries would go.
func (n *named) count(found []*target) (total int64, err error) {
	for _, t := range found {
		total++
		if t.Kind == record.KindFile {
			continue
		}
		p := jfs.Path(t.Remote)
		beneath, err := count(n.service.ListTree(n.ctx, p))
		if errors.Is(err, jfs.ErrListing) {
			beneath, err = count(n.service.WalkTree(n.ctx, p))
		}
		// What is in the trash has no listing; its top is all that can be told.
		if err != nil && !errors.Is(err, jfs.ErrNotExist) {
			return total, err
		}
		total += beneath
	}
	return total, nil
}

func count(entries iter.Seq2[jfs.Entry, error]) (n int64, err error) {
	for _, err := range entries {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (n *named) skip(found []*target) {
	for _, t := range found {
		t.Status = record.StatusSkipped
		n.write(t.Record)
	}
}

// each carries out what was asked for.
func (n *named) each(found []*target, do func(*target) error) error {
	if n.o.DryRun {
		n.skip(found)
		return n.close()
	}
	n.o.Expect(int64(len(found)), 0)
	for _, t := range found {
		n.start(func() {
			err := context.Cause(n.ctx)
			if err == nil {
				err = do(t)
			}
			if err == nil {
				t.Status = cmp.Or(t.Status, record.StatusDone)
				n.o.Progress(1, 0)
			}
			n.finish(t.Record, err)
		})
	}
	return n.close()
}

func (n *named) delete(t *target) error {
	p, rec := jfs.Path(t.Remote), t.Record
	switch {
	case rec.Kind == record.KindFile && n.o.Hard:
		return n.service.Remove(n.ctx, p)
	case rec.Kind == record.KindFile:
		return n.service.Trash(n.ctx, p)
	case n.o.Hard:
		return n.service.RemoveDir(n.ctx, p)
	}
	return n.service.TrashDir(n.ctx, p)
}

func (n *named) restore(t *target) error {
	p := jfs.Path(t.Remote)
	if t.Kind == record.KindFile {
		return n.service.Restore(n.ctx, p)
	}
	files, err := n.service.RestoreDir(n.ctx, p, t.trashed)
	n.o.Info("restored %s in %s", record.Count(files, "file", "files"), p)
	if err != nil || files > 0 || !t.trashed.IsZero() {
		return err
	}
	// It was there, and the trash had no file of it.
	if err := n.inTheWay(p, jfs.KindFolder); err != nil {
		return err
	}
	t.Status, t.Reason = record.StatusSkipped, record.ReasonSame
	return nil
}

// inTheWay returns an error if the trash holds an entry of the other kind that was
// at p, where one of this kind is alive now. Its path leads to what is alive; only
// the listing of the folder shows both.
func (n *named) inTheWay(p jfs.Path, alive jfs.Kind) error {
	_, children, err := n.service.List(n.ctx, p.Parent())
	if err != nil {
		return err
	}
	trashed, taker := "folder", "file"
	if alive != jfs.KindFile {
		trashed, taker = taker, trashed
	}
	for _, e := range children {
		if !e.Deleted.IsZero() && e.Kind != alive && record.Fold(e.Path) == record.Fold(p.Name()) {
			return &jfs.Error{Op: "restore", Path: p, Class: record.ClassKindConflict, Message: fmt.Sprintf(
				"a %[2]s has taken the name of the %[1]s in the trash; rename the %[2]s, in a mount by jfuse or the web interface, and restore again", trashed, taker)}
		}
	}
	return nil
}
