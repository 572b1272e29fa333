package digest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

func cacheName(t testing.TB) string { return filepath.Join(t.TempDir(), "made", "cache.zst") }

func withCache(name string) runOptions { return runOptions{Options: Options{Cache: name}} }

// cached returns what is in a cache file, in its order.
func cached(t testing.TB, name string) []*record.Record {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var recs []*record.Record
	for r := range record.NewReader(f).All() {
		recs = append(recs, r)
	}
	if !slices.IsSortedFunc(recs, func(a, b *record.Record) int { return record.Compare(a.Path, b.Path) }) {
		t.Errorf("cache %s is out of order: %q", name, paths(recs))
	}
	return recs
}

// leftovers returns what else stands beside the cache.
func leftovers(t testing.TB, name string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); n != filepath.Base(name) && n != filepath.Base(name)+".lock" {
			names = append(names, n)
		}
	}
	return names
}

func wantOpened(t testing.TB, got outcome, want ...string) {
	t.Helper()
	if got.err != nil {
		t.Fatal(got.err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got.opened); diff != "" {
		t.Errorf("files opened (-want +got): %s", diff)
	}
}

func TestSecondRunOpensNothing(t *testing.T) {
	root, name := makeTree(t, numbered(500)), cacheName(t)
	first := runTree(t, root, withCache(name))
	if len(first.opened) != 500 {
		t.Fatalf("the first run opened %d files", len(first.opened))
	}
	second := runTree(t, root, withCache(name))
	wantOpened(t, second)
	if diff := cmp.Diff(first.md5s(), second.md5s()); diff != "" {
		t.Error(diff)
	}
	if l := leftovers(t, name); l != nil {
		t.Errorf("left behind: %q", l)
	}
	if len(first.warned)+len(second.warned) > 0 {
		t.Errorf("warned: %q %q", first.warned, second.warned)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := record.NewReader(f)
	for range in.All() {
	}
	if err := in.Clean(); err != nil || in.End().Records != 500 {
		t.Errorf("the cache is no whole stream: %v, %d records", err, in.End().Records)
	}
}

func TestCacheFields(t *testing.T) {
	second := time.Unix(1, 0)
	for _, test := range []struct {
		name   string
		change func(r *record.Record)
		hit    bool
	}{
		{"nothing", func(r *record.Record) {}, true},
		{"mode", func(r *record.Record) { r.Mode = "0600" }, true},
		{"btime", func(r *record.Record) { r.BTime = second }, true},
		{"no root", func(r *record.Record) { r.Root = "" }, true},
		{"size", func(r *record.Record) { r.Size++ }, false},
		{"mtime", func(r *record.Record) { r.MTime = r.MTime.Add(1) }, false},
		{"ctime", func(r *record.Record) { r.CTime = r.CTime.Add(1) }, false},
		{"inode", func(r *record.Record) { r.Ino++ }, false},
		{"root", func(r *record.Record) { r.Root += "x" }, false},
		{"path", func(r *record.Record) { r.Path = "g" }, false},
		{"case", func(r *record.Record) { r.Path = "F" }, false},
		{"no size", func(r *record.Record) { r.Size = record.SizeUnknown }, false},
		{"no mtime", func(r *record.Record) { r.MTime = time.Time{} }, false},
		{"no ctime", func(r *record.Record) { r.CTime = time.Time{} }, false},
		{"no inode", func(r *record.Record) { r.Ino = 0 }, false},
	} {
		root, name := makeTree(t, map[string]string{"e": "", "f": "old", "h": ""}), cacheName(t)
		if got := runTree(t, root, withCache(name)); got.err != nil {
			t.Fatal(got.err)
		}
		f, err := openEntries(name, func(string, ...any) {})
		if err != nil {
			t.Fatal(err)
		}
		rec := list(t, root)[1]
		test.change(rec)
		entry := f.find(rec)
		if hit := new(Options).holds(entry, rec); hit != test.hit || hit && entry.MD5 != sumOf("old") {
			t.Errorf("%s: find = %v, which holds: %v, want %v", test.name, entry, hit, test.hit)
		}
		f.close()
	}
}

func TestCacheFollowsTheTree(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a/1": "1", "a/2": "2", "a-b": "3", "b": "4", "Z": "5"}), cacheName(t)
	wantOpened(t, runTree(t, root, withCache(name)), "Z", "a-b", "a/1", "a/2", "b")

	put(t, root, "a/2", "two!")     // another size
	put(t, root, "a/1.5", "1.5")    // new
	os.Remove(root + "/b")          // gone
	os.Chmod(root+"/a/1", 0o600)    // another ctime
	os.Rename(root+"/Z", root+"/Y") // another name
	got := runTree(t, root, withCache(name))
	wantOpened(t, got, "Y", "a/1", "a/1.5", "a/2")
	if got.md5s()["a/2"] != sumOf("two!") {
		t.Error("a/2 has an old MD5")
	}
	wantOpened(t, runTree(t, root, withCache(name)))
	if diff := cmp.Diff([]string{"a/1", "a/1.5", "a/2", "a-b", "Y"}, paths(cached(t, name))); diff != "" {
		t.Errorf("cache: %s", diff)
	}
}

// What is not hashed here is not remembered either.
func TestCacheLeavesFailuresOut(t *testing.T) {
	root, name := makeTree(t, map[string]string{"bad": "1", "good": "2", "busy": "3"}), cacheName(t)
	o := withCache(name)
	o.hasher = func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			switch filepath.Base(path) {
			case "bad":
				return nil, nil, fs.ErrPermission
			case "busy":
				f, fi, err := open(rec)
				return endlessFile{f}, fi, err
			}
			return open(rec)
		}
	}
	runTree(t, root, o)
	wantOpened(t, runTree(t, root, withCache(name)), "bad", "busy")
}

