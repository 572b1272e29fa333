package digest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

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
		if md5, ok := f.find(rec); ok != test.hit || ok && md5 != sumOf("old") {
			t.Errorf("%s: find = %q, %v, want %v", test.name, md5, ok, test.hit)
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
		h.open = func(path string) (file, fs.FileInfo, error) {
			switch filepath.Base(path) {
			case "bad":
				return nil, nil, fs.ErrPermission
			case "busy":
				f, fi, err := open(path)
				return endlessFile{f}, fi, err
			}
			return open(path)
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
		h.open = func(p string) (file, fs.FileInfo, error) {
			if strings.HasSuffix(p, "/"+path) {
				cancel()
			}
			return open(p)
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
		h.open = func(path string) (file, fs.FileInfo, error) {
			if strings.HasSuffix(path, "/d") {
				partial = awaitEntries(t, name+".partial", 3)
			}
			return open(path)
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

// bigCache returns a cache file of several frames and its entries by path.
func bigCache(t testing.TB) ([]byte, map[string]string) {
	name := filepath.Join(t.TempDir(), "big")
	w, err := createEntries(name)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	md5s := make(map[string]string)
	for i := range 1200 {
		e := &record.Record{Kind: record.KindFile, Root: "/r", Path: fmt.Sprintf("f%06d", i), Size: 1, MTime: time.Unix(int64(i), 1),
			MD5: fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64())}
		md5s[e.Path] = e.MD5
		if err := w.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b, md5s
}

// However a cache is damaged, what is read from it is true.
func TestDamagedCache(t *testing.T) {
	whole, md5s := bigCache(t)
	name := filepath.Join(t.TempDir(), "cache")
	random := rand.New(rand.NewPCG(3, 4))
	most := 0
	read := func(what string, b []byte) int {
		write(t, name, b)
		heard := 0
		r, err := openEntries(name, func(string, ...any) { heard++ })
		if err != nil {
			return 0
		}
		defer r.close()
		n := 0
		for ; r.head != nil; r.next() {
			if md5s[r.head.Path] != r.head.MD5 {
				t.Fatalf("%s: entry %s is false", what, r.head.Raw())
			}
			n++
		}
		if heard != 1 {
			t.Errorf("%s: said so %d times", what, heard)
		}
		return n
	}
	for range 120 {
		b := slices.Clone(whole)
		at := random.IntN(len(b))
		b[at] ^= 1 << random.IntN(8)
		if bytes.Equal(b, whole) {
			continue
		}
		most = max(most, read(fmt.Sprintf("bit of byte %d turned over", at), b))
	}
	for range 40 {
		at := random.IntN(len(whole))
		most = max(most, read(fmt.Sprintf("cut at %d", at), whole[:at]))
		b := slices.Clone(whole)
		clear(b[at:])
		read(fmt.Sprintf("zeros from %d", at), b)
	}
	if most < len(md5s)/2 {
		t.Errorf("at best %d of %d entries could be used", most, len(md5s))
	}
}

func TestDamagedCacheDoesNotFailTheRun(t *testing.T) {
	files := numbered(60)
	for name, damage := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)*2/3] },
		"empty":   func([]byte) []byte { return nil },
		"garbage": func(b []byte) []byte { return append(b[:len(b)/2], "garbage"...) },
		"no end":  func(b []byte) []byte { return b[:len(b)-5] },
	} {
		for _, suffix := range []string{"", ".partial", ".partial2"} {
			root, cache := makeTree(t, files), cacheName(t)
			runTree(t, root, withCache(cache))
			b, err := os.ReadFile(cache)
			if err != nil {
				t.Fatal(err)
			}
			write(t, cache+suffix, damage(b))
			got := runTree(t, root, withCache(cache))
			if got.err != nil || len(got.warned) > 0 || len(got.md5s()) != len(files) {
				t.Errorf("%s%s: error %v, warned %q", name, suffix, got.err, got.warned)
			}
			if name != "empty" && suffix == "" && len(got.said) == 0 {
				t.Errorf("%s%s: nothing said", name, suffix)
			}
			wantOpened(t, runTree(t, root, withCache(cache)))
			if l := leftovers(t, cache); l != nil {
				t.Errorf("%s%s: left behind: %q", name, suffix, l)
			}
		}
	}
}

