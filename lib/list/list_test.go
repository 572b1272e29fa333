package list

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a service with a fixed listing.
type fake struct {
	Lister
	entries []jfs.Entry
	err     error // ends the streamed listing
	infos   map[jfs.Path]jfs.Info
}

func (f *fake) all(err error) iter.Seq2[jfs.Entry, error] {
	return func(yield func(jfs.Entry, error) bool) {
		for _, e := range f.entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(jfs.Entry{}, err)
		}
	}
}

func (f *fake) ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error] { return f.all(f.err) }
func (f *fake) WalkTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error] { return f.all(nil) }
func (f *fake) ListAll(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error]  { return f.all(nil) }
func (f *fake) Stat(_ context.Context, p jfs.Path) (jfs.Info, error) {
	info, ok := f.infos[p]
	if !ok {
		return info, &jfs.Error{Op: "look at", Path: p, Class: record.ClassNotFound}
	}
	return info, nil
}

const top = jfs.Path("/Jotta/Archive/top")

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func revision(number int64, uploaded time.Time) jfs.Revision {
	return jfs.Revision{Number: number, State: record.StateCompleted, Size: number, MD5: strings.Repeat("0", 32), Modified: uploaded, Updated: uploaded}
}

func file(path string, v jfs.Revision, deleted time.Time) jfs.Entry {
	return jfs.Entry{Path: path, Kind: jfs.KindFile, Revision: v, Deleted: deleted}
}

func folderAt(path string, deleted time.Time) jfs.Entry {
	return jfs.Entry{Path: path, Kind: jfs.KindFolder, Revision: jfs.Revision{Size: jfs.SizeUnknown}, Deleted: deleted}
}

// shown returns what is emitted in few words.
func shown(list func(Emit) error) ([]string, error) {
	var all []string
	err := list(func(r *record.Record) error {
		line := r.Path
		switch {
		case r.Error != nil:
			line += " " + string(r.Error.Class)
		case r.Kind == record.KindFile:
			line += fmt.Sprintf(" %d", r.Revision)
		}
		all = append(all, line)
		return nil
	})
	return all, err
}

func TestAt(t *testing.T) {
	never := time.Time{}
	f := &fake{infos: map[jfs.Path]jfs.Info{}}
	add := func(e jfs.Entry, older ...jfs.Revision) {
		f.entries = append(f.entries, e)
		f.infos[top.Join(e.Path)] = jfs.Info{Entry: e, Older: older}
	}
	add(folderAt("all new", never))
	add(file("all new/x", revision(1, day(20)), never))
	add(folderAt("empty", never))
	add(folderAt("gone", day(20)))
	add(file("gone/x", revision(3, day(5)), day(20)))
	add(folderAt("gone before", day(5)))
	add(file("gone before/x", revision(1, day(1)), day(5)))
	add(file("changed", revision(4, day(20)), never), revision(3, day(15)), revision(2, day(8)), revision(1, day(1)))
	add(file("forgotten", revision(9, day(20)), never), revision(8, day(19)), revision(7, day(18)))
	add(file("same", revision(2, day(10)), never))
	add(file("timeless", revision(2, never), never))
	add(jfs.Entry{Path: "foreign", Kind: jfs.KindFile, Revision: revision(1, day(1)), Foreign: true})
	got, err := shown(func(emit Emit) error {
		return At(t.Context(), f, []Top{{Remote: top}}, day(10), 3, emit)
	})
	want := []string{"changed 2", "empty", "foreign name_invalid", "forgotten not_found", "gone", "gone/x 3", "same 2", "timeless not_found"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("At = %v (-want +got):\n%s", err, diff)
	}
	delete(f.infos, top.Join("changed"))
	got, err = shown(func(emit Emit) error { return At(t.Context(), f, []Top{{Remote: top}}, day(10), 3, emit) })
	if err != nil || !slices.Contains(got, "changed not_found") {
		t.Errorf("with a file that vanished meanwhile: %v, %v", got, err)
	}
	full := errors.New("the pipe is full")
	if err := At(t.Context(), f, []Top{{Remote: top}}, day(10), 3, func(*record.Record) error { return full }); err != full {
		t.Errorf("with a reader that fails: %v", err)
	}
}