func TestSettling(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	coarse := now.Truncate(time.Second)
	for _, test := range []struct {
		name         string
		ctime, mtime time.Time
		lasting      bool
		waits        time.Duration
	}{
		{"old", now.Add(-time.Hour), now.Add(-time.Hour), true, 0},
		{"just old enough", now.Add(-fineGrain), now, true, 0},
		{"just too fresh", now.Add(-fineGrain + 1), now, true, 1},
		{"this moment", now, now, true, fineGrain},
		{"the future", now.Add(1), now, false, 0},
		{"mtime in the future", now.Add(-time.Hour), now.Add(time.Hour), true, 0},
		{"whole seconds, fresh", coarse, coarse, true, coarseGrain - 600*time.Millisecond},
		{"whole seconds, old", coarse.Add(-coarseGrain), coarse, true, 0},
		{"mtime set to whole seconds", now.Add(-time.Second), coarse, true, 0},
		{"no ctime", time.Time{}, now, true, fineGrain},
		{"no ctime, old", time.Time{}, now.Add(-time.Minute), true, 0},
	} {
		var waited time.Duration
		h := &hasher{now: func() time.Time { return now }, wait: func(_ context.Context, d time.Duration) { waited += d }}
		lasting := h.await(t.Context(), &record.Record{CTime: test.ctime, MTime: test.mtime})
		if lasting != test.lasting || waited != test.waits {
			t.Errorf("%s: await = %v after %v, want %v after %v", test.name, lasting, waited, test.lasting, test.waits)
		}
	}
}

func TestOnlyACacheMakesFilesSettle(t *testing.T) {
	root := makeTree(t, map[string]string{"f": "1"})
	for _, name := range []string{"", cacheName(t)} {
		waits := 0
		o := withCache(name)
		o.hasher = func(h *hasher) {
			h.now = func() time.Time { return list(t, root)[0].CTime }
			h.wait = func(context.Context, time.Duration) { waits++ }
		}
		runTree(t, root, o)
		if want := min(1, len(name)); waits != want {
			t.Errorf("cache %q: waited %d times, want %d", name, waits, want)
		}
	}
}