// A file that is something else is neither used nor overwritten.
func TestCacheThatIsNone(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for name, content := range map[string]string{
		"text":           "my only copy of this poem\n",
		"plain stream":   encode(t, []*record.Record{{Kind: record.KindFile, Path: "f", MD5: sumOf("")}}, true),
		"other zstd":     string(z.EncodeAll([]byte("text\nmore"), nil)),
		"zstd, no line":  string(z.EncodeAll(bytes.Repeat([]byte{1}, 3<<20), nil)),
		"zstd, one word": string(z.EncodeAll([]byte("{}"), nil)),
		"zeros":          string(make([]byte, 4096)),
		"short":          "x",
	} {
		root, cache := makeTree(t, map[string]string{"f": "1"}), filepath.Join(t.TempDir(), "c")
		write(t, cache, []byte(content))
		got := runTree(t, root, withCache(cache))
		if got.err != nil || got.md5s()["f"] != sumOf("1") || len(got.warned) != 1 {
			t.Errorf("%s: error %v, warned %q", name, got.err, got.warned)
		}
		if b, _ := os.ReadFile(cache); string(b) != content {
			t.Errorf("%s: overwritten", name)
		}
	}
	root := makeTree(t, map[string]string{"f": "1"})
	if got := runTree(t, root, withCache(t.TempDir())); got.err != nil || len(got.warned) != 1 {
		t.Errorf("a folder: error %v, warned %q", got.err, got.warned)
	}
}

func TestCacheBehindALink(t *testing.T) {
	root, name := makeTree(t, map[string]string{"f": "1"}), filepath.Join(t.TempDir(), "real")
	write(t, name, nil)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(name, link); err != nil {
		t.Skip(err)
	}
	runTree(t, root, withCache(link))
	wantOpened(t, runTree(t, root, withCache(link)))
	if len(cached(t, name)) != 1 {
		t.Error("the link was replaced")
	}
}

