package digest

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// twinA and twinB have the same MD5: X. Wang et al., "Collisions for Hash Functions MD4,
// MD5, HAVAL-128 and RIPEMD", 2004. So have both with the same text behind them.
var twinA, twinB = fromHex(`
	d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89
	55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b
	d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0
	e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70`), fromHex(`
	d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89
	55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b
	d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0
	e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70`)

func fromHex(s string) string {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// wantCollisions checks which files have collided with which others.
func wantCollisions(t *testing.T, got outcome, want map[string]string) {
	t.Helper()
	if got.err != nil || len(got.warned) > 0 {
		t.Errorf("error %v, warned %q", got.err, got.warned)
	}
	for _, r := range got.recs {
		other, collides := want[r.Path]
		switch {
		case r.Kind != record.KindFile:
		case !collides && (r.Error != nil || r.MD5 == ""):
			t.Errorf("%s: MD5 %q, error %+v", r.Path, r.MD5, r.Error)
		case collides && (r.MD5 != "" || r.Status != record.StatusFailed || r.Error == nil || r.Error.Class != record.ClassCollision ||
			!strings.Contains(r.Error.Message, "not that of "+other+",")):
			t.Errorf("%s: MD5 %q, status %q, error %+v; want a collision with %s", r.Path, r.MD5, r.Status, r.Error, other)
		}
	}
}

func TestCollisions(t *testing.T) {
	if twinA == twinB || sumOf(twinA) != sumOf(twinB) {
		t.Fatal("no collision")
	}
	small, large := strings.Repeat("x", 1000), strings.Repeat("x", 3*laneSize)
	files := map[string]string{
		"empty1": "", "empty2": "",
		"s/1": twinA, "s/2": twinA, "s/3": twinB, "s/4": twinB, "s/5": twinA,
		"t/1": twinB + small, "t/2": twinA + small,
		"u/1": twinA + large, "u/2": twinA + large, "u/3": twinB + large,
		"v": "other",
	}
	want := map[string]string{"s/3": "s/1", "s/4": "s/1", "t/2": "t/1", "u/3": "u/1"}
	for _, jobs := range []int{1, 4} {
		root, name := makeTree(t, files), cacheName(t)
		wantCollisions(t, runTree(t, root, runOptions{Options: Options{Jobs: jobs}}), want)
		o := withCache(name)
		o.Jobs = jobs
		for range 2 { // what collides is not remembered
			wantCollisions(t, runTree(t, root, o), want)
		}
		o.Fresh = true
		wantCollisions(t, runTree(t, root, o), want)
	}
}

// What is stored stays, and what comes later fails, wherever it is in the tree.
func TestCollisionsWithTheCache(t *testing.T) {
	large := strings.Repeat("x", 3*laneSize)
	files := numbered(500)
	files["m"], files["n"] = twinA, twinB+large
	root, name := makeTree(t, files), cacheName(t)
	wantCollisions(t, runTree(t, root, withCache(name)), nil)
	for path, content := range map[string]string{
		"a": twinB, "z": twinB, "b": twinA + large, "zz": twinA + large, // they collide
		"c": twinA, "d": "content 7", "y": twinB + large, // they do not
	} {
		put(t, root, path, content)
	}
	want := map[string]string{"a": "m", "z": "m", "b": "n", "zz": "n"}
	got := runTree(t, root, withCache(name))
	wantOpened(t, got, "a", "b", "c", "d", "y", "z", "zz")
	wantCollisions(t, got, want)
	got = runTree(t, root, withCache(name))
	wantOpened(t, got, "a", "b", "z", "zz")
	want["a"], want["z"] = "c", "c"
	wantCollisions(t, got, want)

	// Once the first is gone, or is another, the second is as good as the first.
	os.Remove(local.Join(root, "n"))
	os.Remove(local.Join(root, "y"))
	put(t, root, "m", "another, of any size")
	put(t, root, "c", strings.Repeat("c", len(twinA)))
	wantCollisions(t, runTree(t, root, withCache(name)), nil)
	wantOpened(t, runTree(t, root, withCache(name)))
}

func TestCollisionsAcrossRoots(t *testing.T) {
	one, two := makeTree(t, map[string]string{"f": twinA}), makeTree(t, map[string]string{"f": twinB})
	got := runStream(t, encode(t, append(list(t, one), list(t, two)...), true), runOptions{})
	if e := got.recs[1].Error; e == nil || !strings.Contains(e.Message, local.Join(one, "f")) || got.recs[0].Error != nil {
		t.Errorf("%+v, %+v", got.recs[0], got.recs[1])
	}
}

// Without room for notes the files are hashed all the same.
func TestCollisionsWithoutRoom(t *testing.T) {
	t.Setenv("TMPDIR", local.Join(t.TempDir(), "none"))
	t.Setenv("TMP", local.Join(t.TempDir(), "none"))
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("d%d/%s%d", i%7, strings.Repeat("n", 50), i)] = fmt.Sprint(i)
	}
	files["z"] = "1"
	got := runTree(t, makeTree(t, files), runOptions{})
	if got.err != nil || len(got.warned) != 1 || !strings.Contains(got.warned[0], "TMPDIR") || got.md5s()["z"] != sumOf("1") {
		t.Errorf("error %v, warned %q", got.err, got.warned)
	}
}

// A table that is full forgets some, and stays as large as it is.
func TestCollisionsAreBounded(t *testing.T) {
	w := &collisions{limit: 1 << 12}
	defer w.close()
	file := func(i int) note {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(i))
		return note{md5: md5.Sum(b[:]), size: 1, print: uint64(i + 1), root: "/r", path: fmt.Sprintf("folder/%d", i)}
	}
	const n = 20_000
	for i := range n {
		if first, err := w.meet(t.Context(), file(i)); first != nil || err != nil {
			t.Fatal(i, first, err)
		}
		if i == w.limit/2 {
			for j := range i + 1 {
				f := file(j)
				if _, first, err := w.find(&f); first == nil || *first != f || err != nil {
					t.Fatalf("find(%v) = %v, %v", f, first, err)
				}
			}
		}
	}
	found := 0
	for i := range n {
		f := file(i)
		_, first, err := w.find(&f)
		if err != nil || first != nil && *first != f {
			t.Fatalf("find(%v) = %v, %v", f, first, err)
		}
		if first != nil {
			found++
		}
	}
	if len(w.slots) != w.limit || found < w.limit/2 || found > w.limit {
		t.Errorf("%d slots, %d of %d found", len(w.slots), found, n)
	}
}

// FuzzNote: what is taken of a line without taking it apart is what the record says.
func FuzzNote(f *testing.F) {
	const sum = "0123456789abcdef0123456789abcdef"
	for _, s := range []string{
		`{"kind":"file","root":"/r","path":"a/b","size":1,"mtime":"2026-01-01T00:00:00Z","mode":"0644","ino":1,"ctime":"2026-01-01T00:00:00Z","md5":"` + sum + `"}`,
		`{"kind":"file","root":"","path":"é","size":9,"mtime":"2026-01-01T00:00:00Z","md5":"` + sum + `"}`,
		`{"kind":"file","root":"/r\\"","path":"a","size":1,"mtime":"2026-01-01T00:00:00Z","md5":"` + sum + `"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var got, want note
		var r record.Record
		if !got.read([]byte(line), true) {
			return
		}
		if err := r.UnmarshalJSON([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if err := want.fill(&r); got != want || err != nil {
			t.Fatalf("%s: %+v, want %+v, %v", line, got, want, err)
		}
	})
}
