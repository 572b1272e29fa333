package list

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Viewer is the part of a [jfs.Client] that the views of the account need.
type Viewer interface {
	Devices(context.Context) ([]jfs.Device, error)
	MountPoints(context.Context, jfs.Path) ([]jfs.Entry, error)
	Trashed(context.Context) iter.Seq2[jfs.Info, error]
	Latest(context.Context, int) iter.Seq2[jfs.Info, error]
}

// The records of a view have paths that begin with the device: they are what
// follows the slash of the remote path.

// Devices lists the devices of the account, and the mount points of each.
func Devices(ctx context.Context, service Viewer, emit Emit) error {
	sorted := new(record.Sorter)
	defer sorted.Close()
	devices, err := service.Devices(ctx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := sorted.Add(viewed(&jfs.Entry{Path: string(d.Path), Kind: jfs.KindDevice, Foreign: d.Foreign})); err != nil {
			return err
		}
		if d.Foreign {
			continue
		}
		points, err := service.MountPoints(ctx, d.Path)
		if err != nil {
			return err
		}
		for _, e := range points {
			if e.Path = string(d.Path.Join(e.Path)); !e.Deleted.IsZero() {
				continue
			}
			if err := sorted.Add(viewed(&e)); err != nil {
				return err
			}
		}
	}
	return emitAll(sorted, emit)
}

// Trashed lists the tops of what is in the trash of the account, in tree order.
func Trashed(ctx context.Context, service Viewer, emit Emit) error {
	sorted := new(record.Sorter)
	defer sorted.Close()
	for info, err := range service.Trashed(ctx) {
		if err == nil && jfs.Path(info.Path).Reserved() {
			continue
		}
		if err == nil {
			err = sorted.Add(viewed(&info.Entry))
		}
		if err != nil {
			return err
		}
	}
	return emitAll(sorted, emit)
}

// Latest lists the n newest files of the account. They are in tree order, like
// every stream; their times say which is the newest.
func Latest(ctx context.Context, service Viewer, n int, emit Emit) error {
	if n < 1 {
		return fmt.Errorf("the number of files must be at least 1, not %d", n)
	}
	for ask := n; ; ask *= 2 {
		sorted, enough, err := latest(ctx, service, n, ask)
		if err == nil && (enough || ask >= maxAsked*n) {
			err = emitAll(sorted, emit)
			enough = true
		}
		sorted.Close()
		if err != nil || enough {
			return err
		}
	}
}

// maxAsked is how many times the wanted number of files is asked for, at most, to find
// as many that are to be shown.
const maxAsked = 32

// latest asks for a number of files and returns the n newest of them that are not
// reserved. It is not enough if there are fewer, and may be more among those that were
// not asked for. Close the Sorter after use.
func latest(ctx context.Context, service Viewer, n, ask int) (sorted *record.Sorter, enough bool, err error) {
	sorted = new(record.Sorter)
	shown, all := 0, 0
	for info, err := range service.Latest(ctx, ask) {
		if all++; err == nil && !jfs.Path(info.Path).Reserved() {
			shown++
			err = sorted.Add(viewed(&info.Entry))
		}
		if err != nil || shown == n {
			return sorted, true, err
		}
	}
	return sorted, all < ask || all == shown, nil
}

// viewed returns the record of an entry with an absolute path.
func viewed(e *jfs.Entry) *record.Record {
	r := Record(Top{Remote: "/"}, &jfs.Entry{Kind: e.Kind, Revision: e.Revision, Deleted: e.Deleted, Foreign: e.Foreign})
	r.Path, r.Remote = strings.TrimPrefix(e.Path, "/"), e.Path
	if jfs.Path(e.Path).Depth() < 2 {
		r.Remote = "" // a device is no place to store in
	}
	return &r
}
