//go:build unix

package walk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

func TestSpecialFiles(t *testing.T) {
	root := makeTree(t, "z", "link -> fifo", "fifo.jottaignore/")
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Names that jwalk itself looks into must not block it either.
	if err := syscall.Mkfifo(filepath.Join(root, IgnoreFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, cacheTag), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", filepath.Join(root, "fifo.jottaignore", IgnoreFile)); err != nil {
		t.Fatal(err)
	}
	socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(socket)
	if err := syscall.Bind(socket, &syscall.SockaddrUnix{Name: filepath.Join(root, "sock")}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"special .jottaignore (special) skipped", "special CACHEDIR.TAG (special) skipped", "special fifo (special) skipped",
		"dir fifo.jottaignore", "symlink fifo.jottaignore/.jottaignore -> fifo", "symlink link -> fifo", "special sock (special) skipped", "file z",
	}
	if diff := cmp.Diff(want, collect(t, Options{Root: root, ExcludeCaches: true})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := collect(t, Options{Root: root, Follow: true}); !slices.Contains(got, "special link (special) skipped") {
		t.Errorf("a followed link to a FIFO is listed as %q", got)
	}
}

// Whatever takes a folder's place between two looks does not block or mislead
// the walk.
func TestFolderMakesWay(t *testing.T) {
	root := makeTree(t, "a/f", "b/f", "z")
	opts := Options{Root: root, opening: func(path string) error {
		if filepath.Base(path) == "a" {
			os.RemoveAll(path)
			syscall.Mkfifo(path, 0o644)
		}
		if filepath.Base(path) == "b" {
			os.RemoveAll(path)
			os.Symlink("/", path)
		}
		return nil
	}}
	got := collect(t, opts)
	if len(got) != 3 || !strings.HasPrefix(got[0], "dir a (unreadable) error") || got[1] != "dir b (unreadable) error changing" || got[2] != "file z" {
		t.Errorf("listed %q", got)
	}
}

// A link that takes a folder's place, or that of one above it, after the walk has seen it
// is not followed, wherever it leads. Another folder in its place is listed as what it is.
func TestFolderIsSwapped(t *testing.T) {
	link := func(target string) func(string) error {
		return func(root string) error { return os.Symlink(target, root+"/a/b") }
	}
	for _, c := range []struct {
		name, at string // what is swapped when the folder at is opened
		swap     func(root string) error
		follow   bool
		want     string
	}{
		{"a link to the outside", "a/b", link("../../outside"), false, "dir a, dir a/b (unreadable) error changing, file z"},
		{"a link to the inside", "a/b", link("../y"), false, "dir a, dir a/b (unreadable) error changing, file z"},
		{"likewise, with --follow", "a/b", link("../y"), true, "dir a, dir a/b (unreadable) error changing, file z"},
		{"a link above", "a/b/c", link("../../outside"), false, "dir a, dir a/b, dir a/b/c (unreadable) error changing, file a/b/f, file z"},
		{"a folder", "a/b", func(root string) error {
			return errors.Join(os.Mkdir(root+"/a/b", 0o700), os.WriteFile(root+"/a/b/new", nil, 0o600))
		}, false, "dir a, dir a/b, file a/b/new, file z"},
	} {
		top := makeTree(t, "root/a/b/c/f", "root/a/b/f", "root/y/c/f", "root/z", "outside/c/secret")
		root := filepath.Join(top, "root")
		opts := Options{Root: root, Follow: c.follow, Jobs: 1, Rules: new(Rules), opening: func(path string) error {
			if path != filepath.Join(root, c.at) {
				return nil
			}
			return errors.Join(os.Rename(root+"/a/b", top+"/aside"), c.swap(root))
		}}
		if err := opts.Rules.Exclude("/y"); err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := Tree(t.Context(), opts, func(r *record.Record) error {
			if r.Path != "y" {
				got = append(got, line(r))
			}
			if info, err := os.Lstat(local.Path(r)); err == nil && info.IsDir() && r.Error == nil {
				now := new(record.Record)
				if local.Fill(now, info); now.Ino != r.Ino {
					t.Errorf("%s: %s is listed with the inode number of the folder before", c.name, r.Path)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s: listed %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Likewise while the folder is looked at chunk by chunk.
func TestLargeFolderIsSwapped(t *testing.T) {
	for name, swap := range map[string]func(path string) error{
		"a link":   func(path string) error { return os.Symlink("../outside", path) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		tree := []string{}
		for i := range 2 * chunkSize {
			tree = append(tree, fmt.Sprintf("root/a/%04d", i), fmt.Sprintf("outside/%04d", i))
		}
		top := makeTree(t, tree...)
		a, opened := filepath.Join(top, "root", "a"), 0
		opts := Options{Root: filepath.Join(top, "root"), Jobs: 1, opening: func(path string) error {
			if path != a {
				return nil
			}
			if opened++; opened == 1 {
				return nil
			}
			return errors.Join(os.Rename(a, top+"/aside"), swap(a))
		}}
		listed, failed := 0, 0
		if err := Tree(t.Context(), opts, func(r *record.Record) error {
			if listed++; r.Error != nil {
				failed++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if listed != 1+2*chunkSize || failed != chunkSize {
			t.Errorf("%s: of %d records %d are errors", name, listed, failed)
		}
	}
}

// With --follow, a link that leads elsewhere by the time it is followed is not.
func TestFollowedLinkIsSwapped(t *testing.T) {
	for _, at := range []string{"link", "link/sub"} {
		top := makeTree(t, "first/f", "first/sub/g", "second/secret", "second/sub/secret", "root/link -> ../first", "root/z")
		root := filepath.Join(top, "root")
		opts := Options{Root: root, Follow: true, Jobs: 1, opening: func(path string) error {
			if path != filepath.Join(root, at) {
				return nil
			}
			return errors.Join(os.Remove(root+"/link"), os.Symlink("../second", root+"/link"))
		}}
		want := []string{"dir link (unreadable) error changing", "file z"}
		if at == "link/sub" {
			want = []string{"dir link", "file link/f", "dir link/sub (unreadable) error changing", "file z"}
		}
		if diff := cmp.Diff(want, collect(t, opts)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", at, diff)
		}
	}
}

// What is reached through a link says so, and on which file system it is.
func TestFollowedIsMarked(t *testing.T) {
	top := makeTree(t, "away/d/f", "root/a/f", "root/away -> ../away", "root/file -> a/f", "root/none -> nowhere")
	marked := func(opts Options) (found []string) {
		if err := Tree(t.Context(), opts, func(r *record.Record) error {
			if info, err := local.Stat(local.Path(r)); r.Followed && (err != nil || r.Dev == 0 || r.Dev != local.Device(info)) || !r.Followed && r.Dev != 0 {
				t.Errorf("%s has the device %d", r.Path, r.Dev)
			}
			if r.Followed {
				found = append(found, r.Path)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, c := range []struct {
		opts Options
		want string
	}{
		{Options{Root: top + "/root", Follow: true}, "away, away/d, away/d/f, file"},
		{Options{Root: top + "/root"}, ""},
		{Options{Root: top + "/root", Prefix: "away"}, "away, away/d, away/d/f"}, // as one of several that are named
		{Options{Root: top + "/root", Prefix: "a"}, ""},
	} {
		if got := strings.Join(marked(c.opts), ", "); got != c.want {
			t.Errorf("%+v: marked are %s, want %s", c.opts, got, c.want)
		}
	}
}

// An ignore file that is a link counts if it leads to a file of the same owner in the
// tree; else the folder is an error, since what is to be left out is not known. No line of a
// file elsewhere is heard of.
func TestIgnoreFileIsALink(t *testing.T) {
	tree := []string{"root/a/secret", "root/a/x", "root/rules = secret|[bad", "outside = x|[none of their business"}
	for _, c := range []struct {
		name, link string
		opts       Options
		foreign    bool // the link is of another owner
		want       string
		heard      string
	}{
		{name: "inside", link: "root/a/.jottaignore -> ../rules", want: "dir a, symlink a/.jottaignore -> ../rules, file a/secret ignored (ignored), file a/x, file rules", heard: "[bad"},
		{name: "inside, of another owner", link: "root/a/.jottaignore -> ../rules", foreign: true, want: "dir a (unreadable) error permission, file rules"},
		{name: "outside", link: "root/a/.jottaignore -> ../../outside", want: "dir a (unreadable) error permission, file rules"},
		{name: "followed", link: "root/a/.jottaignore -> ../../outside", opts: Options{Follow: true}, want: "dir a, file a/.jottaignore, file a/secret, file a/x ignored (ignored), file rules", heard: "[none"},
		{name: "dangling", link: "root/a/.jottaignore -> ../none", want: "dir a, symlink a/.jottaignore -> ../none, file a/secret, file a/x, file rules"},
		{name: "of one of several folders, outside of it", link: "root/a/.jottaignore -> ../rules", opts: Options{Prefix: "a"}, want: "dir a (unreadable) error permission"},
		{name: "of the top folder", link: "root/.jottaignore -> ../outside", want: "error permission"},
	} {
		top := makeTree(t, append(tree, c.link)...)
		if c.foreign {
			if err := os.Lchown(top+"/root/a/.jottaignore", 1000, 1000); err != nil {
				continue // it takes root
			}
		}
		var got []string
		heard := ""
		c.opts.Root, c.opts.Warn = top+"/root", func(err error) { heard += err.Error() }
		if err := Tree(t.Context(), c.opts, func(r *record.Record) error { got = append(got, line(r)); return nil }); err != nil {
			got = append(got, "error "+string(local.Class(err)))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s: listed %s\nwant %s", c.name, got, c.want)
		}
		if !strings.Contains(heard, c.heard) || c.heard == "" && heard != "" {
			t.Errorf("%s: heard %q", c.name, heard)
		}
	}
}

func TestEveryByte(t *testing.T) {
	root := makeTree(t)
	root = filepath.Join(root, "r\xff\n")
	var want []string
	for c := 1; c < 256; c++ {
		name := fmt.Sprintf("x%cy", 'a'+c%3) + string([]byte{byte(c)})
		if c == '/' {
			continue
		}
		writeFile(t, filepath.Join(root, name), "")
		writeFile(t, filepath.Join(root, "d"+name, "f"), "")
		want = append(want, "file "+name, "dir d"+name, "file d"+name+"/f")
	}
	slices.SortFunc(want, func(a, b string) int {
		_, a, _ = strings.Cut(a, " ")
		_, b, _ = strings.Cut(b, " ")
		return record.Compare(a, b)
	})
	if diff := cmp.Diff(want, collect(t, Options{Root: root})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The names survive a stream.
	var stream bytes.Buffer
	out := record.NewWriter(&stream, "test")
	if err := Tree(t.Context(), Options{Root: root}, out.Write); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	in := record.NewReader(&stream)
	for r := range in.All() {
		if _, err := os.Lstat(local.Path(r)); err != nil {
			t.Error(err)
		}
	}
	if err := in.Whole(); err != nil {
		t.Error(err)
	}
}

// The walk lists the same set as find, in the order of record.Compare.
func TestSameAsFind(t *testing.T) {
	find, err := exec.LookPath("find")
	if err != nil {
		t.Skip("find is not installed")
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	letters := []string{"a", "b", "A", "-", ".", " ", "é", "É", "e\u0301", "ß", "\xff", "0", "~", "_"}
	dirs := []string{""}
	var tree []string
	for range 600 {
		name := "n"
		for range 1 + rnd.IntN(3) {
			name += letters[rnd.IntN(len(letters))]
		}
		path := dirs[rnd.IntN(len(dirs))] + name
		if rnd.IntN(3) == 0 {
			path += ".d/"
			dirs = append(dirs, path)
		}
		tree = append(tree, path)
	}
	root := makeTree(t, tree...)
	cmd := exec.Command(find, ".", "-mindepth", "1", "-print0")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skip(err)
	}
	var want []string
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		want = append(want, strings.TrimPrefix(path, "./"))
	}
	slices.SortFunc(want, record.Compare)
	for _, jobs := range []int{1, 3, 16} {
		var got []string
		if err := Tree(t.Context(), Options{Root: root, Jobs: jobs}, func(r *record.Record) error {
			got = append(got, r.Path)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %d jobs: -find +walk:\n%s", jobs, diff)
		}
	}
}

// Below what the system can name, a folder is unreadable even to root.
func TestDeep(t *testing.T) {
	const levels = 2200 // PATH_MAX is 4096 on Linux, 1024 elsewhere
	root := makeTree(t)
	at, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		if err := at.Mkdir("d", 0o755); err != nil {
			t.Fatal(err)
		}
		below, err := at.OpenRoot("d")
		if err != nil {
			t.Fatal(err)
		}
		at.Close()
		at = below
	}
	at.Close()
	writeFile(t, filepath.Join(root, "last"), "")

	got := collect(t, Options{Root: root})
	n := len(got)
	if n < 400 || n > levels {
		t.Fatalf("%d records of %d folders", n, levels)
	}
	if got[n-1] != "file last" || !strings.HasSuffix(got[n-2], "/d (unreadable) error name_too_long") {
		t.Errorf("the last records are %.40q and %q", got[n-2], got[n-1])
	}
	for i, l := range got[:n-2] {
		if want := "dir " + strings.Repeat("d/", i) + "d"; l != want {
			t.Fatalf("record %d is %.40q…", i, l)
		}
	}
}

func TestOtherFileSystem(t *testing.T) {
	here, err := local.Lstat("/")
	if err != nil {
		t.Fatal(err)
	}
	proc, err := local.Lstat("/proc/self")
	if err != nil || local.Device(here) == local.Device(proc) {
		t.Skip("no other file system is at hand")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var found string
	Tree(ctx, Options{Root: "/", OneFileSystem: true, Rules: only("/proc")}, func(r *record.Record) error {
		if record.Under(r.Path, "proc") {
			found += line(r) + "\n"
		}
		return nil
	})
	if want := "dir proc ignored (elsewhere)\n"; found != want {
		t.Errorf("of /proc was listed %q, want %q", found, want)
	}
}

// only leaves out all but one folder of the root.
func only(keep string) *Rules {
	var r Rules
	if err := r.Exclude("/*"); err != nil {
		panic(err)
	}
	if err := r.Exclude("!" + keep); err != nil {
		panic(err)
	}
	return &r
}

func TestFutureTimesAreNotYoung(t *testing.T) {
	root := makeTree(t, "future", "tomorrow")
	now := time.Now()
	for name, age := range map[string]time.Duration{"future": -48 * time.Hour, "tomorrow": -time.Minute} {
		if err := os.Chtimes(filepath.Join(root, name), time.Time{}, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"file future", "file tomorrow ignored (young)"}
	if diff := cmp.Diff(want, collect(t, Options{Root: root, MinAge: time.Second, Now: now})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
