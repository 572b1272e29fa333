package transfer

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/brake"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

func TestDistinct(t *testing.T) {
	given := []jfs.Path{"/J/A/b/c", "/J/A/b", "/J/A/B", "/J/A/bb", "/J/A/d/e/f", "/J/A/d", "/J/A/d/e", "/J/A/bb"}
	if diff := cmp.Diff([]jfs.Path{"/J/A/b", "/J/A/bb", "/J/A/d"}, distinct(given, true)); diff != "" {
		t.Errorf("alone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]jfs.Path{"/J/A/b/c", "/J/A/b", "/J/A/bb", "/J/A/d/e/f", "/J/A/d", "/J/A/d/e"}, distinct(given, false)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
}

// fakeTrash adds a trash to a fake.
type fakeTrash struct {
	*fake
	listed []jfs.Info
	broken error // after the listed ones
}

func (f *fakeTrash) Restore(context.Context, jfs.Path) error { return nil }
func (f *fakeTrash) RestoreDir(context.Context, jfs.Path, time.Time) (int64, error) {
	return 0, nil
}
func (f *fakeTrash) List(context.Context, jfs.Path) (jfs.Info, []jfs.Entry, error) {
	return jfs.Info{}, nil, nil
}
func (f *fakeTrash) EmptyTrash(context.Context) (files, folders int64, err error) {
	return 0, 0, f.call("purge", "")
}
func (f *fakeTrash) Trashed(context.Context) iter.Seq2[jfs.Info, error] {
	return func(yield func(jfs.Info, error) bool) {
		for _, info := range f.listed {
			if !yield(info, nil) {
				return
			}
		}
		if f.broken != nil {
			yield(jfs.Info{}, f.broken)
		}
	}
}

// namedRun runs one of the functions over paths.
func namedRun(t *testing.T, do func(out *record.Writer) error) result {
	return carryOut(t, stream(t), func(_ *record.Reader, out *record.Writer) error { return do(out) })
}

func TestDeletePathsStops(t *testing.T) {
	f := &fakeTrash{fake: newFake()}
	paths := []jfs.Path{dest + "/a", dest + "/b", dest + "/c", dest + "/d", dest + "/e"}
	for _, p := range paths {
		f.files[p] = &stored{complete: true}
	}
	f.before = func(op string, p jfs.Path) error {
		if op == "dl" {
			return answer(p, record.ClassServer, 503)
		}
		return nil
	}
	res := namedRun(t, func(out *record.Writer) error {
		return DeletePaths(t.Context(), paths, out, f, DeleteOptions{Jobs: 1})
	})
	if !errors.Is(res.err, jfs.ErrServer) || f.count("dl") != 3 || len(res.records) != len(paths) {
		t.Errorf("%v after %d requests, %d records", res.err, f.count("dl"), len(res.records))
	}
}

func TestEmptyTrash(t *testing.T) {
	listed := []jfs.Info{{Entry: jfs.Entry{Path: dest + "/a", Kind: jfs.KindFile}}, {Entry: jfs.Entry{Path: dest + "/b", Kind: jfs.KindFolder}}}
	tests := []struct {
		name    string
		service fakeTrash
		refuse  bool
		o       DeleteOptions
		purges  int
		records int
		err     error
	}{
		{"all of it", fakeTrash{listed: listed}, false, DeleteOptions{MaxDelete: &brake.Limit{N: 2}}, 1, 2, nil},
		{"empty already", fakeTrash{}, false, DeleteOptions{}, 0, 0, nil},
		{"too many", fakeTrash{listed: listed}, false, DeleteOptions{MaxDelete: &brake.Limit{N: 1}}, 0, 2, ErrTooMany},
		{"a dry run", fakeTrash{listed: listed}, false, DeleteOptions{DryRun: true}, 0, 2, nil},
		{"a listing cut short", fakeTrash{listed: listed, broken: answer("/", record.ClassNetwork, 0)}, false, DeleteOptions{}, 0, 0, jfs.ErrNetwork},
		{"refused", fakeTrash{listed: listed}, true, DeleteOptions{}, 1, 0, jfs.ErrForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &tt.service
			f.fake = newFake()
			if tt.refuse {
				f.before = func(string, jfs.Path) error { return answer("/", record.ClassForbidden, 403) }
			}
			tt.o.Jobs = 1
			res := namedRun(t, func(out *record.Writer) error { return EmptyTrash(t.Context(), out, f, tt.o) })
			if !errors.Is(res.err, tt.err) || f.count("purge") != tt.purges || len(res.records) != tt.records {
				t.Errorf("%v, %d purges, %d records", res.err, f.count("purge"), len(res.records))
			}
		})
	}
}
