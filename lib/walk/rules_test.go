package walk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestBadRules(t *testing.T) {
	dir := makeTree(t, "bad = ok|[x|", "good = a|b")
	writeFile(t, filepath.Join(dir, "large"), strings.Repeat("secret\n", maxIgnoreFile/7+1))
	var r Rules
	for _, c := range []struct {
		err  error
		want string
	}{
		{r.Exclude(""), `pattern "" matches nothing`},
		{r.Exclude("/"), `pattern "/" matches nothing`},
		{r.Exclude("!"), `pattern "!" matches nothing`},
		{r.Exclude("a[b"), `pattern "a[b" has a bracket`},
		{r.Exclude(`a\`), `pattern "a\\" has a bracket or a backslash`},
		{r.Exclude("[[:nope:]]"), `unknown class`},
		{r.Include("!a"), `"!a" begins with a !`},
		{r.Include("a[b"), `pattern "a[b" has a bracket`},
		{errors.Join(r.Include("a"), r.Exclude("*")), `"*" leaves everything out, after --include a`},
		{r.Exclude("/**"), `"/**" leaves everything out, after --include a`},
		{r.ExcludeFrom(filepath.Join(dir, "large")), `large: it is larger than 1 MiB`},
		{r.ExcludeRegexp("a("), `regular expression "a(": `},
		{r.ExcludeFrom(filepath.Join(dir, "bad")), `bad line 2: pattern "[x"`},
		{r.ExcludeFrom(filepath.Join(dir, "none")), "none: "},
		{r.ExcludeFrom(dir), dir},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("error = %v, want one with %q", c.err, c.want)
		}
	}
	if err := r.ExcludeFrom(filepath.Join(dir, "good")); err != nil {
		t.Error(err)
	}
	if err := r.ExcludeFrom(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ExcludeFrom(none) = %v, want ErrNotExist", err)
	}
}

func TestParseTag(t *testing.T) {
	for text, want := range map[string]Tag{".nobackup": {".nobackup", ""}, "a b:c:d\n": {"a b", "c:d\n"}, "x:": {"x", ""}} {
		if got, err := ParseTag(text); got != want || err != nil {
			t.Errorf("ParseTag(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":x", ".", "..", "a/b", "a\x00"} {
		if got, err := ParseTag(text); err == nil {
			t.Errorf("ParseTag(%q) = %+v, want an error", text, got)
		}
	}
}

func TestReadRules(t *testing.T) {
	text := "\ufeffbom\r\n# comment\n\n   \n\\#hash\n!kept\ntrailing  \nprotected\\  \nlast"
	list, bad, err := readRules(strings.NewReader(text), "f")
	if err != nil || bad != nil {
		t.Fatal(bad, err)
	}
	var got []string
	for _, r := range list {
		got = append(got, r.String())
	}
	want := []string{"f line 1: bom", `f line 5: \#hash`, "f line 6: !kept", "f line 7: trailing", `f line 8: protected\ `, "f line 9: last"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("readRules = %q, want %q", got, want)
	}
	if _, _, err := readRules(iotest.ErrReader(fs.ErrPermission), "f"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("readRules of what cannot be read = %v", err)
	}
}

// Whatever is in an ignore file, reading it and matching with it ends well.
func FuzzReadRules(f *testing.F) {
	f.Add("a\n!b/\n/c/**/d\n[x\n", "c/x/d")
	f.Add("\ufeff\\ \r\n#\n***/[[:alpha:]]\\", "é")
	f.Fuzz(func(t *testing.T, text, path string) {
		list, bad, err := readRules(strings.NewReader(text), "f")
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(text, "\n") + 1; len(list)+len(bad) > lines {
			t.Errorf("%d lines gave %d rules and %d errors", lines, len(list), len(bad))
		}
		if len(text) > 200 || len(path) > 200 {
			return
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		for _, dir := range []bool{false, true} {
			if r := list.match(path, name, dir); r != nil && r.dir && !dir {
				t.Errorf("%v matches what is no folder", r)
			}
		}
	})
}

func TestExplain(t *testing.T) {
	root := makeTree(t, ".jottaignore = # no objects|*.o|!keep.o|/build/", "a.o", "keep.o", "a.txt", "build/x/y", "sub/.jottaignore = *.txt", "sub/b.txt", "sub/c",
		"cache/CACHEDIR.TAG = "+cacheSignature, "cache/x", "big = 0123456789", "rules = *.txt|!b.txt", "link -> sub", ".hidden")
	var rules Rules
	if err := errors.Join(rules.Exclude("!a.txt"), rules.ExcludeRegexp("^su.*/c$"), rules.ExcludeFrom(filepath.Join(root, "rules"))); err != nil {
		t.Fatal(err)
	}
	rules.ExcludeHidden()
	var taken Rules
	if err := taken.Include("/build"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, want string
		opts       Options
	}{
		{path: "a.o", want: "a.o: ignored by .jottaignore line 2: *.o"},
		{path: "keep.o", want: "keep.o: kept by .jottaignore line 3: !keep.o"},
		{path: "a.txt", want: "a.txt: kept"},
		{path: "build", want: "build: ignored by .jottaignore line 4: /build/"},
		{path: "build/x/y", want: "build/x/y: ignored with build by .jottaignore line 4: /build/"},
		{path: "sub", want: "sub: kept"},
		{path: "sub/b.txt", want: "sub/b.txt: ignored by sub/.jottaignore line 1: *.txt"},
		{path: "sub/b.txt", want: "sub/b.txt: kept by --exclude-from " + root + "/rules line 2: !b.txt", opts: Options{Rules: &rules}},
		{path: "sub/c", want: "sub/c: ignored by --exclude-regex: ^su.*/c$", opts: Options{Rules: &rules}},
		{path: "a.txt", want: "a.txt: ignored by --exclude-from " + root + "/rules line 1: *.txt", opts: Options{Rules: &rules}},
		{path: ".hidden", want: ".hidden: ignored by --hidden=false: .*", opts: Options{Rules: &rules}},
		{path: "cache", want: "cache: kept"},
		{path: "cache", want: "cache: ignored by --exclude-caches: it has a CACHEDIR.TAG", opts: Options{ExcludeCaches: true}},
		{path: "cache/x", want: "cache/x: ignored with cache by --exclude-caches: it has a CACHEDIR.TAG", opts: Options{ExcludeCaches: true}},
		{path: "build/x", want: "build/x: ignored with build by --exclude-if-present: it has a x", opts: Options{Tags: []Tag{{"x", ""}}, Rules: &taken}},
		{path: "build/x/y", want: "build/x/y: kept", opts: Options{Rules: &taken}},
		{path: "build", want: "build: kept by --include: /build", opts: Options{Rules: &taken}},
		{path: "big", want: "big: ignored by --max-size: it is larger", opts: Options{MaxSize: 10}},
		{path: "big", want: "big: kept", opts: Options{MaxSize: 11}},
		{path: "big", want: "big: ignored by --min-age: it is younger", opts: Options{MinAge: time.Hour}},
		{path: "link", want: "link: kept"},
		{path: "link/c", want: "error: link is not a folder, so link/c is not in the tree"},
		{path: "link/b.txt", want: "link/b.txt: ignored by link/.jottaignore line 1: *.txt", opts: Options{Follow: true}},
		{path: "sub/b.txt", want: "sub/b.txt: ignored by sub/.jottaignore line 1: *.txt", opts: Options{Prefix: "sub"}},
		{path: "sub", want: "sub: kept", opts: Options{Prefix: "sub"}},
		{path: "subway", want: "error: subway is not in sub", opts: Options{Prefix: "sub"}},
		{path: "none", want: "error: lstat " + root + "/none: no such file or directory"},
	} {
		c.opts.Root = root
		d, err := Explain(t.Context(), c.opts, c.path)
		got := d.String()
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != filepath.FromSlash(c.want) && got != c.want {
			t.Errorf("Explain(%q) = %q, want %q", c.path, got, c.want)
		}
	}
}

func TestTops(t *testing.T) {
	root := makeTree(t, "b/x/", "a/y/", "c/X/", "f", "link -> b/x")
	at := func(dirs ...string) (abs []string) {
		for _, d := range dirs {
			abs = append(abs, filepath.Join(root, d))
		}
		return abs
	}
	t.Chdir(root)
	for _, c := range []struct {
		dirs []string
		want []Top // in terms of root
		err  string
	}{
		{dirs: nil, err: "which folder?"},
		{dirs: []string{""}, err: "empty"},
		{dirs: []string{"none"}, err: "there is no folder none"},
		{dirs: []string{"f"}, err: "f is not a folder"},
		{dirs: []string{"f/g"}, err: "f/g"},
		{dirs: []string{"b"}, want: []Top{{"b", ""}}},
		{dirs: []string{"b/"}, want: []Top{{"b", ""}}},
		{dirs: []string{"."}, want: []Top{{"", ""}}},
		{dirs: []string{"link"}, want: []Top{{"b/x", ""}}},
		{dirs: at("b/x", "a/y"), want: []Top{{"b", "x"}, {"a", "y"}}},
		{dirs: []string{"link", "a/y/../y", "."}, want: []Top{{"..", filepath.Base(root)}, {"", "link"}, {"a", "y"}}},
		{dirs: []string{"b/x", "a/y", "c/X"}, err: "have the same name"},
		{dirs: []string{"b", string(filepath.Separator)}, err: "list it alone"},
	} {
		got, err := Tops(c.dirs)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("Tops(%q) = %v, %v, want an error with %q", c.dirs, got, err, c.err)
			}
			continue
		}
		ok := err == nil && len(got) == len(c.want)
		for i := range got {
			ok = ok && got[i] == Top{filepath.Join(root, c.want[i].Root), c.want[i].Prefix}
		}
		if !ok {
			t.Errorf("Tops(%q) = %v, %v, want %v", c.dirs, got, err, c.want)
		}
	}
}

func TestWithin(t *testing.T) {
	root := makeTree(t, "top/a/b", "top/link -> a", "other", "a/only here")
	outside, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(outside, "way")); err != nil {
		t.Skip(err)
	}
	top := Top{Root: filepath.Join(root, "top")}
	for _, c := range []struct{ from, name, want string }{
		{root, "a/b", "a/b"},
		{root, "top/a/b", "a/b"},
		{root, "a/", "a"},
		{root, "./top/link", "link"},
		{root, filepath.Join(root, "top/a/b"), "a/b"},
		{root, filepath.Join(outside, "way/top/link"), "link"},
		{filepath.Join(root, "top/a"), "b", "b"}, // lies there, seen from here
		{filepath.Join(root, "top/a"), "./b", "b"},
		{root, "other", ""},
		{root, "../x", ""},
		{root, "none/at/all", ""},
	} {
		t.Chdir(c.from)
		got, err := top.Within(c.name)
		if c.from != root {
			c.want = "a/" + c.want
		}
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Within(%q) from %s = %q, %v, want %q", c.name, c.from, got, err, c.want)
		}
	}
}

// except leaves out what matches the patterns.
func except(t *testing.T, patterns ...string) *Rules {
	t.Helper()
	var r Rules
	for _, p := range patterns {
		if err := r.Exclude(p); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}