// A file whose clock runs ahead of ours is hashed, and hashed again next time.
func TestFilesFromTheFutureAreNotCached(t *testing.T) {
	root, name := makeTree(t, map[string]string{"f": "1"}), cacheName(t)
	o := withCache(name)
	o.hasher = func(h *hasher) { h.now = func() time.Time { return time.Now().Add(-time.Hour) } }
	got := runTree(t, root, o)
	if got.md5s()["f"] != sumOf("1") {
		t.Errorf("MD5 %q", got.md5s()["f"])
	}
	wantOpened(t, runTree(t, root, o), "f")
}

// cancelAt ends the run when path is opened.
func cancelAt(o runOptions, path string) runOptions {
	ctx, cancel := context.WithCancel(context.Background())
	o.ctx = ctx
	o.hasher = func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			p := local.Path(rec)
			if strings.HasSuffix(p, "/"+path) {
				cancel()
			}
			return open(rec)
		}
	}
	return o
}

func TestInterruptedRunKeepsWhatItHashed(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}), cacheName(t)
	o := cancelAt(withCache(name), "c")
	o.Jobs = 1
	first := runTree(t, root, o)
	if first.err == nil {
		t.Fatal("the run was not interrupted")
	}
	if l := leftovers(t, name); l != nil {
		t.Errorf("left behind: %q", l)
	}
	second := runTree(t, root, withCache(name))
	if slices.Contains(second.opened, "a") || slices.Contains(second.opened, "b") || !slices.Contains(second.opened, "e") {
		t.Errorf("the second run opened %q", second.opened)
	}
	wantOpened(t, runTree(t, root, withCache(name)))

	// What the old cache knows of the rest survives an interruption, too.
	put(t, root, "b", "changed")
	o = cancelAt(withCache(name), "b")
	o.Jobs = 1
	if got := runTree(t, root, o); got.err == nil {
		t.Fatal("the run was not interrupted")
	}
	wantOpened(t, runTree(t, root, withCache(name)), "b")
}

func TestInputThatIsNotWhole(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3"}), cacheName(t)
	wantOpened(t, runTree(t, root, withCache(name)), "a", "b", "c")
	put(t, root, "a", "other")
	if got := runStream(t, encode(t, list(t, root)[:1], false), withCache(name)); got.err != nil {
		t.Fatal(got.err)
	}
	wantOpened(t, runTree(t, root, withCache(name)))
}

// A folder that was not mounted is no reason to forget everything.
func TestInputWithoutFiles(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1"}), cacheName(t)
	wantOpened(t, runTree(t, root, withCache(name)), "a")
	runStream(t, encode(t, nil, true), withCache(name))
	wantOpened(t, runTree(t, root, withCache(name)))
	if l := leftovers(t, name); l != nil {
		t.Errorf("left behind: %q", l)
	}
}

// What a run that is killed has let out is on disk a moment later.
func TestKilledRunKeepsWhatItHashed(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}), cacheName(t)
	wantOpened(t, runTree(t, root, withCache(name)), "a", "b", "c", "d", "e")
	put(t, root, "a", "one")
	put(t, root, "b", "two")
	put(t, root, "d", "four")

	// When d is reached, steal what the run has on disk.
	var partial []byte
	o := withCache(name)
	o.Jobs = 1
	o.hasher = func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			if strings.HasSuffix(path, "/d") {
				partial = awaitEntries(t, name+".partial", 3)
			}
			return open(rec)
		}
	}
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wantOpened(t, runTree(t, root, o), "a", "b", "d")

	for _, suffix := range partSuffixes {
		write(t, name, old)
		write(t, name+suffix, partial)
		wantOpened(t, runTree(t, root, withCache(name)), "d")
		if l := leftovers(t, name); l != nil {
			t.Errorf("left behind: %q", l)
		}
	}
	os.Remove(name) // killed in its first run
	write(t, name+".partial", partial)
	wantOpened(t, runTree(t, root, withCache(name)), "d", "e")
}

