//go:build linux

package mount

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"jottatools/lib/jfs"
)

// names returns what a folder shows.
func names(t *testing.T, f *fileSystem, dir *entry) (all []string) {
	t.Helper()
	if err := f.list(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	for _, e := range dir.children {
		all = append(all, e.name)
	}
	slices.Sort(all)
	return all
}

// A mount neither shows nor takes what is reserved for these programs.
func TestReserved(t *testing.T) {
	client := newService(t)
	for _, p := range []jfs.Path{"/Jotta/Archive/.jottatools/jobs", "/Jotta/Archive/photos/.jottatools"} {
		if err := client.MkDir(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	f, archive := newTestFS(t, client)
	if got := names(t, f, archive); !slices.Equal(got, []string{"photos"}) {
		t.Errorf("the mount point shows %q", got)
	}
	folders := map[string][]foundEntry{"": nil}
	if err := f.listAll("/Jotta/Archive", folders); err != nil || len(folders) != 3 {
		t.Errorf("the listing of all has %v, %v", folders, err)
	}
	for _, name := range []string{".jottatools", ".JOTTATOOLS"} {
		if e, err := f.lookup(t.Context(), archive, name); e != nil || err != nil {
			t.Errorf("look up %s: %v, %v", name, e, err)
		}
		if _, err := f.create(t.Context(), archive, name); !errors.Is(err, syscall.EPERM) {
			t.Errorf("create %s: %v", name, err)
		}
		if _, err := f.mkdir(t.Context(), archive, name); !errors.Is(err, syscall.EPERM) {
			t.Errorf("mkdir %s: %v", name, err)
		}
		if err := f.rename(t.Context(), archive, "photos", archive, name, false); !errors.Is(err, syscall.EPERM) {
			t.Errorf("rename to %s: %v", name, err)
		}
	}
	photos, err := f.lookup(t.Context(), archive, "photos")
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, f, photos); !slices.Equal(got, []string{".jottatools"}) {
		t.Errorf("a deeper folder shows %q", got)
	}
}

// A file or folder that is made where the trash has one in other letters gets the name
// that it was made with.
func TestSpelling(t *testing.T) {
	client := newService(t)
	f, archive := newTestFS(t, client)
	if err := f.unlink(save(t, f, archive, "a.txt", "old")); err != nil {
		t.Fatal(err)
	}
	old := save(t, f, archive, "b.txt", "old")
	f.uploads.drain(t.Context())
	if err := f.unlink(old); err != nil {
		t.Fatal(err)
	}
	dir, err := f.mkdir(t.Context(), archive, "dir")
	if err == nil {
		err = f.rmdir(dir)
	}
	if err == nil {
		_, err = f.mkdir(t.Context(), archive, "DIR")
	}
	if err != nil {
		t.Fatal(err)
	}
	save(t, f, archive, "A.txt", "new")
	save(t, f, archive, "B.TXT", "new")
	f.uploads.drain(t.Context())
	var got []string
	for e, err := range client.ListTree(t.Context(), "/Jotta/Archive") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Path)
	}
	slices.Sort(got)
	if want := []string{"A.txt", "B.TXT", "DIR"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
}
