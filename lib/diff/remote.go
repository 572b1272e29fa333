package diff

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Lister is the part of a [jfs.Client] that Remote needs.
type Lister interface {
	ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
	WalkTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]
}

// Remote fetches the listing of the folder dest and returns it in tree order.
// A folder that does not exist yet is an empty one. A listing that does not add
// up is fetched again folder by folder, which is slow but sure; warn hears of
// it. Errors are those of [jfs.Client.ListTree]. Close the Sorter after use.
func Remote(ctx context.Context, service Lister, dest jfs.Path, warn func(string)) (*record.Sorter, error) {
	sorted, err := collect(service.ListTree(ctx, dest))
	if errors.Is(err, jfs.ErrListing) {
		warn(err.Error() + "; asking for each folder by itself")
		sorted, err = collect(service.WalkTree(ctx, dest))
	}
	if errors.Is(err, jfs.ErrNotExist) {
		return new(record.Sorter), nil
	}
	return sorted, err
}

func collect(entries iter.Seq2[jfs.Entry, error]) (*record.Sorter, error) {
	sorted := new(record.Sorter)
	for e, err := range entries {
		if err == nil && !e.Foreign { // a foreign entry cannot be reached by its path
			err = sorted.Add(entryRecord(e))
		}
		if err != nil {
			sorted.Close()
			return nil, err
		}
	}
	return sorted, nil
}

func entryRecord(e jfs.Entry) *record.Record {
	if e.Kind != jfs.KindFile {
		return &record.Record{Kind: record.KindDir, Path: e.Path, Size: record.SizeUnknown}
	}
	return &record.Record{
		Kind: record.KindFile, Path: e.Path, Size: e.Size, MD5: e.MD5,
		MTime: e.Modified, State: e.State, Revision: e.Number, Uploaded: e.Updated,
	}
}

// Check is for [Options]: it judges a path by the names in it. Names that hold
// the quotation mark of the mapping, U+201B, may stand for the same file on the
// service as others, and come back as those (docs/protocol.md, section 13.2).
func Check(path string) (listed string, problem *record.Error) {
	names := strings.Split(path, "/")
	for i, name := range names {
		wire, err := jfs.WireName(name)
		if err != nil {
			return path, jfs.RecordError(err)
		}
		if names[i] = jfs.LocalName(wire); names[i] != name && problem == nil {
			problem = &record.Error{Class: record.ClassNameInvalid, Message: fmt.Sprintf("the name %q would come back from the service as %q, since \u201b quotes other characters there; rename it", name, names[i])}
		}
	}
	return strings.Join(names, "/"), problem
}