// awaitEntries returns the content of a file once n entries can be read from it.
func awaitEntries(t testing.TB, name string, n int) []byte {
	for t.Context().Err() == nil {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			return nil
		}
		count := 0
		for range record.NewReader(bytes.NewReader(b)).All() {
			count++
		}
		if count == n {
			return b
		}
	}
	return nil
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDisorder(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}), cacheName(t)
	shuffled := func(order string) string {
		byName := make(map[string]*record.Record)
		for _, r := range list(t, root) {
			byName[r.Path] = r
		}
		var recs []*record.Record
		for _, path := range strings.Split(order, "") {
			recs = append(recs, byName[path])
		}
		return encode(t, recs, true)
	}
	for order, warnings := range map[string]int{"bdface": 1, "fedcba": 1, "abcdfe": 1, "abcfde": 1, "abccdef": 0} {
		os.Remove(name)
		first := runStream(t, shuffled(order), withCache(name))
		if first.err != nil {
			t.Fatal(first.err)
		}
		if len(first.warned) != warnings {
			t.Errorf("%s: warned %q", order, first.warned)
		}
		if len(first.recs) != len(order) {
			t.Errorf("%s: %q left", order, paths(first.recs))
		}
		if diff := cmp.Diff([]string{"a", "b", "c", "d", "e", "f"}, paths(cached(t, name))); diff != "" {
			t.Errorf("%s: cache: %s", order, diff)
		}
		// Both the shuffled and the ordered listing are served from it, each file once.
		var twice []string
		if order == "abccdef" {
			twice = []string{"c"}
		}
		wantOpened(t, runStream(t, shuffled(order), withCache(name)), twice...)
		wantOpened(t, runTree(t, root, withCache(name)))
		if l := leftovers(t, name); l != nil {
			t.Errorf("%s: left behind: %q", order, l)
		}
	}
	// Without a cache order does not matter.
	got := runStream(t, shuffled("fbdace"), runOptions{})
	if strings.Join(paths(got.recs), "") != "fbdace" || len(got.warned) > 0 {
		t.Errorf("without a cache: %q, warned %q", paths(got.recs), got.warned)
	}
}

func TestInterruptedInDisorder(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}), cacheName(t)
	recs := list(t, root)
	recs = []*record.Record{recs[1], recs[3], recs[0], recs[2]} // b d a c
	o := cancelAt(withCache(name), "c")
	o.Jobs = 1
	if got := runStream(t, encode(t, recs, true), o); got.err == nil {
		t.Fatal("the run was not interrupted")
	}
	wantOpened(t, runTree(t, root, withCache(name)), "c")
}

