package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// nothingLost holds what the service has against what it had before: what was not
// touched on disk meanwhile, and is there, must be there.
func (w *world) nothingLost(before, after map[string]plain.Entry) error {
	for path, had := range before {
		has, there := after[path]
		fi, err := os.Lstat(filepath.Join(w.tree.dir, had.Path))
		switch {
		case err != nil, w.tree.touched(had.Path):
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

// complete is the state of a file that has content.
const complete = "COMPLETED"

// identical compares the service with the disk, byte for byte. What is never
// touched on disk is left out unless all is to be compared.
func (w *world) identical(stored map[string]plain.Entry, all bool) error {
	nodes, err := w.tree.nodes()
	if err != nil {
		return err
	}
	seen, veils := map[string]bool{}, []string{}
	for _, n := range nodes {
		seen[lower(n.path)] = true
		if !n.mode.IsDir() && !n.mode.IsRegular() {
			veils = append(veils, lower(n.path))
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
		case slices.ContainsFunc(veils, func(veil string) bool { return path == veil || strings.HasPrefix(path, veil+"/") }):
			// A symbolic link has taken its place: that does not mean that it is gone.
		default:
			return fmt.Errorf("%q is on the service (%s), and not on disk", e.Path, e.State)
		}
	}
	return nil
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
