package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// tree is a local tree and what is decided about it. All edits are of the
// chaos: what there is to choose from follows from the decisions before.
type tree struct {
	dir    string
	prefix string          // of the names at the top
	limit  int             // how large it may become, in entries
	path   map[string]bool // that were missing for a moment since forget, in lower case
}

func newTree(dir, prefix string, limit int) *tree {
	return &tree{dir: dir, prefix: prefix, limit: limit, path: map[string]bool{}}
}

// anchor is a file that is never touched: a source without any file is not
// believed.
const anchor = "anchor"

// ballast is a folder whose files are never edited. They make the streams long
// enough to be cut.
const (
	ballast      = "ballast"
	ballastFiles = 400
)

// plant makes the tree, with a file that stays.
func (t *tree) plant() error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(t.abs(t.prefix+anchor), []byte("a file that stays\n"), 0o644)
}

// ballast makes the ballast.
func (t *tree) ballast() error {
	if err := os.Mkdir(t.abs(ballast), 0o755); err != nil {
		return err
	}
	for n := range ballastFiles {
		name := fmt.Sprintf("%s/%03d %s", ballast, n, strings.Repeat("long name ", 20))
		if err := os.WriteFile(t.abs(name), fmt.Appendln(nil, n), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// planted reports whether path is one that is never edited.
func (t *tree) planted(path string) bool { return path == t.prefix+anchor || isBallast(path) }

func isBallast(path string) bool { return path == ballast || strings.HasPrefix(path, ballast+"/") }

// names are parts of names. Those that the service cannot hold as they are come
// back through the mapping.
var names = []string{
	"a", "b", "notes", "photo", "x y", "100%", "what?", "a:b", "quo\"te", "back\\slash", "tab\t", "new\nline", "\x1b[31mred",
	" lead", "trail ", ".dot", "dot.", "é", "emoji 🎞", "inval\xffid", "plus+", "#", "&amp;", "ÅSTRÖM",
}

// node is an entry of the tree.
type node struct {
	path string
	mode fs.FileMode
	size int64
	time time.Time
}

// storable reports whether it is something that the service holds.
func (n *node) storable() bool { return n.mode.IsDir() || n.mode.IsRegular() }

// nodes returns all entries, each folder before what is in it, names in order.
func (t *tree) nodes() ([]node, error) {
	var all []node
	err := filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == t.dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		all = append(all, node{strings.TrimPrefix(path, t.dir+"/"), fi.Mode(), fi.Size(), fi.ModTime()})
		return nil
	})
	return all, err
}

// absent notes that an entry, and all beneath it, was not there for a moment, or is
// of another kind now. A file that is only written to was there all the time.
func (t *tree) absent(paths ...string) {
	for _, path := range paths {
		t.path[lower(path)] = true
	}
}

// wasAbsent reports whether that was so of an entry or a folder above it.
func (t *tree) wasAbsent(path string) bool {
	for p := lower(path); p != "."; p = filepath.Dir(p) {
		if t.path[p] {
			return true
		}
	}
	return false
}

func (t *tree) forget() { t.path = map[string]bool{} }

func (t *tree) abs(path string) string { return filepath.Join(t.dir, path) }

// lower folds the letters that the names of the chaos differ in by case, and
// leaves all other bytes alone.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// edit changes the tree somewhere and says what it did.
func (t *tree) edit(dice *rand.Rand) (string, error) {
	all, err := t.nodes()
	if err != nil {
		return "", err
	}
	var files, dirs, any []node
	for _, n := range all {
		switch {
		case t.planted(n.path), onDisk(n.path):
			continue
		case n.mode.IsRegular():
			files = append(files, n)
		case n.mode.IsDir():
			dirs = append(dirs, n)
		}
		any = append(any, n)
	}
	e := editor{tree: t, dice: dice, files: files, dirs: dirs, any: any}
	change := pick(dice, []func() (string, error){
		e.create, e.create, e.create, e.create, e.create, e.create, e.mkdir, e.rewrite, e.rewrite, e.grow, e.truncate, e.sneak, e.replace,
		e.duplicate, e.rename, e.rename, e.moveDir, e.changeCase, e.remove, e.remove, e.removeDir, e.swap, e.setTime, e.special,
	})
	if len(any) > t.limit {
		change = pick(dice, []func() (string, error){e.remove, e.removeDir, e.rewrite})
	}
	return change()
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// editor is one edit.
type editor struct {
	*tree
	dice             *rand.Rand
	files, dirs, any []node
}

// free returns a path that nothing has, in any case.
func (e *editor) free() string {
	dir := ""
	if len(e.dirs) > 0 && e.dice.IntN(3) > 0 {
		dir = pick(e.dice, e.dirs).path + "/"
	}
	if strings.Count(dir, "/") > 6 {
		dir = ""
	}
	for n := 0; ; n++ {
		name := pick(e.dice, names)
		if n > 3 || e.dice.IntN(2) == 0 {
			name += fmt.Sprint(e.dice.IntN(1000))
		}
		if dir == "" {
			name = e.prefix + name
		}
		taken := e.planted(lower(dir + name))
		for _, other := range e.any {
			taken = taken || lower(other.path) == lower(dir+name)
		}
		if !taken {
			return dir + name
		}
	}
}

// content returns bytes that the dice decide.
func (e *editor) content() []byte {
	size := pick(e.dice, []int{0, 1, 100, 4096, 10_000, 70_000, 300_000})
	if e.dice.IntN(12) == 0 {
		size = 2_500_000
	}
	if size > 1 {
		size = size/2 + e.dice.IntN(size)
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(e.dice.Uint32())
	}
	return b
}

func (e *editor) write(path string, b []byte) error { return os.WriteFile(e.abs(path), b, 0o644) }

func (e *editor) create() (string, error) {
	path, b := e.free(), e.content()
	e.absent(path)
	return fmt.Sprintf("create %q, %d bytes", path, len(b)), e.write(path, b)
}

func (e *editor) mkdir() (string, error) {
	path := e.free()
	e.absent(path)
	return fmt.Sprintf("make %q", path), os.Mkdir(e.abs(path), 0o755)
}

// withFile calls f for a file, if there is one.
func (e *editor) withFile(f func(n node) (string, error)) (string, error) {
	if len(e.files) == 0 {
		return e.create()
	}
	return f(pick(e.dice, e.files))
}

func (e *editor) rewrite() (string, error) {
	return e.withFile(func(n node) (string, error) {
		b := e.content()
		return fmt.Sprintf("write %q, %d bytes", n.path, len(b)), e.write(n.path, b)
	})
}

func (e *editor) grow() (string, error) {
	return e.withFile(func(n node) (string, error) {
		b := e.content()
		f, err := os.OpenFile(e.abs(n.path), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		_, err = f.Write(b)
		return fmt.Sprintf("append %d bytes to %q", len(b), n.path), err
	})
}

func (e *editor) truncate() (string, error) {
	return e.withFile(func(n node) (string, error) {
		size := e.dice.Int64N(2*n.size + 1) // larger makes a sparse file
		return fmt.Sprintf("cut %q to %d bytes", n.path, size), os.Truncate(e.abs(n.path), size)
	})
}

// sneak changes a byte and puts the time of modification back.
func (e *editor) sneak() (string, error) {
	return e.withFile(func(n node) (string, error) {
		if n.size == 0 {
			return fmt.Sprintf("leave %q", n.path), nil
		}
		at := e.dice.Int64N(n.size)
		f, err := os.OpenFile(e.abs(n.path), os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, at); err != nil {
			return "", err
		}
		b[0] ^= 0xff
		if _, err := f.WriteAt(b, at); err != nil {
			return "", err
		}
		return fmt.Sprintf("change byte %d of %q, not its time", at, n.path), os.Chtimes(e.abs(n.path), n.time, n.time)
	})
}

// replace puts another file in the place of one, as editors do.
func (e *editor) replace() (string, error) {
	return e.withFile(func(n node) (string, error) {
		b := e.content()
		aside := e.dir + ".aside"
		if err := os.WriteFile(aside, b, 0o644); err != nil {
			return "", err
		}
		return fmt.Sprintf("replace %q, %d bytes", n.path, len(b)), os.Rename(aside, e.abs(n.path))
	})
}

func (e *editor) duplicate() (string, error) {
	return e.withFile(func(n node) (string, error) {
		path := e.free()
		b, err := os.ReadFile(e.abs(n.path))
		if err != nil {
			return "", err
		}
		e.absent(path)
		return fmt.Sprintf("copy %q to %q", n.path, path), e.write(path, b)
	})
}

func (e *editor) rename() (string, error) {
	return e.withFile(func(n node) (string, error) {
		path := e.free()
		e.absent(n.path, path)
		return fmt.Sprintf("rename %q to %q", n.path, path), os.Rename(e.abs(n.path), e.abs(path))
	})
}

func (e *editor) moveDir() (string, error) {
	if len(e.dirs) == 0 {
		return e.mkdir()
	}
	n, path := pick(e.dice, e.dirs), e.free()
	if strings.HasPrefix(path, n.path+"/") {
		return fmt.Sprintf("leave %q", n.path), nil
	}
	e.absent(n.path, path)
	return fmt.Sprintf("rename %q to %q", n.path, path), os.Rename(e.abs(n.path), e.abs(path))
}

func (e *editor) changeCase() (string, error) {
	return e.withFile(func(n node) (string, error) {
		dir, name := filepath.Split(n.path)
		to := dir + strings.ToUpper(name[:1]) + name[1:]
		if name[0] >= 0x80 {
			to = n.path
		}
		e.absent(n.path)
		return fmt.Sprintf("rename %q to %q", n.path, to), os.Rename(e.abs(n.path), e.abs(to))
	})
}

func (e *editor) remove() (string, error) {
	return e.withFile(func(n node) (string, error) {
		e.absent(n.path)
		return fmt.Sprintf("remove %q", n.path), os.Remove(e.abs(n.path))
	})
}

func (e *editor) removeDir() (string, error) {
	if len(e.dirs) == 0 {
		return e.remove()
	}
	n := pick(e.dice, e.dirs)
	e.absent(n.path)
	return fmt.Sprintf("remove %q and all in it", n.path), os.RemoveAll(e.abs(n.path))
}

// swap puts a file where a folder was, or a folder where a file was.
func (e *editor) swap() (string, error) {
	if len(e.any) == 0 {
		return e.create()
	}
	n := pick(e.dice, e.any)
	e.absent(n.path)
	if err := os.RemoveAll(e.abs(n.path)); err != nil {
		return "", err
	}
	if n.mode.IsDir() {
		b := e.content()
		return fmt.Sprintf("%q becomes a file, %d bytes", n.path, len(b)), e.write(n.path, b)
	}
	if err := os.Mkdir(e.abs(n.path), 0o755); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q becomes a folder", n.path), e.write(n.path+"/in it", e.content())
}

func (e *editor) setTime() (string, error) {
	return e.withFile(func(n node) (string, error) {
		at := time.Unix(1_500_000_000+e.dice.Int64N(200_000_000), e.dice.Int64N(1_000_000_000))
		return fmt.Sprintf("set the time of %q", n.path), os.Chtimes(e.abs(n.path), at, at)
	})
}

// special makes something that is not stored.
func (e *editor) special() (string, error) {
	path := e.free()
	e.absent(path)
	if e.dice.IntN(2) == 0 {
		return fmt.Sprintf("link %q", path), os.Symlink("/nowhere", e.abs(path))
	}
	return fmt.Sprintf("make the pipe %q", path), syscall.Mkfifo(e.abs(path), 0o644)
}
