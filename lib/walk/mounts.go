package walk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// maxMounts bounds the size of a list of mount points, in bytes. All of it is in memory.
const maxMounts = 16 << 20

// ReadMounts reads a file with a list of mount points, as [Options] hold it: paths
// relative to the root, each with a NUL byte behind it. An empty list is fine. It returns
// an error if an entry is no such path, if the last one has no end, or if there are more
// than 16 MiB.
func ReadMounts(name string) ([]string, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	list, err := readMounts(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return list, nil
}

func readMounts(r io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxMounts+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxMounts:
		return nil, fmt.Errorf("it is larger than %d MiB, the limit for a list of mount points", maxMounts>>20)
	case len(text) == 0:
		return nil, nil
	case text[len(text)-1] != 0:
		return nil, errors.New("it does not end with a NUL byte, as a list of mount points does; was it cut short?")
	}
	list := strings.Split(string(text[:len(text)-1]), "\x00")
	for _, p := range list {
		if p == "." || p != path.Clean(p) || !filepath.IsLocal(filepath.FromSlash(p)) {
			return nil, fmt.Errorf("%q is not the path of an entry, relative to the root", p)
		}
	}
	return list, nil
}

// mountGuard looks in the records of a walk for the folders that were mount points at the
// last run, and adds records for those that are missing. All of them were listed then,
// so that what was on a file system which is not mounted now would count as gone.
type mountGuard struct {
	w    *walker
	emit func(*record.Record) error
	left []string // folders that the walk has not come to, in tree order
}

// guard puts a mountGuard between the walk and its emit if there is anything to look for.
func (w *walker) guard() *mountGuard {
	g := &mountGuard{w: w, emit: w.emit}
	if len(w.Mounts) > 0 {
		g.left = slices.Clone(w.Mounts)
		slices.SortFunc(g.left, record.Compare)
		g.left = slices.Compact(g.left)
		w.emit = g.record
	}
	return g
}

// enter forgets the folders before dir, which the walk comes to next.
func (g *mountGuard) enter(dir string) {
	for len(g.left) > 0 && dir != "" && record.Compare(g.left[0], dir) < 0 {
		g.left = g.left[1:]
	}
}

// leave is called when dir has been listed.
func (g *mountGuard) leave(dir string) error {
	for len(g.left) > 0 && (dir == "" || record.Under(g.left[0], dir)) {
		if err := g.missing(); err != nil {
			return err
		}
	}
	return nil
}

// record takes a record of the walk.
func (g *mountGuard) record(r *record.Record) error {
	for len(g.left) > 0 && record.Compare(g.left[0], r.Path) < 0 {
		if err := g.missing(); err != nil {
			return err
		}
	}
	if len(g.left) > 0 && g.left[0] == r.Path {
		g.left = g.left[1:]
		if !r.Ignored && !g.seen(r) {
			g.fail(r, errNotMounted)
		}
	}
	for r.Ignored && len(g.left) > 0 && record.Under(g.left[0], r.Path) {
		g.left = g.left[1:]
	}
	return g.emit(r)
}

// seen reports whether the folder of a record is a mount point now. Where the platform
// does not tell, every folder is.
func (g *mountGuard) seen(r *record.Record) bool {
	return r.Mount || r.Kind == record.KindDir && g.w.device == 0
}

const errNotMounted = "a file system was mounted here at an earlier run and is not now; mount it, or say with --accept-unmounted that this is meant"

// fail makes r the record of a folder that has not been seen. An error of the class
// vanished, such as that of a subvolume that a snapshot does not contain, says so already.
func (g *mountGuard) fail(r *record.Record, why string) {
	if r.Kind != record.KindDir {
		*r = record.Record{Root: g.w.Root, Path: r.Path, Kind: record.KindDir, Size: record.SizeUnknown}
	}
	if r.Error == nil || r.Error.Class != record.ClassVanished {
		r.Reason, r.Status = record.ReasonUnreadable, ""
		r.Error = &record.Error{Class: record.ClassVanished, Message: why}
	}
}

// missing adds a record for the first of the folders that are left, which the walk has
// passed.
func (g *mountGuard) missing() error {
	path := g.left[0]
	g.left = g.left[1:]
	if g.w.leavesOut(path) {
		return nil
	}
	why := errNotMounted
	_, err := local.Stat(local.Join(g.w.Root, path))
	switch {
	case err == nil:
		why = "a file system was mounted here at an earlier run, and the walk did not come to it; is a folder above it unreadable? See to that, and run it again"
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		why = fmt.Sprintf("a file system was mounted here at an earlier run, and cannot be seen now: %v", err)
	}
	r := &record.Record{Path: path}
	g.fail(r, why)
	return g.emit(r)
}

// leavesOut reports whether rules leave out the folder at path, which the walk has not
// come to, or one above it.
func (w *walker) leavesOut(path string) bool {
	f, rest := w.top, path
	if w.Prefix != "" {
		rest = strings.TrimPrefix(path[len(w.Prefix):], "/")
	}
	for there := true; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		here := join(f.path, name)
		if r := f.scope.decide(w.Rules, here, name, true); r != nil && r.ignore {
			return true
		}
		f = w.folder(f, here, nil, w.Follow)
		if there {
			dir, err := w.openDir(f)
			if there = err == nil; there {
				err = w.readRules(f, dir, w.ruleFiles(dir))
				dir.Close()
			}
			if there && err != nil {
				return false // what is to be left out is not known
			}
		}
		if f.out.ignored() {
			return true
		}
	}
	return false
}
