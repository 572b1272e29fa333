//go:build unix

package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"jottatools/lib/record"
)

// hostile makes a tree with links in it that lead out of it and about in it.
func hostile(t *testing.T) (dir string) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "root")
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755),
		os.MkdirAll(filepath.Join(top, "outside"), 0o755),
		os.WriteFile(filepath.Join(dir, "a", "b", "f"), []byte("inside"), 0o600),
		os.WriteFile(filepath.Join(top, "outside", "f"), []byte("secret"), 0o600),
		os.Symlink("../outside", filepath.Join(dir, "out")),
		os.Symlink(filepath.Join(top, "outside"), filepath.Join(dir, "a", "out")),
		os.Symlink("a", filepath.Join(dir, "in")),
		os.Symlink("f", filepath.Join(dir, "a", "b", "link")),
		os.Symlink("/etc/passwd", filepath.Join(dir, "passwd")),
		os.Symlink("link", filepath.Join(dir, "link")),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		syscall.Mkfifo(filepath.Join(dir, "a", "fifo"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRoot: nothing is opened through a symbolic link, wherever on the way it is, nor by a
// path that no record has, and nothing blocks.
func TestRoot(t *testing.T) {
	dir := hostile(t)
	ways(t, func(t *testing.T) {
		root, err := OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		for _, test := range []struct {
			path      string
			file, dir error // errAny: any will do
		}{
			{"a/b/f", nil, syscall.ENOTDIR},
			{"a/b", ErrNotRegular, nil},
			{"", ErrNotRegular, nil},
			{"out", errAny, errAny},
			{"out/f", errAny, errAny},
			{"a/out/f", errAny, errAny},
			{"in/b/f", errAny, errAny},
			{"in/b", errAny, errAny},
			{"a/b/link", ErrAstray, errAny},
			{"passwd", ErrAstray, errAny},
			{"link", ErrAstray, errAny},
			{"fifo", ErrNotRegular, syscall.ENOTDIR},
			{"a/fifo", ErrNotRegular, syscall.ENOTDIR},
			{"none", fs.ErrNotExist, fs.ErrNotExist},
			{"a/b/f/x", syscall.ENOTDIR, syscall.ENOTDIR},
			{"..", errAny, errAny},
			{"../outside/f", errAny, errAny},
			{"a/../../outside/f", errAny, errAny},
			{"/etc/passwd", errAny, errAny},
		} {
			f, fi, err := root.OpenRegular(test.path)
			holds(t, "OpenRegular", test.path, err, test.file)
			c, ci, err := root.OpenContent(test.path)
			holds(t, "OpenContent", test.path, err, test.file)
			if f != nil && c != nil {
				one, _ := io.ReadAll(f)
				two, _ := io.ReadAll(c)
				if string(one) != "inside" || string(two) != "inside" || !SameFile(fi, ci) || f.Name() != filepath.Join(dir, test.path) {
					t.Errorf("%s (%s) holds %q, and %q", test.path, f.Name(), one, two)
				}
				f.Close()
				c.Close()
			}
			d, err := root.OpenDir(test.path)
			holds(t, "OpenDir", test.path, err, test.dir)
			if d != nil {
				d.Close()
			}
		}
		if fi, err := root.Lstat("a/b/link"); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("Lstat of a link: %v, %v", fi, err)
		}
		if fi, err := root.Lstat("in/b/f"); err == nil {
			t.Errorf("Lstat through a link: %v", fi)
		}
	})
}

var errAny = errors.New("any error")

func holds(t *testing.T, op, path string, err, want error) {
	t.Helper()
	if want == errAny && err != nil || want != errAny && errors.Is(err, want) {
		if !errors.Is(err, ErrAstray) || Class(err) == record.ClassChanging {
			return
		}
	}
	t.Errorf("%s(%q): %v (%s), want %v", op, path, err, Class(err), want)
}

// TestRootItself: the root may be a link, or beneath one; that is its user's choice. What
// takes its place afterwards is not seen.
func TestRootItself(t *testing.T) {
	dir := hostile(t)
	link := filepath.Join(dir, "in")
	root, err := OpenRoot(link)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := errors.Join(os.Remove(link), os.Symlink("../outside", link)); err != nil {
		t.Fatal(err)
	}
	f, _, err := root.OpenRegular("b/f")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, _, err := root.OpenRegular("f"); err == nil {
		f.Close()
		t.Error("another folder has become the root")
	}
}

// TestRootsFollowed: a file that was listed through links is opened as long as it is the
// same, by device and inode number.
func TestRootsFollowed(t *testing.T) {
	dir := hostile(t)
	fi, err := Stat(filepath.Join(dir, "out", "f"))
	if err != nil {
		t.Fatal(err)
	}
	listed := record.Record{Root: dir, Path: "out/f", Followed: true, Dev: Device(fi)}
	Fill(&listed, fi)
	with := func(change func(*record.Record)) record.Record {
		r := listed
		change(&r)
		return r
	}
	var roots Roots
	defer roots.Close()
	for _, test := range []struct {
		name string
		rec  record.Record
		want error
	}{
		{"as listed", listed, nil},
		{"another inode", with(func(r *record.Record) { r.Ino++ }), ErrAstray},
		{"another file system", with(func(r *record.Record) { r.Dev++ }), ErrAstray},
		{"not listed through links", with(func(r *record.Record) { r.Followed = false }), errAny},
		{"no root", record.Record{Path: listed.Root + "/out/f"}, nil},
		{"a link at the end", record.Record{Root: dir, Path: "a/b/link", Ino: listed.Ino}, ErrAstray},
		{"another root", record.Record{Root: dir + "/a", Path: "b/f", Ino: 1}, nil}, // the caller compares
		{"no such root", record.Record{Root: dir + "/none", Path: "b/f"}, fs.ErrNotExist},
	} {
		f, _, err := roots.Open(&test.rec)
		holds(t, test.name+": Open", test.rec.Path, err, test.want)
		if f != nil {
			f.Close()
		}
		c, _, err := roots.OpenContent(&test.rec)
		holds(t, test.name+": OpenContent", test.rec.Path, err, test.want)
		if c != nil {
			c.Close()
		}
	}
	for i := range 2 * maxRoots { // more than are kept open
		sub := filepath.Join(dir, "many", strconv.Itoa(i))
		if err := errors.Join(os.MkdirAll(sub, 0o755), os.WriteFile(filepath.Join(sub, "f"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		f, _, err := roots.Open(&record.Record{Root: sub, Path: "f"})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if len(roots.known) > maxRoots {
		t.Errorf("%d folders are kept open", len(roots.known))
	}
}

// TestOpenLinked: only to a file in the tree, of the same owner.
func TestOpenLinked(t *testing.T) {
	dir := hostile(t)
	link := func(name, target string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("a/far", "b/f")
	link("a/up", "../a/b/f")
	link("a/absolute", filepath.Join(dir, "a/b/f"))
	link("a/dangling", "nothing")
	link("a/secret", "../../outside/f")
	link("a/pipe", "fifo")
	for path, want := range map[string]error{
		"a/far": nil, "a/up": nil, "a/dangling": fs.ErrNotExist, "a/pipe": ErrNotRegular,
		"a/secret": errAny, "passwd": errAny, "a/absolute": errAny, "link": errAny,
	} {
		f, err := OpenLinked(dir, path)
		if want == errAny && Class(err) != record.ClassPermission || want != errAny && !errors.Is(err, want) {
			t.Errorf("OpenLinked(%s) = %v, want %v", path, err, want)
		}
		if f != nil {
			f.Close()
		}
	}
	if os.Getuid() != 0 {
		t.Skip("the rest takes root")
	}
	if err := os.Lchown(filepath.Join(dir, "a", "far"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if f, err := OpenLinked(dir, "a/far"); Class(err) != record.ClassPermission {
		t.Errorf("a link of another owner is followed: %v, %v", f, err)
	}
}

func TestReadlinkAt(t *testing.T) {
	dir := hostile(t)
	long := ""
	for range 100 {
		long += "long/"
	}
	if err := os.Symlink(long, filepath.Join(dir, "long")); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]string{"in": "a", "passwd": "/etc/passwd", "long": long} {
		if got, err := ReadlinkAt(d, name); got != want || err != nil {
			t.Errorf("ReadlinkAt(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := ReadlinkAt(d, "a"); err == nil || runtime.GOOS == "linux" && !errors.Is(err, syscall.EINVAL) {
		t.Errorf("ReadlinkAt(folder): %v", err)
	}
}
