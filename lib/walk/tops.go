package walk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"jottatools/lib/record"
)

// Top is a folder to be listed, as [Options] name it.
type Top struct{ Root, Prefix string }

// Tops finds out where the folders dirs are. One folder becomes a Root with all
// in it; several become a Root and a Prefix each, in tree order. The error says
// what is wrong with the arguments.
func Tops(dirs []string) ([]Top, error) {
	if len(dirs) == 0 {
		return nil, errors.New("which folder? name one, or . for the current one")
	}
	var tops []Top
	for _, dir := range dirs {
		top, err := newTop(dir, len(dirs) > 1)
		if err != nil {
			return nil, err
		}
		tops = append(tops, top)
	}
	slices.SortFunc(tops, func(a, b Top) int { return record.CompareNames(a.Prefix, b.Prefix) })
	for i := 1; i < len(tops); i++ {
		if record.Fold(tops[i].Prefix) == record.Fold(tops[i-1].Prefix) {
			a, b := tops[i-1], tops[i]
			return nil, fmt.Errorf("%s and %s have the same name; list each on its own", filepath.Join(a.Root, a.Prefix), filepath.Join(b.Root, b.Prefix))
		}
	}
	return tops, nil
}

func newTop(dir string, several bool) (Top, error) {
	info, err := os.Stat(dir)
	switch {
	case dir == "":
		return Top{}, errors.New("the name of a folder is empty; write . for the current one")
	case errors.Is(err, fs.ErrNotExist):
		return Top{}, fmt.Errorf("there is no folder %s; is the name right, and is its disk mounted?", dir)
	case err != nil:
		return Top{}, err
	case !info.IsDir():
		return Top{}, fmt.Errorf("%s is not a folder; name the folder it is in", dir)
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return Top{}, err
	}
	if !several {
		path, err = filepath.EvalSymlinks(path)
		return Top{Root: path}, err
	}
	root, name := filepath.Dir(path), filepath.Base(path)
	if root == path {
		return Top{}, fmt.Errorf("%s has no name of its own to go with others; list it alone", dir)
	}
	root, err = filepath.EvalSymlinks(root)
	return Top{Root: root, Prefix: name}, err
}

// Within returns the path that a record has for the entry that name means: a
// path beneath t, an absolute one, or one from the current folder, in this order.
func (t Top) Within(name string) (string, error) {
	path := filepath.Clean(name)
	if !filepath.IsAbs(path) {
		beneath := filepath.Join(t.Root, t.Prefix, path)
		_, err := os.Lstat(beneath)
		if err == nil && filepath.IsLocal(path) {
			path = beneath
		} else if _, here := os.Lstat(path); errors.Is(here, fs.ErrNotExist) {
			return "", fmt.Errorf("there is no %s in %s", name, filepath.Join(t.Root, t.Prefix))
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	// Only what is above the entry: it may be a symbolic link itself.
	above, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(t.Root, filepath.Join(above, filepath.Base(path)))
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is not in %s", name, filepath.Join(t.Root, t.Prefix))
	}
	return filepath.ToSlash(rel), nil
}
