package walk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

func readList(t *testing.T, root string, names ...string) *List {
	t.Helper()
	l, err := ReadList(strings.NewReader(strings.Join(names, "\x00")), 0, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// collectFiles is collect for Files.
func collectFiles(t *testing.T, opts Options, names ...string) (lines []string) {
	t.Helper()
	last := ""
	err := Files(t.Context(), opts, readList(t, opts.Root, names...), func(r *record.Record) error {
		if last != "" && record.Compare(last, r.Path) >= 0 {
			t.Errorf("%q comes after %q", r.Path, last)
		}
		last = r.Path
		lines = append(lines, line(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestFiles(t *testing.T) {
	root := makeTree(t, ".jottaignore = *.o|/out|!keep.o", "a/.jottaignore = !y.o|secret/", "a/x.o", "a/y.o", "a/b/c/f", "a/b/g", "a/secret/f", "a.b", "B", "out/keep.o", "out/sub/f",
		"d/e/f", "d/e/.hidden", "d/z", "cache/CACHEDIR.TAG = "+cacheSignature, "cache/x/y", "link -> a/b", "d/loop -> ..", "dangling -> nowhere", "caf\xe9/\xff")
	const gone = " (unreadable) error vanished"
	for _, c := range []struct {
		name  string
		opts  Options
		names []string
		want  []string
	}{
		{"files, in tree order", Options{}, []string{"B", "a.b", "a/b/g", "a/b/c/f", "a/b/g"}, []string{"file a/b/c/f", "file a/b/g", "file a.b", "file B"}},
		{"other spellings", Options{}, []string{"./B", "a//b/../b/g", root + "/a.b", "d/e/f/"}, []string{"file a/b/g", "file a.b", "file B", "file d/e/f"}},
		{"folders, with what is in them", Options{}, []string{"d/e/f", "a/b", "d/e", "d/e/none", "B"}, []string{"dir a/b", "dir a/b/c", "file a/b/c/f", "file a/b/g", "file B", "dir d/e", "file d/e/.hidden", "file d/e/f"}},
		{"names that are not UTF-8", Options{}, []string{"caf\xe9/\xff"}, []string{"file caf\xe9/\xff"}},
		{"what is not there", Options{}, []string{"none", "none/x", "a/b/none/x", "B/x", "zz"}, []string{"file a/b/none/x" + gone, "file B/x" + gone, "file none" + gone, "file none/x" + gone, "file zz" + gone}},
		{"rules", Options{}, []string{"a/x.o", "a/y.o", "a/b/g"}, []string{"file a/b/g", "file a/x.o ignored (ignored)", "file a/y.o"}},
		{"rules above", Options{}, []string{"a/secret/f", "out/keep.o", "out/sub", "out/sub/f", "out/none"}, []string{"file a/secret/f ignored (ignored)", "file out/keep.o ignored (ignored)", "file out/none" + gone, "dir out/sub ignored (ignored)"}},
		{"a folder that is left out", Options{}, []string{"out", "out/sub/f"}, []string{"dir out ignored (ignored)"}},
		{"flags", Options{Rules: except(t, "/d/e", "B")}, []string{"d/e/f", "d/z", "B"}, []string{"file B ignored (ignored)", "file d/e/f ignored (ignored)", "file d/z"}},
		{"caches", Options{ExcludeCaches: true}, []string{"cache/x/y", "cache/x"}, []string{"dir cache/x ignored (ignored)"}},
		{"size", Options{MaxSize: 3}, []string{"B", "a/b/g"}, []string{"file a/b/g ignored (large)", "file B"}},
		{"links", Options{}, []string{"link", "link/g", "dangling", "dangling/x"}, []string{"symlink dangling -> nowhere", "file dangling/x (unreadable) error internal", "symlink link -> a/b", "file link/g (unreadable) error internal"}},
		{"links that are followed", Options{Follow: true}, []string{"link/c", "link/g", "dangling", "dangling/x", "d/loop/B"}, []string{"file d/loop/B (unreadable) error internal", "symlink dangling -> nowhere (dangling)", "file dangling/x" + gone, "dir link/c", "file link/c/f", "file link/g"}},
		{"mounts", Options{Mounts: []string{"a/b/c", "a/b/none", "a/zz", "B", "d", "d/e/disk"}}, []string{"a/b", "B", "d/e/f", "d/z"}, []string{"dir a/b", "dir a/b/c" + gone, "file a/b/c/f", "file a/b/g", "dir a/b/none" + gone, "dir B" + gone, "file d/e/f", "file d/z"}},
	} {
		c.opts.Root = root
		for _, jobs := range []int{1, 4} {
			c.opts.Jobs = jobs
			if diff := cmp.Diff(c.want, collectFiles(t, c.opts, c.names...)); diff != "" {
				t.Errorf("%s, with %d jobs: -want +got:\n%s", c.name, jobs, diff)
			}
		}
	}
}

// A list of all that a walk finds gives the same records, whatever its order.
func TestFilesSameAsTree(t *testing.T) {
	root := makeTree(t, ".jottaignore = *.o|/out", "a/.jottaignore = !y.o", "a/x.o", "a/y.o", "a/b/c/f", "A/f", "a.b", "é/1", "É/2", "out/f", "link -> a/b", "z/")
	var names, want []string
	whole := func(r *record.Record) string { return fmt.Sprintf("%+v", *r) }
	if err := Tree(t.Context(), Options{Root: root}, func(r *record.Record) error {
		if r.Kind != record.KindDir || r.Ignored {
			names, want = append(names, r.Path), append(want, whole(r))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(names)
	var got []string
	if err := Files(t.Context(), Options{Root: root}, readList(t, root, names...), func(r *record.Record) error {
		got = append(got, whole(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-tree +files:\n%s", diff)
	}
}

func TestFilesUnreadable(t *testing.T) {
	root := makeTree(t, "a/b/f", "a/c", "d/f", "e")
	opts := Options{Root: root, opening: failing(root, "a", "d")}
	want := []string{"file a/b/f (unreadable) error permission", "file a/c (unreadable) error permission", "dir d (unreadable) error permission", "file e"}
	if diff := cmp.Diff(want, collectFiles(t, opts, "a/b/f", "a/c", "d", "e")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	writeFile(t, filepath.Join(root, "e2", IgnoreFile), strings.Repeat("secret\n", maxIgnoreFile/7+1))
	want = []string{"file e", "file e2/x (unreadable) error internal"}
	if diff := cmp.Diff(want, collectFiles(t, Options{Root: root}, "e", "e2/x")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	ignore := func(*record.Record) error { return nil }
	for _, c := range []struct {
		opts Options
		want error
	}{
		{Options{Root: filepath.Join(root, "none")}, syscall.ENOENT},
		{Options{Root: filepath.Join(root, "e")}, syscall.ENOTDIR},
		{Options{Root: filepath.Join(root, "e2")}, ErrRulesTooLarge},
		{Options{Root: root, opening: failing(root, "")}, syscall.EACCES},
	} {
		if err := Files(t.Context(), c.opts, readList(t, root, "e"), ignore); !errors.Is(err, c.want) {
			t.Errorf("Files in %s = %v, want %v", c.opts.Root, err, c.want)
		}
	}
	stop := errors.New("enough")
	if err := Files(t.Context(), Options{Root: root}, readList(t, root, "a/c", "e"), func(*record.Record) error { return stop }); err != stop {
		t.Errorf("Files = %v, want emit's error", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	err := Files(ctx, Options{Root: root}, readList(t, root, "a/c", "e"), func(*record.Record) error { n++; cancel(stop); return nil })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("Files = %v after %d records, want the context's cause after 1", err, n)
	}
}

func TestReadList(t *testing.T) {
	base := string(filepath.Separator) + "base"
	for _, c := range []struct {
		text string
		end  byte
		want []string // "!…": an error with that text
	}{
		{"b\na\n", '\n', []string{"a", "b"}},
		{"b\r\n\n#a\n c ", '\n', []string{" c ", "#a", "b"}},
		{"b\r\x00a\nx\x00\x00c", 0, []string{"a\nx", "b\r", "c"}},
		{"a/b/\n./c\na\n/base/a/d\n/alias/e\n", '\n', []string{"a", "a/b", "a/d", "c", "e"}},
		{"a\na\n", '\n', []string{"a", "a"}},
		{"..a\n...\n", '\n', []string{"...", "..a"}},
		{"", '\n', []string{"!it names no path"}},
		{"\n\r\n", '\n', []string{"!it names no path"}},
		{"\x00\x00", 0, []string{"!it names no path"}},
		{"a\n.\n", '\n', []string{`!line 2: "." is the folder itself`}},
		{"a\n\n/base/\n", '\n', []string{`!line 3: "/base/" is the folder itself`}},
		{"a/../..\n", '\n', []string{`!line 1: "a/../.." is not in /base`}},
		{"/basement/a\n", '\n', []string{`!line 1: "/basement/a" is not in /base`}},
		{"a\x00b\x00", '\n', []string{"!NUL byte in it; a list with those takes --from0"}},
		{"a\n" + strings.Repeat("x", maxListed+1), '\n', []string{"!line 2 is longer than 131072 bytes"}},
	} {
		if filepath.Separator != '/' && strings.Contains(c.text, "/") {
			continue
		}
		l, err := ReadList(strings.NewReader(c.text), c.end, base, filepath.Join(string(filepath.Separator), "alias"))
		var got []string
		if err != nil {
			got = []string{"!" + err.Error()}
			if _, ok := err.(ListError); !ok {
				t.Errorf("ReadList(%.30q) = %v, want a ListError", c.text, err)
			}
		} else {
			for r, err := range l.sorted.Sorted() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.Path)
			}
			l.Close()
		}
		if len(c.want) == 1 && strings.HasPrefix(c.want[0], "!") {
			if len(got) != 1 || !strings.HasPrefix(got[0], "!") || !strings.Contains(got[0], c.want[0][1:]) {
				t.Errorf("ReadList(%.30q) = %q, want an error with %s", c.text, got, c.want[0][1:])
			}
		} else if !slices.Equal(got, c.want) {
			t.Errorf("ReadList(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	if _, err := ReadList(iotest.ErrReader(os.ErrPermission), '\n', base); !errors.Is(err, os.ErrPermission) {
		t.Errorf("ReadList of what cannot be read = %v", err)
	}
}

// The scope has the paths of the list and no more, and fits in an end record.
func TestListScope(t *testing.T) {
	l := readList(t, "/base", "b", "a/b/c", "a/b", "a/b", "A", "a-b", "é")
	got, all, err := l.Scope()
	if want := []string{"A", "a/b", "a-b", "b", "é"}; !slices.Equal(got, want) || !all || err != nil {
		t.Errorf("Scope() = %q, %v, %v, want %q", got, all, err, want)
	}
	for path, want := range map[string]bool{"a/b": true, "a/b/x/y": true, "a": false, "a/bc": false, "A/x": true, "z": false} {
		if got, err := l.Names(path); got != want || err != nil {
			t.Errorf("Names(%q) = %v, %v, want %v", path, got, err, want)
		}
	}
	// Control characters take six bytes each, the quotes and the comma three.
	const each = 6*20 + 4 + 3
	for _, n := range []int{maxScope / each, maxScope/each + 1} {
		var names []string
		for i := range n {
			names = append(names, strings.Repeat("\x01", 20)+fmt.Sprintf("%04d", i))
		}
		got, all, err := readList(t, "/base", names...).Scope()
		if fits := n*each <= maxScope; all != fits || err != nil || len(got) < n-1 || len(got) == n != fits {
			t.Errorf("the scope of %d paths has %d, all: %v, %v", n, len(got), all, err)
		}
		var stream strings.Builder
		out := record.NewWriter(&stream, "test")
		out.Scope(got)
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		in := record.NewReader(strings.NewReader(stream.String()))
		for range in.All() {
		}
		if err := in.Whole(); err != nil || !slices.Equal(in.End().Scope, got) {
			t.Errorf("a stream with a scope of %d paths is read with %d: %v", len(got), len(in.End().Scope), err)
		}
	}
}

// A list that is longer than what is sorted in memory.
func TestLongList(t *testing.T) {
	root := makeTree(t, "d/f")
	var text strings.Builder
	const n = 50_000 // more than the sorter has in memory
	for i := range n {
		fmt.Fprintf(&text, "d/none/%08d/%s\n", n-i, strings.Repeat("x", 50))
	}
	text.WriteString("d/f\n")
	t.Setenv("TMPDIR", t.TempDir())
	l, err := ReadList(strings.NewReader(text.String()), '\n', root)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	count, last := 0, ""
	err = Files(t.Context(), Options{Root: root}, l, func(r *record.Record) error {
		if count++; last != "" && record.Compare(last, r.Path) >= 0 {
			t.Fatalf("%q comes after %q", r.Path, last)
		}
		last = r.Path
		return nil
	})
	if err != nil || count != n+1 {
		t.Errorf("Files = %v after %d records, want %d", err, count, n+1)
	}
}
