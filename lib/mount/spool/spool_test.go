package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) (*Spool, *Found) {
	t.Helper()
	s, found, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		for _, f := range found.Files {
			f.Close()
		}
	})
	return s, found
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, s *Spool, path, content string) *File {
	t.Helper()
	f, err := s.Create()
	check(t, err)
	t.Cleanup(func() { f.Close() })
	check(t, f.Place(path, noon, nil))
	_, err = f.WriteAt([]byte(content), 0)
	check(t, err)
	return f
}

// reopen is what happens after kill -9: the lock goes with the process.
func reopen(t *testing.T, s *Spool) (*Spool, *Found) {
	t.Helper()
	check(t, s.Close())
	return open(t, s.dir)
}

func TestCommittedIsFoundAgain(t *testing.T) {
	s, _ := open(t, t.TempDir())
	names := []string{"/Jotta/Archive/a", "/Jotta/Archive/b \xff", "/Jotta/Archive/empty"}
	for _, name := range names {
		content := name
		if strings.HasSuffix(name, "empty") {
			content = ""
		}
		f := create(t, s, name, content)
		check(t, f.Commit(nil))
		check(t, f.SetModified(noon.Add(time.Hour)))
	}
	_, found := reopen(t, s)
	if len(found.Files) != len(names) || len(found.Problems) > 0 {
		t.Fatalf("found %d files, want %d; problems %q", len(found.Files), len(names), found.Problems)
	}
	slices.SortFunc(found.Files, func(a, b *File) int { return strings.Compare(a.base, b.base) })
	for i, f := range found.Files {
		size, modified, err := f.Stat()
		if f.Path() != names[i] || !f.Created().Equal(noon) || !modified.Equal(noon.Add(time.Hour)) || err != nil {
			t.Errorf("found %q of %v, modified %v, %v; want %q", f.Path(), f.Created(), modified, err, names[i])
		}
		b := make([]byte, size)
		f.ReadAt(b, 0)
		if want := names[i]; string(b) != want && i < 2 || i == 2 && size != 0 {
			t.Errorf("%q holds %q", f.Path(), b)
		}
	}
}

// TestRemovedIsNotFoundAgain: nor is what never had a place.
func TestRemovedIsNotFoundAgain(t *testing.T) {
	s, _ := open(t, t.TempDir())
	f := create(t, s, "/Jotta/Archive/a", "x")
	check(t, f.Commit(nil))
	check(t, f.Remove())
	if _, err := f.WriteAt([]byte("still open"), 0); err != nil {
		t.Errorf("write to a removed file: %v", err)
	}
	check(t, f.Commit(nil))
	check(t, f.Place("/Jotta/Archive/b", noon, nil))
	check(t, f.Move("/Jotta/Archive/c"))
	g, err := s.Create()
	check(t, err)
	check(t, g.Close())
	kept := filepath.Join(t.TempDir(), "kept")
	h := create(t, s, "/Jotta/Archive/h", "taken")
	check(t, h.Release(func(name string) error { return os.Rename(name, kept) }))
	if b, err := os.ReadFile(kept); err != nil || string(b) != "taken" {
		t.Errorf("released %q, %v", b, err)
	}
	if _, found := reopen(t, s); len(found.Files) > 0 || len(found.Problems) > 0 {
		t.Errorf("found %v, %q", found.Files, found.Problems)
	}
	entries, err := os.ReadDir(s.dir)
	check(t, err)
	if len(entries) != 1 { // the lock
		t.Errorf("left behind: %v", entries)
	}
}

