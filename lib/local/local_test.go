package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/record"
)

func TestJoin(t *testing.T) {
	if filepath.Separator != '/' {
		t.Skip("the table is in unix paths")
	}
	for _, c := range []struct{ root, path, want string }{
		{"/a/b", "c/d", "/a/b/c/d"},
		{"/", "c", "/c"},
		{"", "c/d", "c/d"},
		{"/a", "", "/a"},
		{"/a", "\xff/\n", "/a/\xff/\n"},
	} {
		if got := Path(&record.Record{Root: c.root, Path: c.path}); got != c.want {
			t.Errorf("Path(%q, %q) = %q, want %q", c.root, c.path, got, c.want)
		}
	}
}

// fixed is a file info without anything the platform adds.
type fixed struct {
	size  int64
	mode  fs.FileMode
	mtime time.Time
}

func (f fixed) Name() string       { return "f" }
func (f fixed) Size() int64        { return f.size }
func (f fixed) Mode() fs.FileMode  { return f.mode }
func (f fixed) ModTime() time.Time { return f.mtime }
func (f fixed) IsDir() bool        { return f.mode.IsDir() }
func (f fixed) Sys() any           { return nil }

func TestFillMode(t *testing.T) {
	for _, c := range []struct {
		mode fs.FileMode
		want string
	}{
		{0o644, "0644"},
		{0, "0000"},
		{0o7, "0007"},
		{fs.ModeDir | 0o755, "0755"},
		{fs.ModeSetuid | 0o755, "4755"},
		{fs.ModeSetgid | fs.ModeDir | 0o775, "2775"},
		{fs.ModeSticky | fs.ModeDir | 0o777, "1777"},
		{fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky, "7000"},
	} {
		var r record.Record
		Fill(&r, fixed{mode: c.mode})
		if r.Mode != c.want {
			t.Errorf("mode of %v = %q, want %q", c.mode, r.Mode, c.want)
		}
	}
}

func TestFillTimes(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for _, c := range []struct {
		mtime, want time.Time
	}{
		{time.Date(2024, 5, 1, 1, 0, 0, 123456789, zone), time.Date(2024, 5, 1, 0, 0, 0, 123456789, time.UTC)},
		{time.Date(1901, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(1901, 5, 1, 0, 0, 0, 0, time.UTC)},
		{time.Date(9999, 12, 31, 23, 59, 59, 999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999, time.UTC)},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
		{time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC), time.Time{}},
	} {
		var r record.Record
		fi := fixed{mtime: c.mtime, size: 7}
		Fill(&r, fi)
		if r.MTime != c.want {
			t.Errorf("mtime of %v = %v, want %v", c.mtime, r.MTime, c.want)
		}
		if !Unchanged(&r, fi) {
			t.Errorf("Unchanged(%v) = false right after Fill", c.mtime)
		}
	}
}

func TestFillSize(t *testing.T) {
	for mode, want := range map[fs.FileMode]int64{
		0o644:               42,
		fs.ModeDir:          record.SizeUnknown,
		fs.ModeSymlink:      record.SizeUnknown,
		fs.ModeNamedPipe:    record.SizeUnknown,
		fs.ModeDevice | 0o6: record.SizeUnknown,
	} {
		var r record.Record
		Fill(&r, fixed{mode: mode, size: 42})
		if r.Size != want {
			t.Errorf("size of a %v = %d, want %d", mode, r.Size, want)
		}
	}
}

