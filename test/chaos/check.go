package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
func (w *world) nothingLost(before, after map[string]plain.Entry) error {
	for path, had := range before {
		has, there := after[path]
		fi, err := os.Lstat(filepath.Join(w.tree.dir, had.Path))
		switch {
		case err != nil, w.tree.wasAbsent(had.Path):
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

// identical compares the service with the disk, byte for byte. What is never
// touched on disk is left out unless all is to be compared.
func (w *world) identical(stored map[string]plain.Entry, all bool) error {
	nodes, err := w.tree.nodes()
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
		if e.Dir || !all && e.State == complete && planted(n.path) {
			continue
		}
		if !e.Modified.Equal(n.time.Truncate(time.Second)) {
			return fmt.Errorf("%q is of %v on the service, and of %v on disk", n.path, e.Modified, n.time)
		}
		if err := w.sameContent(n, e); err != nil {
			return fmt.Errorf("%q: %w", n.path, err)
		}
		w.compared++
	}
	for path, e := range stored {
		switch {
		case seen[path]:
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
	nodes, err := w.tree.nodes()
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
		if err := sameFile(back.abs(n.path), w.tree.abs(want.path)); err != nil {
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

// nothingStays looks for what a run has left behind: temporary files, whatever has
// hit it, and the folder of the run, unless jottasync itself was killed. A file that
// is empty was just being made.
func (w *world) nothingStays(code int) error {
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
	if runs, _ := filepath.Glob(filepath.Join(w.jobs(), "*.run")); len(runs) > 0 {
		return fmt.Errorf("%s stays behind", runs)
	}
	return nil
}

// jobs is where jottasync keeps its reports.
func (w *world) jobs() string { return filepath.Join(w.dir, "state/jottatools/jobs") }

// report returns what the report of jottasync says, and whether a run is noted that
// has not come to its end.
func (w *world) report() (content []byte, unfinished bool) {
	names, _ := filepath.Glob(filepath.Join(w.jobs(), "src-*.report.json"))
	if len(names) == 0 {
		return nil, false // no run has come to an end yet
	}
	content, _ = os.ReadFile(names[0])
	_, err := os.Stat(names[0] + ".unfinished")
	return content, err == nil
}

// claims returns whether a run says in its report that it has stored all; before is
// what the report was.
func (w *world) claims(before []byte) (bool, error) {
	content, unfinished := w.report()
	if unfinished || bytes.Equal(content, before) {
		return false, nil
	}
	var report struct{ Complete bool }
	err := json.Unmarshal(content, &report)
	return report.Complete, err
}

func (w *world) sameContent(n node, e plain.Entry) error {
	if e.State != complete {
		return fmt.Errorf("it is %s on the service", e.State)
	}
	body, err := w.plain.Open(e.Remote)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(w.tree.abs(n.path))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("its %d bytes on the service are not the %d on disk", len(got), len(want))
	}
	return nil
}