func TestTwoRunsOnOneCache(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2"}), cacheName(t)
	runTree(t, root, withCache(name))
	lock := flock.New(name + ".lock")
	if ok, err := lock.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	put(t, root, "b", "other")
	write(t, name+".partial", []byte("another's"))
	before, _ := os.ReadFile(name)
	got := runTree(t, root, withCache(name))
	wantOpened(t, got, "b")
	if len(got.warned) > 0 || len(got.said) != 1 {
		t.Errorf("warned %q, said %q", got.warned, got.said)
	}
	after, _ := os.ReadFile(name)
	partial, _ := os.ReadFile(name + ".partial")
	if !bytes.Equal(before, after) || string(partial) != "another's" {
		t.Error("the second run changed what the first one works on")
	}
	lock.Close()
	os.Remove(name + ".partial")
	wantOpened(t, runTree(t, root, withCache(name)), "b")
	wantOpened(t, runTree(t, root, withCache(name)))
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	root := makeTree(t, map[string]string{"a": "1", "b": "2"})
	name := cacheName(t)
	runTree(t, root, withCache(name))
	before, _ := os.ReadFile(name)

	t.Run("no such place", func(t *testing.T) {
		got := runTree(t, root, withCache(local.Join(root, "a/cache")))
		wantOpened(t, got, "a", "b")
		if len(got.warned) != 1 {
			t.Errorf("warned %q", got.warned)
		}
	})
	t.Run("no lock", func(t *testing.T) {
		lock := name + ".lock"
		os.Remove(lock)
		if err := os.Mkdir(lock, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(lock)
		got := runTree(t, root, withCache(name))
		wantOpened(t, got) // it can be read
		if len(got.warned) != 1 {
			t.Errorf("warned %q", got.warned)
		}
	})
	t.Run("no part", func(t *testing.T) {
		if err := os.MkdirAll(name+".partial2/x", 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(name + ".partial2")
		got := runTree(t, root, withCache(name))
		wantOpened(t, got)
		if len(got.warned) != 1 {
			t.Errorf("warned %q", got.warned)
		}
	})
	if after, _ := os.ReadFile(name); !bytes.Equal(before, after) {
		t.Error("the cache was changed")
	}
}

// The disk fills up while entries are collected.
func TestCacheOnAFullDisk(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1"}), cacheName(t)
	runTree(t, root, withCache(name))
	before, _ := os.ReadFile(name)
	for _, when := range []string{"while adding", "at the end", "on disorder"} {
		var warned []string
		opts := Options{Cache: name, Warn: func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }}
		c := openCache(opts.complete())
		c.parts[0].file.Close() // writing fails from here on
		switch when {
		case "while adding":
			for i := range 3 * frameSize / 100 { // so many that they are written
				c.add(&record.Record{Kind: record.KindFile, Path: fmt.Sprintf("f%06d", i), MD5: sumOf("")})
			}
		case "at the end":
			c.add(&record.Record{Kind: record.KindFile, Path: "f", MD5: sumOf("")})
		case "on disorder":
			c.restart()
		}
		c.close(true)
		if len(warned) != 1 {
			t.Errorf("%s: warned %q", when, warned)
		}
		if after, _ := os.ReadFile(name); !bytes.Equal(before, after) {
			t.Errorf("%s: the cache was changed", when)
		}
		if l := leftovers(t, name); l != nil {
			t.Errorf("%s: left behind: %q", when, l)
		}
	}
	wantOpened(t, runTree(t, root, withCache(name)))
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
		// Both the shuffled and the ordered listing are served from it.
		wantOpened(t, runStream(t, shuffled(order), withCache(name)))
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

// A long line does not make a frame with more than one block.
func TestFramesAreSmall(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for size, want := range map[int]int{1: 1, frameSize: 1, frameSize + 1: 2, 3*frameSize - 1: 3} {
		var out bytes.Buffer
		content := bytes.Repeat([]byte("x"), size)
		if n, err := (&frameWriter{w: &out, z: z}).Write(content); n != size || err != nil {
			t.Errorf("Write = %d, %v, want %d", n, err, size)
		}
		if n := bytes.Count(out.Bytes(), []byte{0x28, 0xb5, 0x2f, 0xfd}); n != want {
			t.Errorf("%d bytes became %d frames, want %d", size, n, want)
		}
		d, err := zstd.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		var back bytes.Buffer
		if _, err := d.WriteTo(&back); err != nil || !bytes.Equal(back.Bytes(), content) {
			t.Errorf("%d bytes came back as %d, error %v", size, back.Len(), err)
		}
		d.Close()
	}
}

func FuzzOpenEntries(f *testing.F) {
	whole, _ := bigCache(f)
	f.Add(whole[:2000])
	f.Add([]byte{})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	z, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	defer z.Close()
	for _, s := range []string{"", "\n", `{"kind":"end"}` + "\n", `{"kind":"file","path":"f","md5":"d41d8cd98f00b204e9800998ecf8427e"}` + "\n", "{}"} {
		f.Add(z.EncodeAll([]byte(s), nil))
	}
	name := filepath.Join(f.TempDir(), "cache")
	f.Fuzz(func(t *testing.T, b []byte) {
		write(t, name, b)
		r, err := openEntries(name, func(string, ...any) {})
		if err != nil {
			return
		}
		defer r.close()
		for ; r.head != nil; r.next() {
			if r.head.Path == "" || len(r.head.MD5) != 32 {
				t.Errorf("entry %+v", r.head)
			}
		}
	})
}