func TestInUse(t *testing.T) {
	s, _ := open(t, t.TempDir())
	if _, _, err := Open(s.dir); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestDamagedNotesKeepTheContent: what the spool does not understand, it does not
// delete.
func TestDamagedNotesKeepTheContent(t *testing.T) {
	for _, damage := range []string{"", "{", `{"v":2,"path":"/Jotta/Archive/a"}`, `{"v":1,"path":"a"}`, `{"v":1}`} {
		s, _ := open(t, t.TempDir())
		f := create(t, s, "/Jotta/Archive/a", "content")
		check(t, os.WriteFile(s.path(f.base+noteSuffix), []byte(damage), 0o600))
		_, found := reopen(t, s)
		if len(found.Files) != 0 || len(found.Problems) != 1 {
			t.Errorf("%q: found %v, problems %q", damage, found.Files, found.Problems)
		}
		kept, _ := filepath.Glob(s.path(keptFolder + "/*" + dataSuffix))
		if len(kept) != 1 {
			t.Fatalf("%q: kept %q", damage, kept)
		}
		if b, _ := os.ReadFile(kept[0]); string(b) != "content" {
			t.Errorf("%q: kept %q", damage, b)
		}
	}
}

func TestNoteWithoutContent(t *testing.T) {
	s, _ := open(t, t.TempDir())
	f := create(t, s, "/Jotta/Archive/a", "content")
	check(t, os.Remove(f.Name()))
	s, found := reopen(t, s)
	if len(found.Files) != 0 || len(found.Problems) != 1 {
		t.Errorf("found %v, problems %q", found.Files, found.Problems)
	}
	if _, found := reopen(t, s); len(found.Problems) != 0 {
		t.Errorf("told again: %q", found.Problems)
	}
}

func TestIntents(t *testing.T) {
	for _, happened := range []bool{false, true} {
		s, _ := open(t, t.TempDir())
		for _, name := range []string{"/Jotta/Archive/d/x", "/jotta/archive/D/e/y", "/Jotta/Archive/d", "/Jotta/Archive/dd", "/Jotta/Archive/z"} {
			f := create(t, s, name, name)
			check(t, f.Commit(nil))
		}
		in, err := s.Intend("/Jotta/Archive/d", "/Jotta/Archive/new")
		check(t, err)
		if in.name == "" {
			t.Fatal("nothing was noted")
		}
		// killed before it was settled
		s, found := reopen(t, s)
		if len(found.Intents) != 1 {
			t.Fatalf("found intents %v", found.Intents)
		}
		check(t, found.Intents[0].Settle(happened))
		_, found = reopen(t, s)
		slices.SortFunc(found.Files, func(a, b *File) int { return strings.Compare(a.base, b.base) })
		var got []string
		for _, f := range found.Files {
			got = append(got, strings.TrimPrefix(strings.ToLower(f.Path()), "/jotta/archive/"))
		}
		want := "d/x d/e/y d dd z"
		if happened {
			want = "new/x new/e/y new dd z"
		}
		if strings.Join(got, " ") != want || len(found.Intents) != 0 {
			t.Errorf("happened %v: %q, want %q; intents %v", happened, got, want, found.Intents)
		}
	}
}

func TestIntentWithoutFiles(t *testing.T) {
	s, _ := open(t, t.TempDir())
	create(t, s, "/Jotta/Archive/other", "")
	in, err := s.Intend("/Jotta/Archive/d", "/Jotta/Archive/e")
	check(t, err)
	if in.name != "" {
		t.Error("noted, though no file is concerned")
	}
	check(t, in.Settle(true))
}

func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"v":1,"path":"/Jotta/Archive/a","created":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"v":1,"path":"/a","path_raw":"Y2Fm6Q=="}`))
	f.Add([]byte(`{"v":2,"path":"/a","rest":{"md5":"b1946ac92492d2347c6235b4d2611184","size":100000,"limit":70000,"here":"Ag=="}}`))
	dir := f.TempDir()
	s, _, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, os.WriteFile(s.path("1.json"), b, 0o600))
		n, err := s.read("1.json")
		if err != nil {
			return
		}
		path := untext(n.Path, n.PathRaw)
		again := newNote(path)
		again.Created = n.Created
		check(t, s.write("2.json", again, false))
		m, err := s.read("2.json")
		if err != nil || untext(m.Path, m.PathRaw) != path || !m.Created.Equal(n.Created) {
			t.Errorf("%q becomes %+v, %v", b, m, err)
		}
	})
}

func TestBelow(t *testing.T) {
	for _, test := range []struct{ path, dir, want string }{
		{"/a/b", "/a", "/b"}, {"/a", "/a", ""}, {"/A/b/c", "/a", "/b/c"}, {"/ab", "/a", "-"}, {"/a", "/a/b", "-"}, {"/b/a", "/a", "-"},
	} {
		rest, ok := below(test.path, test.dir)
		if !ok {
			rest = "-"
		}
		if rest != test.want {
			t.Errorf("below(%q, %q) = %q, want %q", test.path, test.dir, rest, test.want)
		}
	}
}

// TestBeforeIsBounded: of many contents that the service may have, the first, which it
// has if nothing arrived, and the last ones are noted.
func TestBeforeIsBounded(t *testing.T) {
	s, _ := open(t, t.TempDir())
	f, err := s.Create()
	check(t, err)
	t.Cleanup(func() { f.Close() })
	check(t, f.Place("/Jotta/Archive/a", noon, nil, Content{MD5: "first"}))
	for i := range int64(3 * mostBefore) {
		check(t, f.Offered(Content{MD5: "more", Size: i}, false))
	}
	check(t, f.Commit(nil))
	_, found := reopen(t, s)
	before, known := found.Files[0].Before()
	if !known || len(before) != mostBefore || before[0].MD5 != "first" || before[1].Size != 2*mostBefore+1 || before[mostBefore-1].Size != 3*mostBefore-1 {
		t.Errorf("known %v: %v", known, before)
	}
	check(t, f.Offered(Content{MD5: "arrived"}, true))
	if before, _ := f.Before(); len(before) != 1 {
		t.Errorf("after one that arrived: %v", before)
	}
}

func TestKeep(t *testing.T) {
	s, _ := open(t, t.TempDir())
	f := create(t, s, "/Jotta/Archive/a", "kept")
	check(t, f.Commit(nil))
	name, err := f.Keep()
	check(t, err)
	if b, err := os.ReadFile(name); err != nil || string(b) != "kept" {
		t.Errorf("kept %q, %v", b, err)
	}
	if _, err := f.Keep(); err == nil {
		t.Error("kept twice")
	}
	if _, found := reopen(t, s); len(found.Files) != 0 || len(found.Problems) != 0 {
		t.Errorf("found %v, %q", found.Files, found.Problems)
	}
}
