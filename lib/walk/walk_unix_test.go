//go:build unix

package walk

import (
	"bytes"
	"context"
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
	opts := Options{Root: root, openDir: func(path string, follow bool) (*os.File, error) {
		if filepath.Base(path) == "a" {
			os.RemoveAll(path)
			syscall.Mkfifo(path, 0o644)
		}
		if filepath.Base(path) == "b" {
			os.RemoveAll(path)
			os.Symlink("/", path)
		}
		return local.OpenDir(path, follow)
	}}
	got := collect(t, opts)
	if len(got) != 3 || !strings.HasPrefix(got[0], "dir a (unreadable) error") || !strings.HasPrefix(got[1], "dir b (unreadable) error") || got[2] != "file z" {
		t.Errorf("listed %q", got)
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
