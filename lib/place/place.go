// Package place puts files, folders and symbolic links beneath one folder, and
// never outside of it.
//
// Names come from the service and are not trusted, and neither are entries that others
// have put into the folder meanwhile. Every operation goes through [os.Root], relative
// to open folders, so neither ".." nor a symbolic link leads out; symbolic links in the
// way are not followed at all. A file gets its name only when it is whole; until
// then it is a [Part] beside its destination.
//
// The package downloads nothing and compares no file data.
package place

import (
	"cmp"
	"crypto/md5"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Tree is the folder that everything is put into. Its methods are for one
// goroutine; those of a [Folder] may be called by several.
type Tree struct {
	Path string // absolute

	// Warn, if set, hears of the mode or time of a folder that could not be set. It
	// may be called concurrently.
	Warn func(error)

	folds   bool                 // the disk takes names for equal that differ by case
	way     []*Folder            // open folders, from the top to the current one
	disks   map[uint64]*os.File  // a folder of each file system, by its device
	changed atomic.Bool          // there is something to bring to the disk
	sync    func(*os.File) error // local.Sync
}

// Open opens the folder dir, and makes it if there is none.
func Open(dir string) (*Tree, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lifted := liftTop(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := &Tree{disks: map[uint64]*os.File{}, sync: local.Sync}
	t.way = []*Folder{{tree: t, root: root, lifted: lifted}}
	t.way[0].refs.Store(1)
	if t.Path, err = local.Abs(dir); err == nil {
		t.folds, err = folds(root)
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = root.Stat("."); err == nil {
			err = t.meet(info, root)
		}
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// meet notes the file system that an open folder is on.
func (t *Tree) meet(info fs.FileInfo, root *os.Root) error {
	device := local.Device(info)
	if t.disks[device] != nil {
		return nil
	}
	dir, err := root.Open(".")
	if err == nil {
		t.disks[device] = dir
	}
	return err
}

// folds finds out whether the disk ignores case. It writes a file, so that a
// folder that cannot be written to is known from the start.
func folds(root *os.Root) (bool, error) {
	sum := md5.Sum(fmt.Append(nil, "probe ", os.Getpid()))
	name := local.PartName([8]byte(sum[:]))
	f, err := root.Create(name)
	if err != nil {
		return false, err
	}
	f.Close()
	_, err = root.Lstat(strings.ToUpper(name))
	return err == nil, root.Remove(name)
}

// Sync closes the folders, which must not be used any more. It returns when everything
// that was put beneath the tree is on disk, as far as the system can tell.
func (t *Tree) Sync() error {
	t.leave()
	if !t.changed.Load() {
		return nil
	}
	var err error
	for _, dir := range t.disks {
		err = errors.Join(err, t.sync(dir))
	}
	return err
}

// Close lets go of the folders; those that are worked in stay open until that is
// done.
func (t *Tree) Close() {
	t.leave()
	for _, dir := range t.disks {
		dir.Close()
	}
	t.disks = nil
}

func (t *Tree) leave() {
	for i := len(t.way) - 1; i >= 0; i-- {
		t.way[i].Release()
	}
	t.way = nil
}

// Enter opens the folder at path, "" for the top, and makes it and those above it
// where they are missing. It stays open until another one is entered that is not
// in it and everyone who has kept it has released it.
func (t *Tree) Enter(path string) (*Folder, error) {
	depth := 1
	for depth < len(t.way) && record.Under(path, t.way[depth].path) {
		depth++
	}
	for len(t.way) > depth {
		t.way[len(t.way)-1].Release()
		t.way = t.way[:len(t.way)-1]
	}
	at := t.way[depth-1]
	for at.path != path {
		rest := strings.TrimPrefix(path[len(at.path):], "/")
		name, _, _ := strings.Cut(rest, "/")
		next, err := t.descend(at, name)
		if err != nil {
			return nil, err
		}
		t.way = append(t.way, next)
		at = next
	}
	return at, nil
}

// descend opens a folder in dir, and makes it if there is none.
func (t *Tree) descend(dir *Folder, name string) (*Folder, error) {
	path := join(dir.path, name)
	if err := t.Claim(dir, name); err != nil {
		return nil, err
	}
	info, err := dir.root.Lstat(name)
	isNew := errors.Is(err, fs.ErrNotExist)
	if isNew {
		if err = dir.root.Mkdir(name, 0o777); err == nil || errors.Is(err, fs.ErrExist) {
			info, err = dir.root.Lstat(name)
		}
	}
	if err != nil {
		return nil, at(err, path)
	}
	if !info.IsDir() {
		return nil, InTheWay(info, path)
	}
	var lifted fs.FileMode
	if !isNew {
		lifted = lift(info, func(mode fs.FileMode) error { return dir.root.Chmod(name, mode) })
	}
	root, err := dir.root.OpenRoot(name)
	if err != nil {
		return nil, at(err, path)
	}
	// A link that was put in its place meanwhile leads nowhere.
	if opened, err := root.Stat("."); err != nil || !os.SameFile(opened, info) {
		root.Close()
		return nil, &record.Error{Class: record.ClassChanging, Message: path + ": the folder was replaced while it was opened"}
	}
	if err := t.meet(info, root); err != nil {
		root.Close()
		return nil, at(err, path)
	}
	if isNew {
		t.changed.Store(true)
	}
	next := &Folder{tree: t, root: root, path: path, parent: dir, isNew: isNew, lifted: lifted}
	next.refs.Store(1)
	dir.Keep()
	return next, nil
}

// Claim notes that name in the folder is to be written, after checking that the
// system takes it and that it is not, to the disk, the name of the entry before it.
func (t *Tree) Claim(dir *Folder, name string) error {
	if why := refused(name, runtime.GOOS); why != "" {
		return &record.Error{Class: record.ClassNameInvalid, Message: fmt.Sprintf("%s: this system does not take the name: %s", join(dir.path, name), why)}
	}
	if t.folds && dir.last != name && record.Fold(dir.last) == record.Fold(name) {
		return &record.Error{Class: record.ClassCaseConflict, Message: fmt.Sprintf("%s: its name and %s differ only by case, and this disk can hold one of them; fetch it into another folder", join(dir.path, name), dir.last)}
	}
	dir.last = name
	return nil
}

// Folder is an open folder of a Tree.
type Folder struct {
	tree   *Tree
	root   *os.Root
	path   string
	parent *Folder
	isNew  bool
	last   string // the name claimed last; for the goroutine of the Tree only
	refs   atomic.Int64

	lifted fs.FileMode // the mode that it had before [lift]; 0: it has it still
	mode   fs.FileMode // to be set at the end; 0: not
	mtime  time.Time   // likewise; zero: not
}

// Keep keeps the folder open until Release is called once more.
func (f *Folder) Keep() { f.refs.Add(1) }

// Release lets go of the folder. When the last has done so, all in it is
// done, and its mode and time are set.
func (f *Folder) Release() {
	if f.refs.Add(-1) > 0 {
		return
	}
	var err error
	if !f.mtime.IsZero() {
		err = f.setTime(".", f.mtime)
	}
	if mode := cmp.Or(f.mode, f.lifted); mode != 0 {
		err = errors.Join(err, f.root.Chmod(".", mode))
	}
	if err != nil && f.tree.Warn != nil {
		f.tree.Warn(fmt.Errorf("%s: %w", f.path, err))
	}
	f.root.Close()
	if f.parent != nil {
		f.parent.Release()
	}
}

// New reports whether the folder was made when it was entered.
func (f *Folder) New() bool { return f.isNew }

// SetAtEnd sets the mode and time that the folder gets when all in it is done;
// 0 and the zero time leave them.
// It is for the goroutine that entered the folder, while it is the current one.
func (f *Folder) SetAtEnd(mode fs.FileMode, mtime time.Time) { f.mode, f.mtime = mode, mtime }

// Lstat describes the entry called name.
func (f *Folder) Lstat(name string) (fs.FileInfo, error) {
	info, err := f.root.Lstat(name)
	return info, at(err, join(f.path, name))
}

// OpenRegular opens the file called name for reading. It never follows a
// symbolic link and never blocks.
func (f *Folder) OpenRegular(name string) (*os.File, error) {
	info, err := f.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, InTheWay(info, join(f.path, name))
	}
	if err != nil {
		return nil, at(err, join(f.path, name))
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, at(err, join(f.path, name))
	}
	if opened, err := file.Stat(); err != nil || !os.SameFile(opened, info) {
		file.Close()
		return nil, &record.Error{Class: record.ClassChanging, Message: join(f.path, name) + ": the file was replaced while it was opened"}
	}
	return file, nil
}

// SetTime sets the time of modification of a file. It is an error if the file system has
// made another time of it.
func (f *Folder) SetTime(name string, mtime time.Time) error {
	f.tree.changed.Store(true)
	return at(f.setTime(name, mtime), join(f.path, name))
}

// SetMode sets the permissions of a file.
func (f *Folder) SetMode(name string, mode fs.FileMode) error {
	f.tree.changed.Store(true)
	return at(f.root.Chmod(name, mode), join(f.path, name))
}

// Link makes a symbolic link, with its own time. It replaces nothing, unless told
// to and it is a symbolic link. made is false if the link is there already.
func (f *Folder) Link(name, target string, mtime time.Time, replace bool) (made bool, err error) {
	path := join(f.path, name)
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, at(err, path)
	case info.Mode()&fs.ModeSymlink == 0:
		return false, InTheWay(info, path)
	default:
		if old, err := f.root.Readlink(name); err == nil && old == target {
			return false, f.setLinkTime(name, mtime)
		}
		if !replace {
			return false, &record.Error{Class: record.ClassKindConflict, Message: path + ": a symbolic link that leads elsewhere is in its place; move it away first"}
		}
		if err := f.root.Remove(name); err != nil {
			return false, at(err, path)
		}
	}
	if err := f.root.Symlink(target, name); err != nil {
		return false, at(err, path)
	}
	f.tree.changed.Store(true)
	return true, f.setLinkTime(name, mtime)
}

func (f *Folder) setLinkTime(name string, mtime time.Time) error {
	if mtime.IsZero() {
		return nil
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return at(err, f.path)
	}
	defer dir.Close()
	return at(local.SetLinkTime(dir, name, mtime), join(f.path, name))
}

// InTheWay is the error of an entry whose place is taken by one of another kind.
func InTheWay(info fs.FileInfo, path string) *record.Error {
	what := "something that is no file"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		what = "a file"
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	}
	return &record.Error{Class: record.ClassKindConflict, Message: what + " is in the place of " + path + "; move it away first"}
}

// at returns an error of the system as one about path: package os names only
// the last part.
func at(err error, path string) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return &fs.PathError{Op: strings.TrimSuffix(e.Op, "at"), Path: path, Err: e.Err}
	}
	return err
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// refused says why a system does not take a name, "" if it does. What Windows
// refuses or changes without a word is from its documentation, "Naming Files,
// Paths, and Namespaces".
func refused(name, goos string) string {
	if goos != "windows" {
		return ""
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`<>:"/\|?*`, r) }); i >= 0 {
		return fmt.Sprintf("it has the character %q", []rune(name[i:])[0])
	}
	if strings.HasSuffix(name, " ") || strings.HasSuffix(name, ".") {
		return "it ends with a space or a dot"
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	base = strings.TrimRight(base, " ")
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return "it is that of a device"
	}
	if port, isPort := strings.CutPrefix(base, "COM"); isPort || strings.HasPrefix(base, "LPT") {
		if !isPort {
			port = base[len("LPT"):]
		}
		if strings.Contains("0123456789¹²³", port) && len([]rune(port)) == 1 {
			return "it is that of a device"
		}
	}
	return ""
}