// TestCutShort: what had arrived of a listing is emitted, and the error returned.
func TestCutShort(t *testing.T) {
	cut := &jfs.Error{Op: "list", Class: record.ClassNetwork, Message: "cut", Retry: true}
	f := &fake{entries: []jfs.Entry{file("b", revision(1, day(1)), time.Time{}), file("a", revision(1, day(1)), time.Time{})}, err: cut}
	got, err := shown(func(emit Emit) error { return All(t.Context(), f, []Top{{Remote: top}}, Options{}, emit) })
	if want := []string{"a 1", "b 1"}; !slices.Equal(got, want) || err != cut {
		t.Errorf("All = %v, %v", got, err)
	}
	// One that does not add up is fetched again, and not twice.
	f.err = &jfs.Error{Op: "list", Class: record.ClassServer, Message: "the counts differ", Err: jfs.ErrListing}
	warned := ""
	got, err = shown(func(emit Emit) error {
		return All(t.Context(), f, []Top{{Remote: top}}, Options{Warn: func(m string) { warned = m }}, emit)
	})
	if want := []string{"a 1", "b 1"}; !slices.Equal(got, want) || err != nil || !strings.Contains(warned, "folder by itself") {
		t.Errorf("All = %v, %v; warned %q", got, err, warned)
	}
}

// TestMemoryStaysFlat lists a folder with a great many entries: JLS_ENTRIES, by hand.
func TestMemoryStaysFlat(t *testing.T) {
	entries := 50_000
	if n, err := strconv.Atoi(os.Getenv("JLS_ENTRIES")); err == nil {
		entries = n
	}
	f := &manyEntries{n: entries}
	var most uint64
	n := 0
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	f.each = look
	err := All(t.Context(), f, []Top{{Remote: top}}, Options{}, func(*record.Record) error {
		if n++; n%5000 == 0 {
			look()
		}
		return nil
	})
	if err != nil || n != entries {
		t.Fatalf("%d entries, %v", n, err)
	}
	if most > 40<<20 {
		t.Errorf("the heap grew to %d MiB", most>>20)
	}
}

type manyEntries struct {
	Lister
	n    int
	each func()
}

func (f *manyEntries) ListTree(context.Context, jfs.Path) iter.Seq2[jfs.Entry, error] {
	return func(yield func(jfs.Entry, error) bool) {
		for i := range f.n {
			if i%5000 == 0 {
				f.each()
			}
			if !yield(file(fmt.Sprintf("IMG_%07d %s.jpg", i*7919%f.n, strings.Repeat("long ", 20)), revision(1, day(1)), time.Time{}), nil) {
				return
			}
		}
	}
}

func TestTops(t *testing.T) {
	tops, err := Tops([]string{"/Jotta/Archive/b", "/Jotta/Archive//A/"})
	if want := []Top{{"/Jotta/Archive/A", "A"}, {"/Jotta/Archive/b", "b"}}; err != nil || !slices.Equal(tops, want) {
		t.Errorf("Tops = %v, %v", tops, err)
	}
	if _, err := Tops([]string{"/Jotta/Archive/b", "/Jotta/Sync/B"}); err == nil {
		t.Error("two folders of one name were taken")
	}
}

func TestParseAt(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	for s, want := range map[string]time.Time{
		"2026-01-31T12:00":     time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC),
		"2026-01-31 12:00:05":  time.Date(2026, 1, 31, 10, 0, 5, 0, time.UTC),
		"2026-01-31T12:00:00Z": time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		"2026-01-31":           time.Date(2026, 1, 31, 21, 59, 59, 0, time.UTC),
	} {
		if got, err := ParseAt(s, zone); err != nil || !got.Equal(want) {
			t.Errorf("ParseAt(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "2026-02-30", "12:00"} {
		if got, err := ParseAt(s, zone); err == nil {
			t.Errorf("ParseAt(%q) = %v", s, got)
		}
	}
}
