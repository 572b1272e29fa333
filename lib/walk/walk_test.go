package walk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collect walks and returns a line for each record: kind, path and what is
// special about it.
func collect(t *testing.T, opts Options) []string {
	t.Helper()
	var lines []string
	if err := Tree(t.Context(), opts, func(r *record.Record) error {
		lines = append(lines, line(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func line(r *record.Record) string {
	s := string(r.Kind) + " " + r.Path
	if r.Target != "" {
		s += " -> " + r.Target
	}
	if r.Ignored {
		s += " ignored"
	}
	if r.Reason != "" {
		s += " (" + string(r.Reason) + ")"
	}
	if r.Status != "" {
		s += " " + string(r.Status)
	}
	if r.Error != nil {
		s += " error " + string(r.Error.Class)
	}
	return s
}

// makeTree makes what each line says: "a/b" a file that holds its name, "a/"
// a folder, "a -> b" a symbolic link, "a = text" a file with that text and a
// newline.
func makeTree(t testing.TB, lines ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		path, content := l, l
		if link, target, ok := strings.Cut(l, " -> "); ok {
			path = filepath.Join(root, link)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, path); err != nil {
				t.Skip(err)
			}
			continue
		}
		if name, text, ok := strings.Cut(l, " = "); ok {
			path, content = name, strings.ReplaceAll(text, "|", "\n")+"\n"
		}
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(filepath.Join(root, path), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		writeFile(t, filepath.Join(root, path), content)
	}
	return root
}

func TestTree(t *testing.T) {
	old := Options{Now: time.Now().Add(time.Hour), MinAge: time.Minute} // every file is old enough
	for _, c := range []struct {
		name string
		tree []string
		opts Options
		give func(*Rules) error
		want []string
	}{
		{name: "nothing"},
		{
			name: "order and kinds",
			tree: []string{"b", "B2", "a/z", "a-b", "a.c/x", "empty/", "link -> a", "dangling -> nowhere"},
			want: []string{"dir a", "file a/z", "file a-b", "dir a.c", "file a.c/x", "file b", "file B2", "symlink dangling -> nowhere", "dir empty", "symlink link -> a"},
		},
		{
			name: "case",
			tree: []string{"É/1", "é/2", "a/X", "A/x"},
			want: []string{"dir A", "file A/x", "dir a", "file a/X", "dir É", "file É/1", "dir é", "file é/2"},
		},
		{
			name: "twins of one name in two normal forms",
			tree: []string{"\u00e9", "e\u0301"},
			want: []string{"file e\u0301", "file \u00e9"},
		},
		{
			name: "ignore files",
			tree: []string{".jottaignore = *.o|build/|!keep.o", "x.o", "keep.o", "build/x", "src/build", "src/y.o", "sub/.jottaignore = !*.o|/z", "sub/x.o", "sub/z", "sub/d/z", "sub/d/x.o"},
			want: []string{
				"file .jottaignore", "dir build ignored (ignored)", "file keep.o", "dir src", "file src/build", "file src/y.o ignored (ignored)",
				"dir sub", "file sub/.jottaignore", "dir sub/d", "file sub/d/x.o", "file sub/d/z", "file sub/x.o", "file sub/z ignored (ignored)", "file x.o ignored (ignored)",
			},
		},
		{
			name: "a folder's ignore file is not about the folder, nor can it bring back what is ignored above",
			tree: []string{"a/.jottaignore = a|!b", "a/b", "a/a/c", ".jottaignore = b"},
			want: []string{"file .jottaignore", "dir a", "file a/.jottaignore", "dir a/a ignored (ignored)", "file a/b"},
		},
		{
			name: "flags come before ignore files",
			tree: []string{".jottaignore = !*.o|x", "a.o", "x"},
			give: func(r *Rules) error { return errors.Join(r.Exclude("*.o"), r.Exclude("!x")) },
			want: []string{"file .jottaignore", "file a.o ignored (ignored)", "file x"},
		},
		{
			name: "the last flag decides, whatever its kind",
			tree: []string{"a1", "a2", "b1"},
			give: func(r *Rules) error {
				return errors.Join(r.Exclude("a1"), r.ExcludeRegexp("^[ab]1$"), r.Exclude("!a1"))
			},
			want: []string{"file a1", "file a2", "file b1 ignored (ignored)"},
		},
		{
			name: "names that a shell would trip over",
			tree: []string{"#recycle/x", "a ", "!b"},
			give: func(r *Rules) error { return errors.Join(r.Exclude("#recycle"), r.Exclude("a "), r.Exclude(`\!b`)) },
			want: []string{"file !b ignored (ignored)", "dir #recycle ignored (ignored)", "file a  ignored (ignored)"},
		},
		{
			name: "hidden",
			tree: []string{".a/b", ".profile", "c/.d", "e"},
			give: func(r *Rules) error { err := r.Exclude("!.profile"); r.ExcludeHidden(); return err },
			want: []string{"dir .a ignored (ignored)", "file .profile", "dir c", "file c/.d ignored (ignored)", "file e"},
		},
		{
			name: "caches",
			opts: Options{ExcludeCaches: true},
			tree: []string{"CACHEDIR.TAG = " + cacheSignature, "a/CACHEDIR.TAG = " + cacheSignature, "a/b/c", "d/CACHEDIR.TAG = something else", "e/CACHEDIR.TAG = S", "f/CACHEDIR.TAG -> ../CACHEDIR.TAG"},
			want: []string{"dir a ignored (ignored)", "file CACHEDIR.TAG", "dir d", "file d/CACHEDIR.TAG", "dir e", "file e/CACHEDIR.TAG", "dir f", "symlink f/CACHEDIR.TAG -> ../CACHEDIR.TAG"},
		},
		{
			name: "caches are listed unless told otherwise",
			tree: []string{"a/CACHEDIR.TAG = " + cacheSignature},
			want: []string{"dir a", "file a/CACHEDIR.TAG"},
		},
		{
			name: "tags",
			opts: Options{Tags: []Tag{{".nobackup", ""}, {"tag", "no"}}},
			tree: []string{".nobackup", "a/.nobackup/x", "a/b/c", "d/tag = no thanks", "e/tag = yes", "f/tag -> ../d/tag", "g/h/.nobackup -> nowhere", "g/h/i", "j/nobackup", "k/tag = n"},
			want: []string{"file .nobackup", "dir a ignored (ignored)", "dir d ignored (ignored)", "dir e", "file e/tag", "dir f", "symlink f/tag -> ../d/tag", "dir g", "dir g/h ignored (ignored)", "dir j", "file j/nobackup", "dir k", "file k/tag"},
		},
		{
			name: "a rule does not override a tag",
			opts: Options{Tags: []Tag{{".nobackup", ""}}},
			tree: []string{"a/.nobackup", "a/b"},
			give: func(r *Rules) error { return r.Include("a") },
			want: []string{"dir a ignored (ignored)"},
		},
		{
			name: "what is included comes back, in the order of the flags",
			tree: []string{".jottaignore = *.c", "a.o", "b.o", "b.c", "d/a.o", "d/x"},
			give: func(r *Rules) error {
				return errors.Join(r.Exclude("*"), r.Include("*/"), r.Include("*.[oc]"), r.Exclude("/a.o"))
			},
			want: []string{"file .jottaignore ignored (ignored)", "file a.o ignored (ignored)", "file b.c", "file b.o", "dir d", "file d/a.o", "file d/x ignored (ignored)"},
		},
		{
			name: "size",
			opts: Options{MaxSize: 3},
			tree: []string{"a = 12", "b = 123", "folder/c = 1"},
			want: []string{"file a", "file b ignored (large)", "dir folder", "file folder/c"},
		},
		{
			name: "age of old files",
			opts: old,
			tree: []string{"a"},
			want: []string{"file a"},
		},
		{
			name: "age of young files",
			opts: Options{MinAge: time.Hour},
			tree: []string{"a", "folder/"},
			want: []string{"file a ignored (young)", "dir folder"},
		},
		{
			name: "one file system",
			opts: Options{OneFileSystem: true},
			tree: []string{"a/b"},
			want: []string{"dir a", "file a/b"},
		},
		{
			name: "links are followed",
			opts: Options{Follow: true},
			tree: []string{"a/b", "z -> a", "l -> a/b", "dangling -> nowhere"},
			want: []string{"dir a", "file a/b", "symlink dangling -> nowhere (dangling)", "file l", "dir z", "file z/b"},
		},
		{
			name: "links that lead in circles",
			opts: Options{Follow: true},
			tree: []string{"a/b/up -> ..", "a/top -> ..", "self -> self"},
			want: []string{"dir a", "dir a/b", "symlink a/b/up -> .. (unreadable) error internal", "symlink a/top -> .. (unreadable) error internal", "symlink self -> self (unreadable) error internal"},
		},
		{
			name: "a folder with a record of its own",
			opts: Options{Prefix: "p"},
			tree: []string{"p/a/b", "p/.jottaignore = /a/x|y", "p/a/x", "p/y", "other"},
			give: func(r *Rules) error { return errors.Join(r.Exclude("/p/a/b"), r.Exclude("p")) },
			want: []string{"dir p", "file p/.jottaignore", "dir p/a", "file p/a/b ignored (ignored)", "file p/a/x ignored (ignored)", "file p/y ignored (ignored)"},
		},
		{
			name: "an ignore file that is no file",
			tree: []string{".jottaignore/", "a/.jottaignore -> nowhere", "a/b"},
			want: []string{"dir .jottaignore", "dir a", "symlink a/.jottaignore -> nowhere", "file a/b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Root = makeTree(t, c.tree...)
			if c.give != nil {
				c.opts.Rules = new(Rules)
				if err := c.give(c.opts.Rules); err != nil {
					t.Fatal(err)
				}
			}
			for _, jobs := range []int{1, 2, 8} {
				c.opts.Jobs = jobs
				if diff := cmp.Diff(c.want, collect(t, c.opts)); diff != "" {
					t.Errorf("with %d jobs, what is listed differs from what is wanted (-want +got):\n%s", jobs, diff)
				}
			}
		})
	}
}

func TestRecord(t *testing.T) {
	root := makeTree(t, "f = hello")
	path := filepath.Join(root, "f")
	mtime := time.Date(2001, 2, 3, 4, 5, 6, 700, time.UTC)
	if err := os.Chtimes(path, mtime, mtime); err != nil {
		t.Fatal(err)
	}
	err := Tree(t.Context(), Options{Root: root}, func(r *record.Record) error {
		if r.Root != root || r.Size != 6 || !r.MTime.Equal(mtime.Truncate(100)) || r.Mode == "" || r.Error != nil {
			t.Errorf("Tree emitted %+v", r)
		}
		fi, err := os.Lstat(local.Path(r))
		if err != nil || !local.Unchanged(r, fi) {
			t.Errorf("the file is not what its record says: %+v, %v", r, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotAFolder(t *testing.T) {
	root := makeTree(t, "f")
	for path, want := range map[string]error{"f": syscall.ENOTDIR, "none": fs.ErrNotExist} {
		err := Tree(t.Context(), Options{Root: filepath.Join(root, path)}, func(*record.Record) error { return nil })
		if !errors.Is(err, want) {
			t.Errorf("Tree(%s) = %v, want %v", path, err, want)
		}
	}
}

// failing returns an opening that denies some of the folders in root.
func failing(root string, bad ...string) func(string) error {
	return func(path string) error {
		for _, b := range bad {
			if path == filepath.Join(root, b) {
				return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}
			}
		}
		return nil
	}
}

// Tests run as root, to whom nothing is unreadable, so the faults are made here.
func TestUnreadableFolder(t *testing.T) {
	root := makeTree(t, "a/b/c", "a/d", "e")
	denied := func(bad string) func(string) error { return failing(root, bad) }
	got := collect(t, Options{Root: root, opening: denied("a/b")})
	want := []string{"dir a", "dir a/b (unreadable) error permission", "file a/d", "file e"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	got = collect(t, Options{Root: root, Prefix: "a", opening: denied("a")})
	want = []string{"dir a (unreadable) error permission"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Without a record for it, the top folder's error is that of the walk.
	err := Tree(t.Context(), Options{Root: root, opening: denied("")}, func(r *record.Record) error {
		t.Errorf("emitted %s", line(r))
		return nil
	})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Tree = %v, want permission denied", err)
	}
}

func TestListingFailsMidway(t *testing.T) {
	root := makeTree(t, "a/b", "a/c", "d", "a/.jottaignore = secret", "a/secret")
	opts := Options{Root: root, readDir: func(dir *os.File, n int) ([]fs.DirEntry, error) {
		list, err := dir.ReadDir(n)
		if strings.HasSuffix(dir.Name(), "a") && err == nil {
			list, err = slices.DeleteFunc(list, func(e fs.DirEntry) bool { return e.Name() == "c" || e.Name() == IgnoreFile }), &fs.PathError{Op: "readdirent", Path: dir.Name(), Err: syscall.EIO}
		}
		return list, err
	}}
	// The rules hold, although the listing does not name their file.
	want := []string{"dir a (unreadable) error internal", "file a/b", "file a/secret ignored (ignored)", "file d"}
	if diff := cmp.Diff(want, collect(t, opts)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// When it is not known what is to be left out, nothing is listed that should
// perhaps not leave the machine.
func TestIgnoreFileTooLarge(t *testing.T) {
	root := makeTree(t, "a/b", "c")
	writeFile(t, filepath.Join(root, "a", IgnoreFile), strings.Repeat("secret\n", maxIgnoreFile/7+1))
	want := []string{"dir a (unreadable) error internal", "file c"}
	if diff := cmp.Diff(want, collect(t, Options{Root: root})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	file := filepath.Join(root, "a", IgnoreFile)
	err := Tree(t.Context(), Options{Root: filepath.Join(root, "a")}, func(*record.Record) error { return nil })
	if !errors.Is(err, ErrRulesTooLarge) || !strings.Contains(err.Error(), file) {
		t.Errorf("Tree of a folder with too many rules = %v, want ErrRulesTooLarge and the file", err)
	}
}

func TestBadRulesAreReported(t *testing.T) {
	root := makeTree(t, "a/.jottaignore = [x|*.o|b\\", "a/y.o")
	var heard []string
	got := collect(t, Options{Root: root, Warn: func(err error) { heard = append(heard, err.Error()) }})
	want := []string{"dir a", "file a/.jottaignore", "file a/y.o ignored (ignored)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(heard) != 2 || !strings.HasPrefix(heard[0], `a/.jottaignore line 1: pattern "[x"`) || !strings.HasPrefix(heard[1], `a/.jottaignore line 3: `) {
		t.Errorf("warnings: %q", heard)
	}
}

func TestVanishing(t *testing.T) {
	root := makeTree(t, "a/f", "b/gone", "b/stays", "gone/f")
	opts := Options{
		Root: root,
		readDir: func(dir *os.File, n int) ([]fs.DirEntry, error) {
			list, err := dir.ReadDir(n)
			if strings.HasSuffix(dir.Name(), "b") {
				os.Remove(filepath.Join(root, "b", "gone"))
			}
			return list, err
		},
		opening: func(path string) error {
			if strings.HasSuffix(path, "gone") {
				os.RemoveAll(path)
			}
			return nil
		},
	}
	want := []string{"dir a", "file a/f", "dir b", "file b/stays"}
	if diff := cmp.Diff(want, collect(t, opts)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A disk that is unmounted during the walk leaves another folder in the place of what
// was on it. Nothing of that has vanished.
func TestUnmounted(t *testing.T) {
	var many []string
	for i := range 2 * chunkSize {
		many = append(many, fmt.Sprintf("m/n%04d", i))
	}
	for _, test := range []struct{ gone, when, want string }{
		{"", "b", "dir a, dir a/c, file a/c/f, file a/f, dir b, file b/f, dir m, lost"},
		{"a", "a/c", "dir a, dir a/c (unreadable) error internal, file a/f, dir b, file b/f, dir m, file z"},
		{"", "nothing", "dir a, dir a/c, file a/c/f, file a/f, dir b, file b/f, dir m, file z"},
	} {
		root := makeTree(t, append([]string{"a/c/f", "a/f", "b/f", "z"}, many...)...)
		gone := filepath.Join(root, test.gone)
		var once sync.Once
		opts := Options{Root: root, Jobs: 1, opening: func(path string) error {
			if path == filepath.Join(root, test.when) {
				once.Do(func() {
					os.Rename(gone, gone+".unmounted")
					os.Mkdir(gone, 0o755)
				})
			}
			return nil
		}}
		var got []string
		err := Tree(t.Context(), opts, func(r *record.Record) error {
			if line := line(r); !strings.HasPrefix(line, "file m/") {
				got = append(got, line)
			}
			return nil
		})
		if errors.Is(err, errReplaced) {
			got = append(got, "lost")
		} else if err != nil {
			t.Error(err)
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%q gone when %q is opened: listed %s\nwant %s", test.gone, test.when, got, test.want)
		}
	}
	// Between two looks at a large folder.
	root := makeTree(t, many...)
	opened := 0
	opts := Options{Root: root, Jobs: 1, opening: func(path string) error {
		if opened++; opened == 3 {
			os.Rename(root, root+".unmounted")
		}
		return nil
	}}
	listed := 0
	err := Tree(t.Context(), opts, func(*record.Record) error { listed++; return nil })
	if listed != 1+chunkSize || !errors.Is(err, errReplaced) {
		t.Errorf("of a large folder that vanishes %d entries are listed, and the error is %v", listed, err)
	}
}

// Folders larger than a chunk keep their order, with folders among the files.
func TestLargeFolder(t *testing.T) {
	var tree, want []string
	for i := range 4*chunkSize + 1 {
		name := fmt.Sprintf("n%04d", i)
		if i%100 == 0 {
			tree = append(tree, name+"/f")
			want = append(want, "dir "+name, "file "+name+"/f")
		} else {
			tree = append(tree, name)
			want = append(want, "file "+name)
		}
	}
	root := makeTree(t, tree...)
	for _, jobs := range []int{1, 4} {
		if diff := cmp.Diff(want, collect(t, Options{Root: root, Jobs: jobs})); diff != "" {
			t.Errorf("with %d jobs: -want +got:\n%s", jobs, diff)
		}
	}
}

func TestCancel(t *testing.T) {
	var tree []string
	for i := range 50 {
		tree = append(tree, fmt.Sprintf("%02d/a/b", i), fmt.Sprintf("%02d/c/d", i))
	}
	root := makeTree(t, tree...)
	for _, after := range []int{0, 1, 2, 77} {
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		if after == 0 {
			cancel(stop)
		}
		err := Tree(ctx, Options{Root: root, Jobs: 4}, func(*record.Record) error {
			if n++; n == after {
				cancel(stop)
			}
			return nil
		})
		if err != stop || n != after {
			t.Errorf("Tree = %v after %d records, want %v after %d", err, n, stop, after)
		}
		cancel(nil)

		n = 0
		err = Tree(t.Context(), Options{Root: root, Jobs: 4}, func(*record.Record) error {
			if n++; n >= after {
				return stop
			}
			return nil
		})
		if err != stop || n != max(after, 1) {
			t.Errorf("Tree = %v after %d records, want emit's error at %d", err, n, max(after, 1))
		}
	}
}

// A walk that is stopped between two looks at a large folder has not listed it.
func TestCancelInLargeFolder(t *testing.T) {
	var tree []string
	for i := range 2 * chunkSize {
		tree = append(tree, fmt.Sprintf("%04d", i))
	}
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	err := Tree(ctx, Options{Root: makeTree(t, tree...), Jobs: 1}, func(*record.Record) error {
		if n++; n == chunkSize {
			cancel(stop)
		}
		return nil
	})
	if err != stop || n != chunkSize {
		t.Errorf("Tree = %v after %d records, want %v after %d", err, n, stop, chunkSize)
	}
}

func BenchmarkTree(b *testing.B) {
	var tree []string
	for i := range 10_000 {
		tree = append(tree, fmt.Sprintf("d%02d/e%d/IMG_%05d.JPG", i%20, i%5, i))
	}
	root := makeTree(b, tree...)
	b.ResetTimer()
	n := 0
	for b.Loop() {
		if err := Tree(b.Context(), Options{Root: root}, func(*record.Record) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
