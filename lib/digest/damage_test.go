package digest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/klauspost/compress/zstd"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

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
		if isKept(e.Path) {
			e = kept(e, &record.Error{Class: record.ClassCorrupt, Message: "damaged"})
		}
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

// isKept reports whether bigCache has the entry to compare with only.
func isKept(path string) bool { return strings.HasSuffix(path, "7") }

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
		for ; r.head() != nil; r.next() {
			if md5s[r.head().Path] != r.head().MD5 || suspected(r.head()) != isKept(r.head().Path) {
				t.Fatalf("%s: entry %s is false", what, r.head().Raw())
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
	if len(got.warned) > 0 || !strings.Contains(strings.Join(got.said, "\n"), "another jhash is updating it") {
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
		c.part().file.Close() // writing fails from here on
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
		for ; r.head() != nil; r.next() {
			if r.head().Path == "" || len(r.head().MD5) != 32 {
				t.Errorf("entry %+v", r.head())
			}
		}
	})
}