// Every way of asking about one file must tell the same, or the hash cache,
// which compares what jwalk saw with what jhash sees, would never hit.
func TestWaysAgree(t *testing.T) {
	path := write(t, "f", "hello")
	f, opened, err := OpenRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	root, err := OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	content, read, err := root.OpenContent(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	listed, err := Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	var want record.Record
	Fill(&want, listed)
	if want.Size != 5 || want.MTime.IsZero() || want.Mode == "" {
		t.Errorf("Fill left %+v", want)
	}
	if runtime.GOOS != "windows" && (want.Ino == 0 || want.CTime.IsZero() || Device(listed) == 0) {
		t.Errorf("no inode, ctime or device: %+v", want)
	}
	ways := map[string]func() (fs.FileInfo, error){
		"OpenRegular":   func() (fs.FileInfo, error) { return opened, nil },
		"OpenContent":   func() (fs.FileInfo, error) { return read, nil },
		"Content.Stat":  content.Stat,
		"os.Lstat":      func() (fs.FileInfo, error) { return os.Lstat(path) },
		"Stat":          func() (fs.FileInfo, error) { return Stat(path) },
		"StatAt":        func() (fs.FileInfo, error) { return StatAt(dir, "f", false) },
		"StatAt/follow": func() (fs.FileInfo, error) { return StatAt(dir, "f", true) },
	}
	for name, stat := range ways {
		fi, err := stat()
		if err != nil {
			t.Fatal(err)
		}
		got := record.Record{BTime: want.BTime}
		Fill(&got, fi)
		if got.Size != want.Size || got.MTime != want.MTime || got.CTime != want.CTime || got.Ino != want.Ino || got.Mode != want.Mode || got.BTime != want.BTime {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if !Unchanged(&want, fi) || !SameFile(listed, fi) || Device(fi) != Device(listed) || fi.Name() != "f" {
			t.Errorf("%s is not seen as the same file", name)
		}
	}
}

func TestUnchanged(t *testing.T) {
	fi, err := Lstat(write(t, "f", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	var whole record.Record
	Fill(&whole, fi)
	// Where the platform lacks a field, a difference in it cannot be seen.
	for _, c := range []struct {
		name   string
		change func(r *record.Record)
		want   bool
	}{
		{"nothing", func(r *record.Record) {}, true},
		{"size", func(r *record.Record) { r.Size++ }, false},
		{"no size", func(r *record.Record) { r.Size = record.SizeUnknown }, false},
		{"mtime", func(r *record.Record) { r.MTime = r.MTime.Add(1) }, false},
		{"no mtime", func(r *record.Record) { r.MTime = time.Time{} }, false},
		{"ctime", func(r *record.Record) { r.CTime = r.CTime.Add(1) }, whole.CTime.IsZero()},
		{"no ctime", func(r *record.Record) { r.CTime = time.Time{} }, true},
		{"ino", func(r *record.Record) { r.Ino++ }, whole.Ino == 0},
		{"no ino", func(r *record.Record) { r.Ino = 0 }, true},
	} {
		r := whole
		c.change(&r)
		if got := Unchanged(&r, fi); got != c.want {
			t.Errorf("Unchanged, with another %s = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestClass(t *testing.T) {
	for _, c := range []struct {
		err  error
		want record.Class
	}{
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.EACCES}, record.ClassPermission},
		{syscall.EPERM, record.ClassPermission},
		{fmt.Errorf("x: %w", fs.ErrNotExist), record.ClassVanished},
		{syscall.ENOTDIR, record.ClassVanished},
		{ErrNotRegular, record.ClassChanging},
		{syscall.ENAMETOOLONG, record.ClassNameTooLong},
		{syscall.EIO, record.ClassInternal},
		{fmt.Errorf("x: %w", &record.Error{Class: record.ClassQuota}), record.ClassQuota},
	} {
		if got := Class(c.err); got != c.want {
			t.Errorf("Class(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}

func TestNewError(t *testing.T) {
	e := NewError(&fs.PathError{Op: "open", Path: "a\nb", Err: syscall.EACCES})
	if want := `open a\nb: permission denied`; e.Message != want || e.Class != record.ClassPermission {
		t.Errorf("NewError = %q %q, want %q", e.Class, e.Message, want)
	}
	if again := NewError(fmt.Errorf("wrapped: %w", e)); again != e {
		t.Errorf("NewError made a new error of one: %v", again)
	}
}

func TestOpenRegular(t *testing.T) {
	path := write(t, "f", "hello")
	link := path + ".link"
	if err := os.Symlink("f", link); err != nil {
		t.Skip(err)
	}
	for _, p := range []string{path, link} {
		f, fi, err := OpenRegular(p)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if fi.Size() != 5 {
			t.Errorf("size of %s = %d, want 5", p, fi.Size())
		}
	}
	if _, _, err := OpenRegular(filepath.Dir(path)); !errors.Is(err, ErrNotRegular) {
		t.Errorf("OpenRegular(folder) = %v, want ErrNotRegular", err)
	}
	if _, _, err := OpenRegular(path + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenRegular(nothing) = %v, want ErrNotExist", err)
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// A folder may have the inode number 0, as the root of gocryptfs has.
func TestSameFileWithoutNumber(t *testing.T) {
	at := func(mode fs.FileMode, dev, ino uint64) fs.FileInfo {
		return &info{mode: mode, state: state{dev: dev, ino: ino}}
	}
	for _, test := range []struct {
		a, b fs.FileInfo
		want bool
	}{
		{at(fs.ModeDir, 40, 0), at(fs.ModeDir, 40, 0), true},
		{at(fs.ModeDir, 40, 0), at(fs.ModeDir, 41, 0), false},
		{at(fs.ModeDir, 40, 0), at(fs.ModeDir, 40, 7), false},
		{at(fs.ModeDir, 40, 7), at(fs.ModeDir, 40, 7), true},
		{at(0, 40, 0), at(0, 40, 0), false},
		{at(0, 40, 7), at(0, 40, 7), true},
		{at(fs.ModeDir, 0, 0), at(fs.ModeDir, 0, 0), false}, // nothing is known of either
	} {
		if got := SameFile(test.a, test.b); got != test.want {
			t.Errorf("SameFile(%+v, %+v) = %t", test.a, test.b, got)
		}
	}
}
