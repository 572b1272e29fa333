//go:build linux

package mount

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// withEntry is a service that lists one entry more, as if another client had made it.
type withEntry struct {
	Service
	in    jfs.Path
	entry jfs.Entry
}

func (s *withEntry) List(ctx context.Context, p jfs.Path) (jfs.Info, []jfs.Entry, error) {
	info, entries, err := s.Service.List(ctx, p)
	if p == s.in {
		entries = append(entries, s.entry)
	}
	return info, entries, err
}

// TestHidden: a folder in which the service has something that the mount does not show is
// not empty. The service would delete that with it.
func TestHidden(t *testing.T) {
	const dir = jfs.Path("/Jotta/Archive/dir")
	complete := jfs.Revision{State: record.StateCompleted, Size: 1, MD5: "0cc175b9c0f1b6a831c399e269772661"}
	for _, test := range []struct {
		name  string
		entry jfs.Entry
		stays bool
	}{
		{"a name that leads elsewhere", jfs.Entry{Path: "x", Kind: jfs.KindFile, Revision: complete, Foreign: true}, true},
		{"an upload that has not ended", jfs.Entry{Path: "x", Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateIncomplete, Size: jfs.SizeUnknown}}, true},
		{"a damaged file", jfs.Entry{Path: "x", Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCorrupt, Size: jfs.SizeUnknown}}, true},
		{"a file without a digest", jfs.Entry{Path: "x", Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCompleted, Size: 1}}, true},
		{"a folder whose name leads elsewhere", jfs.Entry{Path: "x", Kind: jfs.KindFolder, Foreign: true}, true},
		{"what is in the trash", jfs.Entry{Path: "x", Kind: jfs.KindFile, Revision: complete, Deleted: time.Unix(1, 0)}, false},
	} {
		for _, way := range []string{"rmdir", "rename over it"} {
			t.Run(test.name+", "+way, func(t *testing.T) {
				client := newService(t)
				f, archive := newTestFS(t, &withEntry{client, dir, test.entry})
				e, err := f.mkdir(t.Context(), archive, "dir")
				if err != nil {
					t.Fatal(err)
				}
				if way == "rmdir" {
					err = f.rmdir(e)
				} else if _, err = f.mkdir(t.Context(), archive, "new"); err == nil {
					err = f.rename(t.Context(), archive, "new", archive, "dir", false)
				}
				if test.stays != errors.Is(err, syscall.ENOTEMPTY) || !test.stays && err != nil {
					t.Errorf("%v", err)
				}
				if f.errno(err) != 0 != test.stays {
					t.Errorf("the system is told %v", f.errno(err))
				}
				if _, err := client.Stat(t.Context(), dir); test.stays && err != nil {
					t.Errorf("the folder has gone: %v", err)
				}
			})
		}
	}
}
