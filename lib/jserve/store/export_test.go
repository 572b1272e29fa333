package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func exportTest(t *testing.T, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	contents, size, err := Export(t.Context(), dir, &out)
	if err != nil || contents != 5 || size < 400_000 {
		t.Fatalf("Export = %d, %d, %v", contents, size, err)
	}
	return out.Bytes()
}

func TestExportImport(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	furnish(t, from)
	stream := exportTest(t, from)
	contents, size, err := Import(t.Context(), to, iotest.OneByteReader(bytes.NewReader(stream)))
	if err != nil || contents != 5 || size < 400_000 {
		t.Fatalf("Import = %d, %d, %v", contents, size, err)
	}
	if problems, harmless, _ := findings(t, to); len(problems)+len(harmless) > 0 {
		t.Errorf("findings in the import: %q, %q", problems, harmless)
	}
	old, moved := openTest(t, from, nil), openTest(t, to, nil)
	moved.verify()
	for _, path := range []string{"/Jotta/Archive/a/one", "/Jotta/Archive/b/trashed", "/Jotta/Archive/unfinished", "/pc/home/me"} {
		a, b := old.stat(path), moved.stat(path)
		if a.ID != b.ID || a.UUID != b.UUID || a.PublicURI != b.PublicURI || a.Deleted != b.Deleted || len(a.Revisions) != len(b.Revisions) {
			t.Errorf("%s is %+v, was %+v", path, b, a)
		}
	}
	// An unfinished upload goes on, and new nodes get new numbers.
	a, err := moved.Allocate(user, at("/Jotta/Archive/unfinished"), content("unfinished business"))
	if err != nil || a.Received != 5 {
		t.Fatalf("unfinished upload = %+v, %v; want 5 bytes received", a, err)
	}
	if err := moved.deliver(a.Token, 5, "ished business"); err != nil {
		t.Error(err)
	}
	moved.put("/Jotta/Archive/new/file", "new")
	moved.verify()
}

func TestImportRefuses(t *testing.T) {
	from := t.TempDir()
	furnish(t, from)
	stream := exportTest(t, from)
	dir := filepath.Join(t.TempDir(), "new")
	refused := func(name string, data []byte) {
		t.Helper()
		if _, _, err := Import(t.Context(), dir, bytes.NewReader(data)); !errors.Is(err, ErrExport) {
			t.Errorf("%s: Import = %v, want ErrExport", name, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
			t.Errorf("%s: %v left behind, %v", name, names, err)
		}
	}
	refused("nothing", nil)
	refused("something else", []byte(strings.Repeat("not a tar file ", 100)))
	for _, cut := range []int{1, 511, 512, 1500, len(stream) / 4, len(stream) / 2, len(stream) - 4000, len(stream) - 1536} {
		refused("cut", stream[:cut])
	}
	refused("other content", bytes.Replace(stream, []byte("deepdeep"), []byte("deepdeeb"), 1))
	// What the members are called and hold is up to whoever made the stream.
	for _, change := range []func(name string, data []byte) (string, []byte){
		func(name string, data []byte) (string, []byte) {
			return strings.Replace(name, "blobs/", "blobs/../../", 1), data
		},
		func(name string, data []byte) (string, []byte) {
			return strings.Replace(name, "uploads/", "uploads/../x/", 1), data
		},
		func(name string, data []byte) (string, []byte) {
			return strings.Replace(name, "meta/trash", "meta/passwords", 1), data
		},
		func(name string, data []byte) (string, []byte) {
			return name, bytes.Replace(data, []byte(`"store_version":1`), []byte(`"store_version":2`), 1)
		},
		func(name string, data []byte) (string, []byte) {
			return name, bytes.Replace(data, []byte(`"contents":5`), []byte(`"contents":6`), 1)
		},
		func(name string, data []byte) (string, []byte) {
			if strings.HasPrefix(name, "meta/shares/") {
				data = nil
			}
			return name, data
		},
		func(name string, data []byte) (string, []byte) {
			if strings.HasPrefix(name, "meta/entries/") {
				data = data[:len(data)-1]
			}
			return name, data
		},
	} {
		refused("changed", rewrite(t, stream, change))
	}

	if _, _, err := Import(t.Context(), from, bytes.NewReader(stream)); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("Import over a store = %v, want ErrNotEmpty", err)
	}
	if problems, _, _ := findings(t, from); len(problems) > 0 {
		t.Errorf("the refused import did damage: %q", problems)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Import(ended, dir, bytes.NewReader(stream)); !errors.Is(err, context.Canceled) {
		t.Errorf("Import with an ended context = %v", err)
	}
}

// rewrite changes the members of a stream.
func rewrite(t *testing.T, stream []byte, change func(name string, data []byte) (string, []byte)) []byte {
	t.Helper()
	var out bytes.Buffer
	r, w := tar.NewReader(bytes.NewReader(stream)), tar.NewWriter(&out)
	for {
		h, err := r.Next()
		if err == io.EOF {
			must(t, w.Close())
			return out.Bytes()
		}
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		h.Name, data = change(h.Name, data)
		h.Size = int64(len(data))
		must(t, w.WriteHeader(h))
		_, err = w.Write(data)
		must(t, err)
	}
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Export(t.Context(), dir, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Export of an empty directory = %v, want ErrNotExist", err)
	}
	furnish(t, dir)
	c := content("trashed")
	must(t, os.Truncate((&Store{dir: dir}).blobFile(c.MD5, c.Size), 3))
	if _, _, err := Export(t.Context(), dir, io.Discard); err == nil || !strings.Contains(err.Error(), "3 bytes instead of 7") {
		t.Errorf("Export of a damaged content = %v", err)
	}
	s := openTest(t, dir, nil)
	if _, _, err := Export(t.Context(), dir, io.Discard); !errors.Is(err, ErrInUse) {
		t.Errorf("Export under a running server = %v, want ErrInUse", err)
	}
	must(t, s.Close())
}

// FuzzImport feeds streams to Import; whatever they hold, it must not panic, and
// nothing may appear beside its directory.
func FuzzImport(f *testing.F) {
	from := f.TempDir()
	s := openTest(f, from, nil)
	s.put("/Jotta/Archive/a", "a")
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	var out bytes.Buffer
	if _, _, err := Export(f.Context(), from, &out); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:2000])
	f.Fuzz(func(t *testing.T, stream []byte) {
		top := t.TempDir()
		_, _, err := Import(t.Context(), filepath.Join(top, "store"), bytes.NewReader(stream))
		names, rerr := os.ReadDir(top)
		if rerr != nil || len(names) != 1 {
			t.Errorf("%v in the directory above, %v", names, rerr)
		}
		if inside, rerr := os.ReadDir(filepath.Join(top, "store")); rerr != nil || err != nil && len(inside) > 0 {
			t.Errorf("Import = %v, and leaves %v", err, inside)
		}
	})
}
