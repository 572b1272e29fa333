package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"jottatools/test/plain"
)

// stored returns what the service holds, by path in lower case, for it ignores
// case.
func (w *world) stored() (map[string]plain.Entry, error) {
	tree, err := w.plain.Tree(dest)
	var status *plain.StatusError
	switch {
	case errors.As(err, &status) && status.Status == 404:
		return map[string]plain.Entry{}, nil // nothing yet
	case err != nil:
		return nil, err
	}
	all := make(map[string]plain.Entry, len(tree))
	for _, e := range tree {
		if other, twice := all[lower(e.Path)]; twice {
			return nil, fmt.Errorf("the service holds both %q and %q", other.Path, e.Path)
		}
		all[lower(e.Path)] = e
	}
	return all, nil
}

// nothingLost holds what the service has against what it had before: what is on
// disk, and was there all the time, must be on the service. So what has been deleted
// there was deleted here.
func (m *machine) nothingLost(before, after map[string]plain.Entry) error {
	for path, had := range before {
		has, there := after[path]
		fi, err := os.Lstat(m.tree.abs(had.Path))
		switch {
		case err != nil, m.tree.wasAbsent(had.Path):
			continue
		case fi.IsDir() != had.Dir, !fi.IsDir() && !fi.Mode().IsRegular():
			continue // it is something else now
		case !there:
			return fmt.Errorf("%q is on disk, was on the service, and is not any more", had.Path)
		case !had.Dir && had.State == complete && has.State != complete:
			return fmt.Errorf("%q had content on the service, and is %s now", had.Path, has.State)
		}
	}
	return nil
}

// veils returns what tells whether something that is not stored, such as a symbolic
// link, has taken the place of a path, or of a folder above it. That does not mean
// that what is stored there is gone.
func veils(nodes []node) func(path string) bool {
	var veils []string
	for _, n := range nodes {
		if !n.storable() {
			veils = append(veils, lower(n.path))
		}
	}
	return func(path string) bool {
		return slices.ContainsFunc(veils, func(veil string) bool {
			return lower(path) == veil || strings.HasPrefix(lower(path), veil+"/")
		})
	}
}

// complete is the state of a file that has content.
const complete = "COMPLETED"

// identical compares the service with the disk of a machine, byte for byte. What is
// never edited is left out unless all is to be compared; the service may hold more
// than the disk if that is said.
func (w *world) identical(m *machine, stored map[string]plain.Entry, all, more bool) error {
	nodes, err := m.tree.nodes()
	if err != nil {
		return err
	}
	seen, veiled := map[string]bool{}, veils(nodes)
	for _, n := range nodes {
		seen[lower(n.path)] = true
		if !n.storable() {
			continue
		}
		e, there := stored[lower(n.path)]
		switch {
		case !there:
			return fmt.Errorf("%q is not on the service", n.path)
		case e.Dir != n.mode.IsDir():
			return fmt.Errorf("%q is of another kind on the service", n.path)
		}
		if e.Dir || !all && e.State == complete && m.tree.planted(n.path) {
			continue
		}
		if !e.Modified.Equal(n.time.Truncate(time.Second)) {
			return fmt.Errorf("%q is of %v on the service, and of %v on disk", n.path, e.Modified, n.time)
		}
		if err := w.sameContent(m.tree.abs(n.path), e); err != nil {
			return fmt.Errorf("%q: %w", n.path, err)
		}
		w.compared++
	}
	for path, e := range stored {
		switch {
		case seen[path], more:
		case !e.Dir && e.State != complete:
			// An upload that was never finished, of a file that is gone. It holds no
			// content, and the listing of trees does not show it.
		case veiled(path):
		default:
			return fmt.Errorf("%q is on the service (%s), and not on disk", e.Path, e.State)
		}
	}
	return nil
}

// restored looks at what jottarestore has made of the tree: what has the name of a
// file is that file, and if all is to be there, it is, and nothing else.
func (w *world) restored(all bool) error {
	nodes, err := w.first.tree.nodes()
	if err != nil {
		return err
	}
	back := tree{dir: w.back()}
	restored, err := back.nodes()
	if err != nil {
		return err
	}
	source, seen, veiled := map[string]node{}, map[string]bool{}, veils(nodes)
	for _, n := range nodes {
		source[lower(n.path)] = n // a name keeps the case that the service had it in first
	}
	for _, n := range restored {
		if strings.HasPrefix(filepath.Base(n.path), ".jget-") || veiled(n.path) {
			continue // a part of a file, on its way or given up
		}
		if w.owner(n.path) != w.first {
			if err := w.foreign(back.abs(n.path), n); err != nil {
				return fmt.Errorf("%q comes back: %w", n.path, err)
			}
			continue
		}
		seen[lower(n.path)] = true
		want, there := source[lower(n.path)]
		switch {
		case !there:
			return fmt.Errorf("%q comes back, and is not in the tree", n.path)
		case want.mode.Type() != n.mode.Type():
			return fmt.Errorf("%q comes back as another kind", n.path)
		case n.mode.IsDir():
			continue
		case !n.time.Equal(want.time.Truncate(time.Second)):
			return fmt.Errorf("%q comes back with the time %v instead of %v", n.path, n.time, want.time)
		}
		if err := sameFile(back.abs(n.path), w.first.tree.abs(want.path)); err != nil {
			return fmt.Errorf("%q comes back: %w", n.path, err)
		}
	}
	if !all {
		return nil
	}
	for _, n := range nodes {
		if n.storable() && !seen[lower(n.path)] {
			return fmt.Errorf("%q does not come back", n.path)
		}
	}
	return nil
}

// foreign holds a file that comes back, and that another machine has stored, against what
// the service has.
func (w *world) foreign(abs string, n node) error {
	e, there := w.last[lower(n.path)]
	switch {
	case !there:
		return errors.New("it is not stored")
	case n.mode.IsDir() && e.Dir:
		return nil
	case !n.time.Equal(e.Modified):
		return fmt.Errorf("with the time %v instead of %v", n.time, e.Modified)
	}
	return w.sameContent(abs, e)
}

func sameFile(a, b string) error {
	got, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the %d bytes are not the %d that they were", len(got), len(want))
	}
	return nil
}

// running returns the folder in which a run of the machine's job has what it needs
// meanwhile; nil if there is none.
func (m *machine) running() fs.FileInfo {
	runs, _ := filepath.Glob(filepath.Join(m.jobs(), "*.run"))
	if len(runs) == 0 {
		return nil
	}
	fi, _ := os.Lstat(runs[0])
	return fi
}

// nothingStays looks for what a run has left behind: temporary files, whatever has
// hit it, and the folder of the run, unless jottasync itself was killed. A file that
// is empty was just being made. Stale is that folder of a run before that was killed;
// a run that comes to its end before it has the lock leaves it.
func (w *world) nothingStays(m *machine, code int, stale fs.FileInfo) error {
	err := filepath.WalkDir(w.temp(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err == nil && fi.Size() > 0 {
			err = fmt.Errorf("%s stays behind, %d bytes", path, fi.Size())
		}
		return err
	})
	if err != nil || code < 0 {
		return err
	}
	left := m.running()
	if left != nil && !(stale != nil && os.SameFile(left, stale) && left.ModTime().Equal(stale.ModTime())) {
		return fmt.Errorf("%s stays behind", left.Name())
	}
	return nil
}

func (w *world) sameContent(abs string, e plain.Entry) error {
	if e.State != complete {
		return fmt.Errorf("it is %s on the service", e.State)
	}
	got, err := w.content(e)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(abs)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("its %d bytes on the service are not the %d on disk", len(got), len(want))
	}
	return nil
}
