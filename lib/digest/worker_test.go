package digest

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jottatools/lib/digest/md5lanes"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// mixed is files of all sizes around those where something changes, so that lanes
// begin and end at any time.
func mixed() map[string]string {
	files := make(map[string]string)
	for i, size := range []int{0, 1, 55, 56, 63, 64, 65, 1000, laneSize - 65, laneSize - 64, laneSize - 1, laneSize, laneSize + 1, 2*laneSize - 1, 2 * laneSize, 5*laneSize + 7} {
		for copy := range 5 {
			files[fmt.Sprintf("%d/%02d %d", copy, i, size)] = strings.Repeat(string(rune('a'+copy)), size)
		}
	}
	return files
}

func wantSums(t *testing.T, got outcome, files map[string]string) {
	t.Helper()
	if got.err != nil {
		t.Error(got.err)
	}
	md5s := got.md5s()
	for path, content := range files {
		if md5s[path] != sumOf(content) {
			t.Errorf("MD5 of %s = %q, want %q", path, md5s[path], sumOf(content))
		}
	}
}

func TestSizesInLanes(t *testing.T) {
	files := mixed()
	root := makeTree(t, files)
	for _, jobs := range []int{1, 2, 7} {
		wantSums(t, runTree(t, root, runOptions{Options: Options{Jobs: jobs}}), files)
	}
}

// TestLanesAreShared: one worker has several files open at once, where that is of
// use, and never more than it has lanes.
func TestLanesAreShared(t *testing.T) {
	files := mixed()
	root := makeTree(t, files)
	var open, most atomic.Int32
	got := runTree(t, root, runOptions{Options: Options{Jobs: 1}, hasher: func(h *hasher) {
		inner := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			f, fi, err := inner(rec)
			if n := open.Add(1); n > most.Load() {
				most.Store(n)
			}
			return &countedFile{f, &open}, fi, err
		}
	}})
	wantSums(t, got, files)
	if open.Load() != 0 {
		t.Errorf("%d files were left open", open.Load())
	}
	if n := most.Load(); n > md5lanes.Width {
		t.Errorf("%d files were open at once, want at most %d", n, md5lanes.Width)
	}
}

type countedFile struct {
	local.Content
	open *atomic.Int32
}

func (f *countedFile) Close() error {
	f.open.Add(-1)
	return f.Content.Close()
}

// TestChangesInLanes: files that change while they are read harm no others.
func TestChangesInLanes(t *testing.T) {
	files := mixed()
	root := makeTree(t, files)
	got := runTree(t, root, runOptions{Options: Options{Jobs: 1}, hasher: func(h *hasher) {
		inner := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			f, fi, err := inner(rec)
			if err != nil || !strings.HasSuffix(path, "7") {
				return f, fi, err
			}
			return &fakeFile{Content: f, onStat: func() { os.Chtimes(path, time.Time{}, time.Now()) }}, fi, nil
		}
	}})
	for path := range files {
		if strings.HasSuffix(path, "7") {
			delete(files, path)
		}
	}
	wantSums(t, got, files)
	for _, r := range got.recs {
		if moving := strings.HasSuffix(r.Path, "7"); moving != (r.Reason == record.ReasonChanging) {
			t.Errorf("%s left as %s", r.Path, r.Raw())
		}
	}
}

// TestLargeFilesOnASlowDisk: they are not read in turn, small ones are.
func TestLargeFilesOnASlowDisk(t *testing.T) {
	small, large := &record.Record{Size: laneSize - 1}, &record.Record{Size: laneSize}
	for _, test := range []struct {
		took  time.Duration // to read a part
		small bool
		large bool
	}{
		{0, true, false}, // nothing is known yet
		{10 * time.Microsecond, true, true},
		{10 * time.Millisecond, true, false},
	} {
		var w worker
		if test.took > 0 {
			for range 1000 {
				w.pace.note(laneSize, test.took)
			}
		}
		if w.fits(small) != test.small || w.fits(large) != test.large {
			t.Errorf("with %v for a part, small files fit: %t, large ones: %t", test.took, w.fits(small), w.fits(large))
		}
	}
	var p pace
	for range 1000 {
		p.note(laneSize, 10*time.Millisecond)
	}
	for range 1000 {
		p.note(laneSize, 10*time.Microsecond)
	}
	if !p.fast() {
		t.Error("a disk that was slow long ago still counts as slow")
	}
}

// TestShares: the workers share what waits, rather than that the first takes all.
func TestShares(t *testing.T) {
	q := &queue{workers: 4, shares: 4, write: func(result) {}}
	q.work.L, q.room.L = &q.mu, &q.mu
	for range 10 {
		q.put(&item{result: result{rec: &record.Record{Size: 1}}})
	}
	all := func(*record.Record) bool { return true }
	n := 0
	for q.take(n, all) != nil {
		n++
	}
	if n != 2 {
		t.Errorf("the first of four workers took %d of 10, want 2", n)
	}
	if it := q.take(1, func(*record.Record) bool { return false }); it != nil {
		t.Error("what does not fit was taken")
	}
	if it := q.take(0, func(*record.Record) bool { return false }); it == nil {
		t.Error("a worker with nothing in hand got nothing")
	}
}
