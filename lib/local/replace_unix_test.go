//go:build unix

package local

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestReplaceOnlyFiles: what is no regular file is still what it was afterwards, whether
// it is named or a link leads to it.
func TestReplaceOnlyFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(at("folder"), 0o700))
	must(syscall.Mkfifo(at("fifo"), 0o600))
	must(syscall.Mkfifo(at("unread"), 0o600))
	socket, err := net.Listen("unix", at("socket"))
	must(err)
	defer socket.Close()
	must(os.Symlink("circle", at("circle")))
	names := []string{"folder", "fifo", "unread", "socket", "circle"}
	if mknod(at("null"), syscall.S_IFCHR|0o600, 1<<8|3) == nil {
		names = append(names, "null")
	}
	if mknod(at("block"), syscall.S_IFBLK|0o600, 7<<8|250) == nil {
		names = append(names, "block")
	}
	works := map[string]bool{"fifo": true, "null": true}
	reader, err := os.OpenFile(at("fifo"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(err)
	defer reader.Close()

	for _, name := range names {
		must(os.Symlink(name, at("to-"+name)))
		before, err := os.Lstat(at(name))
		must(err)
		for _, path := range []string{at(name), at("to-" + name)} {
			err := Replace(path, []byte("content"))
			if after, statErr := os.Lstat(at(name)); statErr != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
				t.Fatalf("Replace(%s) put another in its place: %v, %v", path, after, statErr)
			}
			if link, err := os.Lstat(at("to-" + name)); err != nil || link.Mode()&fs.ModeSymlink == 0 {
				t.Fatalf("Replace(%s) replaced the link: %v", path, err)
			}
			if (err == nil) != works[name] {
				t.Errorf("Replace(%s) = %v", path, err)
			}
			if MayReplace(path) == nil {
				t.Errorf("MayReplace(%s) = nil", path)
			}
		}
	}
	if err := Replace(at("unread"), nil); err == nil || !strings.Contains(err.Error(), "nobody reads it") {
		t.Errorf("Replace(unread) = %v", err)
	}
	if err := Replace(at("socket"), nil); !errors.Is(err, ErrNotRegular) {
		t.Errorf("Replace(socket) = %v", err)
	}
	b := make([]byte, 100)
	if n, err := reader.Read(b); string(b[:n]) != "contentcontent" || err != nil && err != io.EOF {
		t.Errorf("the FIFO holds %q, %v", b[:n], err)
	}
	noneLeft(t, dir)
}

// TestReplaceBehindLinks: a link stays, and what it leads to is replaced or made.
func TestReplaceBehindLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.MkdirAll(at("real/deep"), 0o700), os.WriteFile(at("real/file"), []byte("old"), 0o600),
		os.Symlink("real/deep", at("deep")),
		os.Symlink("../file", at("real/deep/up")),
		os.Symlink("real/file", at("link")), os.Symlink("link", at("link-to-link")), os.Symlink("deep/up", at("through")),
		os.Symlink("real/new", at("dangling")), os.Symlink("nowhere/new", at("lost")),
	); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, file string }{
		{"real/file", "real/file"}, {"link", "real/file"}, {"link-to-link", "real/file"}, {"through", "real/file"},
		{"deep/up", "real/file"}, {"dangling", "real/new"}, {strings.Repeat("n", 255), strings.Repeat("n", 255)},
	} {
		before, _ := os.Lstat(at(test.name))
		if err := Replace(at(test.name), []byte(test.name)); err != nil {
			t.Fatalf("Replace(%s) = %v", test.name, err)
		}
		info, err := os.Lstat(at(test.file))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
			t.Fatalf("after Replace(%s), %s is %v, %v", test.name, test.file, info, err)
		}
		if b, err := os.ReadFile(at(test.file)); string(b) != test.name || err != nil {
			t.Fatalf("after Replace(%s), %s holds %q, %v", test.name, test.file, b, err)
		}
		if after, err := os.Lstat(at(test.name)); before != nil && (err != nil || after.Mode() != before.Mode()) {
			t.Fatalf("after Replace(%s) it is %v, %v", test.name, after, err)
		}
	}
	if err := Replace(at("lost"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Replace(lost) = %v", err)
	}
	noneLeft(t, dir)
}

// TestReplaceOpenFile: a name that stands for an open file of this process is written to.
func TestReplaceOpenFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if _, err := os.Lstat(name); err != nil {
		t.Skip("this system has no /proc")
	}
	io.WriteString(f, "before ")
	before, _ := f.Stat()
	if err := Replace(name, []byte("content")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	after, _ := os.Stat(f.Name())
	if string(b) != "before content" || err != nil || !os.SameFile(before, after) {
		t.Errorf("it holds %q, %v", b, err)
	}
}

func noneLeft(t *testing.T, dir string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left over", path)
		}
		return err
	})
}
