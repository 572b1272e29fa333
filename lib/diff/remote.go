package diff

import (
	"context"
	"errors"
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

// Check returns the error that keeps an entry off the service because of its
// name, or nil. It is for [Options].
func Check(path string) *record.Error {
	for part := range strings.SplitSeq(path, "/") {
		if _, err := jfs.WireName(part); err != nil {
			return jfs.RecordError(err)
		}
	}
	return nil
}
