package local

import (
	"os"
	"path/filepath"
	"testing"

	"jottatools/lib/record"
)

func TestRoots(t *testing.T) {
	dir := t.TempDir()
	root, aside := filepath.Join(dir, "root"), filepath.Join(dir, "aside")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var r Roots
	if err := r.Gone(root); Class(err) != record.ClassVanished {
		t.Errorf("what never was is there: %v", err)
	}
	check(r.Gone(""))
	r.Note(root) // is not there yet
	check(os.Mkdir(root, 0o700))
	check(r.Gone(root))
	r.Note("")
	r.Note(root)
	check(r.Gone(root))
	check(os.Rename(root, aside))
	if err := r.Gone(root); Class(err) != record.ClassVanished {
		t.Errorf("what was moved away is there: %v", err)
	}
	check(os.Mkdir(root, 0o700))
	r.Note(root) // of no use: it is known as it was
	if err := r.Gone(root); Class(err) != record.ClassVanished {
		t.Errorf("another folder is the same: %v", err)
	}
	check(os.Remove(root))
	check(os.Rename(aside, root))
	check(r.Gone(root))
}
