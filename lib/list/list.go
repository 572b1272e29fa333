// Package list lists the entries of the service as records in tree order.
//
// Entries reserved for these programs ([jfs.Path.Reserved]) are listed only if the
// caller names them.
//
// The service sends a listing in another order. The package sorts it, on disk if it is
// large, so memory does not grow with the tree. The package only reads metadata: it
// downloads no files and changes nothing.
package list

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Lister is the part of a [jfs.Client] that a listing needs.
type Lister interface {
	ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	WalkTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	ListAll(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	List(context.Context, jfs.Path) (jfs.Info, []jfs.Entry, error)
	Stat(context.Context, jfs.Path) (jfs.Info, error)
}

// Emit takes the records of a listing, in tree order.
type Emit func(*record.Record) error

// Options say what to list. The zero value lists what is alive and complete.
type Options struct {
	Depth  int      // levels below the top; 0: no limit
	Trash  bool     // what is in the trash, and nothing else
	States []string // files in these states; nil: complete ones
	Detail bool     // number and time of each revision, which the fast listing lacks
	Warn   func(message string)
}

// wants reports whether an entry is to be listed.
func (o *Options) wants(e *jfs.Entry) bool {
	switch {
	case e.Deleted.IsZero() == o.Trash:
		return false
	case e.Kind != jfs.KindFile:
		return true
	case o.States == nil:
		return e.State == record.StateCompleted
	}
	return slices.Contains(o.States, e.State)
}

// sorterMemory is how many bytes of records are sorted at a time, enough for about
// 250,000 records. A program that lists holds little else, and a listing that fits needs
// no disk.
const sorterMemory = 20 << 20

// Tree returns what is below top, in tree order; if top is a file, that file
// alone. Close the Sorter after use.
//
// After an error the Sorter still holds what had arrived. Errors are those of
// [jfs.Client.ListTree], save ErrListing: a listing that does not add up is
// fetched again folder by folder, which is slow but sure, and Warn hears of it.
func Tree(ctx context.Context, service Lister, top Top, o Options) (*record.Sorter, error) {
	sorted, err := fetch(ctx, service, top, o)
	if !errors.Is(err, jfs.ErrExist) && !(o.Trash && errors.Is(err, jfs.ErrNotExist)) {
		return sorted, err
	}
	info, statErr := service.Stat(ctx, top.Remote)
	if statErr != nil {
		return sorted, statErr
	}
	if info.Kind != jfs.KindFile && errors.Is(err, jfs.ErrExist) {
		return sorted, err // it is no file, so that was not why
	}
	info.Path = ""
	if !o.wants(&info.Entry) {
		if o.Trash {
			return sorted, notTrashed(top.Remote)
		}
		return sorted, info.Problem()
	}
	top.Prefix = top.Remote.Name()
	file := Record(top, &info.Entry)
	return sorted, sorted.Add(&file)
}

// Target returns what is below dest, for comparison: a folder that does not exist
// yet is an empty one. Close the Sorter after use.
func Target(ctx context.Context, service Lister, dest jfs.Path, warn func(message string)) (*record.Sorter, error) {
	sorted, err := fetch(ctx, service, Top{Remote: dest}, Options{Warn: warn})
	if err != nil {
		sorted.Close()
	}
	if errors.Is(err, jfs.ErrNotExist) {
		return new(record.Sorter), nil
	}
	return sorted, err
}

func notTrashed(p jfs.Path) error {
	return &jfs.Error{Op: "list", Path: p, Class: record.ClassNotFound, Message: "it is not in the trash"}
}

// fetch collects the listing that o asks for.
func fetch(ctx context.Context, service Lister, top Top, o Options) (*record.Sorter, error) {
	switch {
	case o.Depth > 0:
		return collect(levels(ctx, service, top.Remote, o.Depth), top, o)
	case o.Trash || o.States != nil || o.Detail:
		return collect(service.ListAll(ctx, top.Remote), top, o)
	}
	sorted, err := collect(service.ListTree(ctx, top.Remote), top, o)
	if errors.Is(err, jfs.ErrListing) {
		sorted.Close()
		o.Warn(err.Error() + "; asking for each folder by itself")
		sorted, err = collect(service.WalkTree(ctx, top.Remote), top, o)
	}
	return sorted, err
}

// collect brings the entries that are wanted into tree order.
func collect(entries iter.Seq2[jfs.Entry, error], top Top, o Options) (*record.Sorter, error) {
	sorted := &record.Sorter{Memory: sorterMemory}
	for e, err := range entries {
		if err == nil && o.wants(&e) && top.Remote.Covers(top.Remote.Join(e.Path)) {
			r := Record(top, &e)
			err = sorted.Add(&r)
		}
		if err != nil {
			return sorted, err
		}
	}
	return sorted, nil
}

// levels returns what is at most depth levels below p, with one request for each
// folder above the last level.
func levels(ctx context.Context, service Lister, p jfs.Path, depth int) iter.Seq2[jfs.Entry, error] {
	return func(yield func(jfs.Entry, error) bool) {
		var walk func(dir string, left int) bool
		walk = func(dir string, left int) bool {
			info, children, err := service.List(ctx, p.Join(dir))
			switch {
			case err != nil && dir != "" && errors.Is(err, jfs.ErrNotExist):
				return true // it has vanished meanwhile
			case err != nil:
				return yield(jfs.Entry{}, err)
			case info.Kind == jfs.KindFile && dir == "":
				return yield(jfs.Entry{}, &jfs.Error{Op: "list", Path: p, Class: record.ClassKindConflict, Message: "it is a file"})
			case !info.Deleted.IsZero() && dir == "":
				return yield(jfs.Entry{}, info.Problem())
			}
			for _, e := range children {
				name := e.Path
				if dir != "" {
					e.Path = dir + "/" + e.Path
				}
				if !p.Covers(p.Join(e.Path)) {
					continue
				}
				descend := e.Kind != jfs.KindFile && !e.Foreign && left > 1 && name != ""
				if !yield(e, nil) || descend && !walk(e.Path, left-1) {
					return false
				}
			}
			return true
		}
		walk("", depth)
	}
}

// Record returns the record of an entry found below top.
//
// One whose path does not lead to it carries an error: it can be seen, but
// neither fetched nor changed.
func Record(top Top, e *jfs.Entry) record.Record {
	r := e.RecordAt(top.path(e.Path), top.Remote.Join(e.Path))
	r.Deleted = e.Deleted
	if e.Foreign {
		r.Error = foreign()
	}
	return r
}

func foreign() *record.Error {
	return &record.Error{Class: record.ClassNameInvalid, Message: "its name on the service is not one that can be written here, so it cannot be reached; rename it in the web interface"}
}

// Top is a folder or file to be listed, and what the paths of its records begin
// with.
type Top struct {
	Remote jfs.Path
	Prefix string // "" if it is listed alone
}

func (t Top) path(below string) string {
	switch {
	case t.Prefix == "":
		return below
	case below == "":
		return t.Prefix
	}
	return t.Prefix + "/" + below
}

// Tops reads the remote paths of a command line. Paths of one folder alone are
// relative to it; those of several begin with its name, in tree order, as with
// jwalk.
func Tops(args []string) ([]Top, error) {
	var tops []Top
	for _, arg := range args {
		p, err := jfs.ParsePath(arg)
		if err != nil {
			return nil, err
		}
		top := Top{Remote: p}
		if len(args) > 1 {
			top.Prefix = p.Name()
		}
		tops = append(tops, top)
	}
	slices.SortFunc(tops, func(a, b Top) int { return record.CompareNames(a.Prefix, b.Prefix) })
	for i := 1; i < len(tops); i++ {
		if record.Fold(tops[i].Prefix) == record.Fold(tops[i-1].Prefix) {
			return nil, fmt.Errorf("%s and %s have the same name; list each on its own", tops[i-1].Remote, tops[i].Remote)
		}
	}
	return tops, nil
}

// All lists the tops one after the other to emit. With a single file as top,
// only it is listed, under its name. After an error, what had arrived of the
// listing that failed has been emitted.
func All(ctx context.Context, service Lister, tops []Top, o Options, emit Emit) error {
	for _, top := range tops {
		if err := one(ctx, service, top, o, emit); err != nil {
			return err
		}
	}
	return nil
}

func one(ctx context.Context, service Lister, top Top, o Options, emit Emit) error {
	sorted, listErr := Tree(ctx, service, top, o)
	if sorted == nil {
		return listErr
	}
	defer sorted.Close()
	if top.Prefix != "" && listErr == nil && !o.Trash && !isFile(sorted, top) {
		folder := Record(top, &jfs.Entry{Kind: jfs.KindFolder})
		if err := emit(&folder); err != nil {
			return err
		}
	}
	if err := emitAll(sorted, emit); err != nil {
		return err
	}
	return listErr
}

// emitAll hands on what was sorted. Errors are told as what they are, our own.
func emitAll(sorted *record.Sorter, emit Emit) error {
	for r, err := range sorted.Sorted() {
		if err == nil {
			if r.Error != nil {
				r.Error = foreign()
			}
			err = emit(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isFile reports whether a listing is that of a file by itself.
func isFile(sorted *record.Sorter, top Top) bool {
	if sorted.Len() != 1 {
		return false
	}
	for r := range sorted.Sorted() {
		return r != nil && r.Kind == record.KindFile && r.Remote == string(top.Remote)
	}
	return false
}