func TestMergePrefersTheLatest(t *testing.T) {
	dir := t.TempDir()
	entry := func(path, content string) *record.Record {
		return &record.Record{Kind: record.KindFile, Root: "/r", Path: path, Size: 1, MD5: sumOf(content)}
	}
	var names []string
	for i, group := range [][]*record.Record{
		{entry("b", "new"), entry("d", "new")},
		{entry("a", "mid"), entry("b", "mid"), entry("c", "mid")},
		{entry("a", "old"), entry("c", "old"), entry("e", "old")},
	} {
		names = append(names, filepath.Join(dir, fmt.Sprint(i)))
		w, err := createEntries(names[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range group {
			w.add(e)
		}
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(dir, "merged")
	if err := mergeEntries(to, append(names, filepath.Join(dir, "missing")), true, t.Logf); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, r := range cached(t, to) {
		got[r.Path] = r.MD5
	}
	want := map[string]string{"a": sumOf("mid"), "b": sumOf("new"), "c": sumOf("mid"), "d": sumOf("new"), "e": sumOf("old")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever happens to a tree from run to run, each run opens what has changed and
// nothing else, tells the digests of all, and leaves a cache of exactly what there is.
func TestCacheFollowsATree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	root, name := makeTree(t, numbered(40)), cacheName(t)
	runTree(t, root, withCache(name))
	for round := range 150 {
		files := map[string]string{}
		for _, r := range list(t, root) {
			if r.Kind == record.KindFile {
				b, err := os.ReadFile(local.Path(r))
				if err != nil {
					t.Fatal(err)
				}
				files[r.Path] = string(b)
			}
		}
		var changed []string
		change := func(path, content string) {
			if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if files[path] != content && !slices.Contains(changed, path) {
				changed = append(changed, path)
			}
			files[path] = content
		}
		all := slices.Sorted(maps.Keys(files))
		for range random.IntN(4) {
			path := all[random.IntN(len(all))]
			switch random.IntN(3) {
			case 0:
				change(path, fmt.Sprint(files[path], "round ", round)) // its size says so
			case 1:
				change(fmt.Sprintf("%s-%d", path, round), "new")
			case 2:
				if len(files) > 10 {
					os.Remove(filepath.Join(root, path))
					delete(files, path)
					changed = slices.DeleteFunc(changed, func(p string) bool { return p == path })
				}
			}
		}
		before := cacheStamp(t, name)
		got := runTree(t, root, withCache(name))
		wantOpened(t, got, changed...)
		want := map[string]string{}
		for path, content := range files {
			want[path] = sumOf(content)
		}
		if diff := cmp.Diff(want, got.md5s()); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
		kept := map[string]string{}
		for _, r := range cached(t, name) {
			kept[r.Path] = r.MD5
		}
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Fatalf("round %d: the cache: %s", round, diff)
		}
		if l := leftovers(t, name); l != nil {
			t.Fatalf("round %d: left behind: %q", round, l)
		}
		if same := len(files) == len(all) && len(changed) == 0; same != (before == cacheStamp(t, name)) {
			t.Fatalf("round %d: the cache was written: %t, though the tree is as it was: %t", round, same, same)
		}
	}
}

// cacheStamp tells one file from another that has replaced it.
func cacheStamp(t *testing.T, name string) string {
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	var r record.Record
	local.Fill(&r, fi)
	return fmt.Sprint(r.Ino, r.CTime)
}

// A run that ends early after a difference leaves the entries that it came by, and those
// of the last run.
func TestCutRunKeepsAll(t *testing.T) {
	root, name := makeTree(t, numbered(30)), cacheName(t)
	runTree(t, root, withCache(name))
	recs := list(t, root)
	for cut := range recs {
		got := runStream(t, encode(t, recs[:cut], false), withCache(name))
		wantOpened(t, got)
		if n := len(cached(t, name)); n != 30 {
			t.Fatalf("after a run of %d records the cache has %d entries", cut, n)
		}
		changed := slices.Clone(recs[:cut])
		if cut > 0 && changed[cut-1].Kind == record.KindFile {
			r := *changed[cut-1]
			r.Mode = "0777"
			changed[cut-1] = &r
			wantOpened(t, runStream(t, encode(t, changed, false), withCache(name)))
			if n := len(cached(t, name)); n != 30 {
				t.Fatalf("after a run of %d records, the last of which differs, the cache has %d entries", cut, n)
			}
		}
	}
}

// A line of the cache that is not what jhash writes is not taken for a record that is
// known.
func TestExtends(t *testing.T) {
	const line = `{"kind":"file","path":"a","size":1}`
	const sum = "0123456789abcdef0123456789abcdef"
	for entry, want := range map[string]bool{
		`{"kind":"file","path":"a","size":1,"md5":"` + sum + `"}`:       true,
		`{"kind":"file","path":"a","size":2,"md5":"` + sum + `"}`:       false,
		`{"kind":"file","path":"a","size":1,"md5":"` + sum[1:] + `g"}`:  false,
		`{"kind":"file","path":"a","size":1,"md5":"` + sum[1:] + `"}`:   false,
		`{"kind":"file","path":"a","size":1,"md6":"` + sum + `"}`:       false,
		`{"kind":"file","path":"a","size":1,"md5":"` + sum + `"]`:       false,
		`{"kind":"file","path":"a","size":1,"md5":"` + sum + `","x":1}`: false,
		`{"kind":"file","path":"a","size":1,"x":1,"md5":"` + sum + `"}`: false,
		`{"kind":"file","path":"a","size":12,"md5":"` + sum[1:] + `"}`:  false,
		line: false, "": false, "{}": false,
	} {
		if got := extends([]byte(entry), []byte(line)); got != want {
			t.Errorf("%s: %t", entry, got)
		}
	}
}
