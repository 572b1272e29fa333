// Package walk lists a directory tree as records, in tree order, and decides
// which entries to leave out.
//
// Several goroutines read folders ahead while the records leave in order. Memory holds
// the names in the folders between the root and the current folder, and the results of
// a bounded number of reads ahead. An entry that cannot be read becomes a record with
// an error, and the walk goes on. An entry that vanishes before the walk has looked at
// it is simply not listed. If entries are out of sight because a disk was unmounted,
// that is an error; if the whole tree is, the walk fails. Entries that appear
// behind the walk are not seen.
//
// No file data is read, except that of ignore files and cache tags.
package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Options say what to list and how. Only Root is needed.
type Options struct {
	Root   string // absolute path of the folder that the records' paths are relative to
	Prefix string // name of the one folder in Root to list, with a record of its own; "": all of Root, which gets none

	Rules         *Rules        // what to leave out besides what ignore files say
	Follow        bool          // follow symbolic links and list their targets instead
	OneFileSystem bool          // leave out folders on another file system than Root and Prefix
	ExcludeCaches bool          // leave out folders with a CACHEDIR.TAG
	Tags          []Tag         // leave out folders with one of these
	MaxSize       int64         // leave out larger files, in bytes; 0: none
	MinAge        time.Duration // leave out files modified less than this before Now; 0: none
	Now           time.Time     // what MinAge counts from; zero: the current time
	Jobs          int           // how many folders are read at a time; 0: twice the number of CPUs

	// Mounts are the paths of folders that were mount points when the tree was last
	// listed. One that is not a mount point now, or is not there, gets a record with
	// an error of the class vanished, in its place; what is in it is listed.
	Mounts []string

	// Warn, if set, hears of lines in ignore files that are no patterns, from the
	// goroutine that called Tree.
	Warn func(error)

	// Replaced by tests, which need a file system that fails.
	opening func(path string) error // is called before a folder is opened
	readDir func(dir *os.File, n int) ([]fs.DirEntry, error)
}

// Tree calls emit with the record of each entry, in tree order. The record holds until
// emit returns. Tree ends early with the context's cause, with the first error of emit,
// or when the folder it was given cannot be read. Errors of single entries are in their
// records.
func Tree(ctx context.Context, opts Options, emit func(*record.Record) error) error {
	w, top, err := start(ctx, opts)
	if err != nil {
		return err
	}
	defer w.root.Close()
	w.emit = emit
	guard := w.guard()
	guard.enter(w.Prefix)
	w.queue = newQueue(w.Jobs, top.task)
	defer w.queue.stop()
	w.queue.take()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if w.Prefix != "" {
		if err := w.emitFolder(top); err != nil {
			return err
		}
	}
	if err := w.list(top); err != nil {
		return err
	}
	if w.Prefix == "" && top.err != nil {
		return top.err // there is no record to carry it
	}
	return cmp.Or(guard.leave(w.Prefix), w.misled(w.top))
}

// start looks at the top folder and sets what opts leave open.
func start(ctx context.Context, opts Options) (*walker, *folder, error) {
	if opts.Jobs < 1 {
		opts.Jobs = 2 * runtime.NumCPU()
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.Rules == nil {
		opts.Rules = new(Rules)
	}
	if opts.opening == nil {
		opts.opening = func(string) error { return nil }
	}
	if opts.readDir == nil {
		opts.readDir = (*os.File).ReadDir
	}
	path := local.Join(opts.Root, opts.Prefix)
	info, err := local.Stat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "list", Path: path, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, nil, err
	}
	w := &walker{Options: opts, ctx: ctx, device: local.Device(info), above: info, tags: opts.tags()}
	w.top = w.folder(nil, opts.Prefix, info, false)
	if opts.Prefix != "" {
		if w.above, err = local.Stat(opts.Root); err != nil {
			return nil, nil, err
		}
		link, err := local.Lstat(path)
		if err != nil {
			return nil, nil, err
		}
		w.top.followed = link.Mode()&fs.ModeSymlink != 0
	}
	if w.root, err = local.OpenRoot(opts.Root); err != nil {
		return nil, nil, err
	}
	return w, w.top, nil
}

// walker is one call of Tree. Its goroutines share it; only queue changes.
type walker struct {
	Options
	ctx    context.Context
	emit   func(*record.Record) error
	queue  *queue
	root   *local.Root
	device uint64 // of the file system that holds the top folder
	top    *folder
	tags   []tag
	above  fs.FileInfo   // the folder that the top folder is in, if that has a record
	rec    record.Record // what emit is given; one for all, since there may be millions
}

// folder is a folder to be listed. Its task fills in what comes after it.
type folder struct {
	above    *folder // nil for the top folder
	path     string  // as in records; "" for the root
	info     fs.FileInfo
	followed bool // it was reached through a symbolic link
	task     *task

	err      error
	bad      []error // lines of its ignore file that are no patterns
	out      verdict // set if what it holds leaves it out
	scope    *scope
	chunks   []*chunk
	hollow   bool // it stands for a subvolume that is not there
	vanished bool
}

// chunkSize is how many entries of a folder are looked at in one go. It bounds
// what is known about entries before it is needed: of a folder with a million
// files, only the names stay in memory.
const chunkSize = 256

// chunk is a number of neighbours in a folder.
type chunk struct {
	names   []listed
	entries []entry // once they have been looked at
}

// listed is an entry as its folder lists it.
type listed struct {
	name, fold string
	kind       fs.FileMode // only the type bits
}

// entry is what is known about a name that has been looked at.
type entry struct {
	listed
	info   fs.FileInfo // nil if there is an error, or if it has vanished
	found  *details    // nil for most entries
	folder *folder     // to be listed; nil for all else
}

// details are what few entries have.
type details struct {
	err    error
	target string        // of a symbolic link
	out    record.Reason // why it is left out; "": it is not

	followed bool // a symbolic link, and what is known is about what it leads to
	dangling bool // a symbolic link that should be followed and leads nowhere
}

func (w *walker) folder(above *folder, path string, info fs.FileInfo, followed bool) *folder {
	f := &folder{above: above, path: path, info: info, followed: followed}
	if above != nil {
		f.scope, f.followed = above.scope, followed || above.followed
	}
	f.task = &task{run: func() []*task { return w.read(f) }}
	return f
}

// read lists a folder and looks at its first entries. The other chunks are
// tasks of their own.
func (w *walker) read(f *folder) []*task {
	if w.ctx.Err() != nil {
		return nil
	}
	dir, err := w.open(f)
	if err != nil {
		f.err = err
		if errors.Is(err, fs.ErrNotExist) && f.above != nil {
			f.err = w.misled(f.above)
			f.vanished = f.err == nil
		}
		return nil
	}
	defer dir.Close()
	if f.out.ignored() {
		return nil
	}
	names, err := w.names(dir)
	f.err = err // what could be read is listed nevertheless
	rules := names
	if err != nil {
		rules = w.ruleFiles(dir) // the names that are missing may be theirs
	}
	if err := w.readRules(f, dir, rules); err != nil {
		f.err = cmp.Or(f.err, err)
		return nil // what is to be left out is not known, so nothing is listed
	}
	if f.out.ignored() {
		return nil
	}
	var tasks []*task
	for len(names) > 0 {
		c := &chunk{names: names[:min(chunkSize, len(names))]}
		names = names[len(c.names):]
		f.chunks = append(f.chunks, c)
		if len(f.chunks) == 1 {
			tasks = w.look(f, dir, c)
		} else {
			tasks = append(tasks, &task{run: func() []*task { return w.lookAgain(f, c) }})
		}
	}
	return tasks
}

// openDir opens a folder from the root downwards, unless it was reached through links. Then
// it is for the caller to see that they still lead to the same folder.
func (w *walker) openDir(f *folder) (*os.File, error) {
	path := local.Join(w.Root, f.path)
	if err := w.opening(path); err != nil {
		return nil, err
	}
	if f.followed {
		return local.OpenDir(path)
	}
	return w.root.OpenDir(f.path)
}

// open opens a folder and sees whether it is what it was.
func (w *walker) open(f *folder) (*os.File, error) {
	dir, err := w.openDir(f)
	if err != nil {
		return nil, err
	}
	switch err = w.replaced(f, dir); {
	case err != nil:
	case local.Placeholder(dir, f.info):
		f.hollow, err = true, &record.Error{Class: record.ClassVanished, Message: "list " + dir.Name() + ": it stands for a subvolume that the snapshot does not contain; list a snapshot of that subvolume, or exclude the folder"}
	case w.OneFileSystem && local.Device(f.info) != w.device:
		f.out = elsewhere
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// names returns the entries in a folder, sorted. With an error it returns those
// that it could read.
func (w *walker) names(dir *os.File) (names []listed, err error) {
	for err == nil && w.ctx.Err() == nil {
		var list []fs.DirEntry
		list, err = w.readDir(dir, 1024)
		for _, e := range list {
			names = append(names, listed{e.Name(), record.Fold(e.Name()), e.Type()})
		}
	}
	slices.SortFunc(names, func(a, b listed) int { // the order of record.CompareNames
		return cmp.Or(cmp.Compare(a.fold, b.fold), cmp.Compare(a.name, b.name))
	})
	if err == io.EOF {
		err = nil
	}
	return names, err
}

// lookAgain opens a large folder once more to look at another chunk of it.
func (w *walker) lookAgain(f *folder, c *chunk) []*task {
	if w.ctx.Err() != nil {
		return nil
	}
	dir, err := w.openDir(f)
	if err == nil {
		defer dir.Close()
		var info fs.FileInfo
		if info, err = dir.Stat(); err == nil && !local.SameFile(info, f.info) {
			err = &fs.PathError{Op: "list", Path: dir.Name(), Err: errReplaced}
		}
	}
	if misled := w.misled(f); misled != nil {
		err = misled
	}
	if err != nil {
		c.entries = make([]entry, len(c.names))
		for i, name := range c.names {
			c.entries[i].listed = name
			c.entries[i].fail(err)
		}
		return nil
	}
	return w.look(f, dir, c)
}

// errReplaced says that a path leads to another folder than it did.
var errReplaced = errors.New("the folder is gone, or another one is in its place; was a disk unmounted?")

// misled returns an error if the path of f leads to another folder than it did, or,
// when f has vanished, the path of the nearest folder above that has not. Then what
// seems to have vanished beneath f may only be out of sight, since a disk was
// unmounted.
func (w *walker) misled(f *folder) error {
	for {
		path := local.Join(w.Root, f.path)
		info, err := local.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && f.above != nil:
			f = f.above
			continue
		case errors.Is(err, fs.ErrNotExist), err == nil && !local.SameFile(info, f.info):
			err = &fs.PathError{Op: "list", Path: path, Err: errReplaced}
		}
		return err
	}
}

// lost returns err if it says that the whole tree is out of sight: then there is
// nothing more to list.
func (w *walker) lost(err error) error {
	if errors.Is(err, errReplaced) && w.misled(w.top) != nil {
		return err
	}
	return nil
}

// replaced looks whether dir, which has f open, is the folder that was seen from above. If
// it is another one in the same place in the tree, f is that one from now on. It is an
// error if the file system that f was on has gone, or if it was reached through links,
// which may lead anywhere now. If a file system was mounted only now, as an automounter
// does when the folder is opened, f is what is mounted.
func (w *walker) replaced(f *folder, dir *os.File) error {
	info, err := dir.Stat()
	if err != nil || local.SameFile(info, f.info) {
		return err
	}
	there := local.Device(info) == local.Device(f.info)
	if !there && f.above != nil && local.Device(f.above.info) == local.Device(f.info) {
		if err := w.misled(f.above); err != nil {
			return err
		}
		there = true
	}
	switch {
	case !there:
		return &fs.PathError{Op: "list", Path: dir.Name(), Err: errReplaced}
	case f.followed:
		return &fs.PathError{Op: "list", Path: dir.Name(), Err: local.ErrOther}
	}
	f.info, err = local.StatAt(dir, ".", true)
	return err
}

// look finds out about the entries of a chunk. It returns the tasks of the
// folders among them.
func (w *walker) look(f *folder, dir *os.File, c *chunk) (tasks []*task) {
	c.entries = make([]entry, len(c.names))
	for i, name := range c.names {
		e := &c.entries[i]
		e.listed = name
		w.lookAt(f, dir, e)
		if e.folder != nil {
			tasks = append(tasks, e.folder.task)
		}
	}
	return tasks
}

func (w *walker) lookAt(f *folder, dir *os.File, e *entry) {
	info, err := local.StatAt(dir, e.name, false)
	if err != nil {
		e.fail(err)
		return
	}
	e.info = info
	path := join(f.path, e.name)
	followed := false
	if info.Mode()&fs.ModeSymlink != 0 {
		followed, err = w.lookThrough(dir, e)
		if err != nil {
			e.fail(err)
			return
		}
	}
	if v := w.verdict(f, path, e.info); v.ignored() {
		e.detail().out = v.reason()
		return
	}
	if !e.info.IsDir() {
		return
	}
	if w.Follow {
		for a := f; a != nil; a = a.above {
			if local.SameFile(a.info, e.info) {
				e.info, e.detail().followed = info, false
				e.detail().err = loopError(path, a.path)
				return
			}
		}
	}
	e.folder = w.folder(f, path, e.info, followed)
}

// lookThrough reads a symbolic link and, if links are followed, replaces what
// is known about it by what is known about that which it leads to. A link that
// leads nowhere stays a link, and is marked.
func (w *walker) lookThrough(dir *os.File, e *entry) (followed bool, err error) {
	target, err := local.ReadlinkAt(dir, e.name)
	if err != nil {
		return false, err
	}
	e.detail().target = target
	if !w.Follow {
		return false, nil
	}
	info, err := local.StatAt(dir, e.name, true)
	switch {
	case err == nil:
		e.info, e.detail().followed = info, true
	case errors.Is(err, fs.ErrNotExist):
		e.detail().dangling = true
	default:
		e.detail().err = err // it stays a link, with an error
	}
	return err == nil, nil
}

func loopError(path, above string) error {
	if above == "" {
		above = "the folder it started from"
	}
	return fmt.Errorf("follow %s: it leads back to %s", path, above)
}

func (e *entry) detail() *details {
	if e.found == nil {
		e.found = new(details)
	}
	return e.found
}

// fail keeps the error, unless the entry has only vanished.
func (e *entry) fail(err error) {
	e.info = nil
	if !errors.Is(err, fs.ErrNotExist) {
		e.detail().err = err
	}
}

func (w *walker) warn(f *folder) {
	for _, err := range f.bad {
		if w.Warn != nil {
			w.Warn(err)
		}
	}
}

// list emits the records of everything in f, which has been read.
func (w *walker) list(f *folder) error {
	w.warn(f)
	for i, c := range f.chunks {
		if i > 0 {
			w.queue.take()
			if err := context.Cause(w.ctx); err != nil {
				return err // then nobody has looked at it
			}
		}
		f.chunks[i] = nil // memory follows the walk, not the tree
		for j := range c.entries {
			if err := context.Cause(w.ctx); err != nil {
				return err
			}
			if err := w.entry(f, &c.entries[j]); err != nil {
				return err
			}
			c.entries[j].folder = nil
		}
	}
	return nil
}

// entry emits the records of one entry and of everything beneath it.
func (w *walker) entry(f *folder, e *entry) error {
	if e.folder != nil {
		w.queue.take()
		if err := context.Cause(w.ctx); err != nil {
			return err
		}
		if e.folder.vanished {
			return nil
		}
		if err := w.emitFolder(e.folder); err != nil {
			return err
		}
		return w.list(e.folder)
	}
	var found details
	if e.found != nil {
		found = *e.found
	}
	if e.info == nil && found.err == nil {
		return nil // vanished
	}
	if err := w.lost(found.err); err != nil {
		return err
	}
	r := w.record(join(f.path, e.name), e.kind, e.info, f.followed || found.followed)
	r.Mount = r.Kind == record.KindDir && mounted(e.info, f.info)
	r.Target = found.target
	if r.Kind != record.KindSymlink {
		r.Target = ""
	}
	switch {
	case found.err != nil:
		r.Reason, r.Error = record.ReasonUnreadable, local.NewError(found.err)
	case found.out != "":
		r.Ignored, r.Reason = true, found.out
	case found.dangling:
		r.Reason = record.ReasonDangling
	case r.Kind == record.KindSpecial:
		r.Reason, r.Status = record.ReasonSpecial, record.StatusSkipped
	}
	return w.emit(r)
}

// emitFolder emits the record of a folder that has been read.
func (w *walker) emitFolder(f *folder) error {
	if err := w.lost(f.err); err != nil {
		return err
	}
	r := w.record(f.path, fs.ModeDir, f.info, f.followed)
	above := w.above
	if f.above != nil {
		above = f.above.info
	}
	r.Mount = mounted(f.info, above) && !f.hollow
	switch {
	case f.err != nil:
		r.Reason, r.Error = record.ReasonUnreadable, local.NewError(f.err)
	case f.out.ignored():
		r.Ignored, r.Reason = true, f.out.reason()
	}
	return w.emit(r)
}

// mounted reports whether a folder is on another file system than the one it is in, or
// another part of the same one is mounted there. What it knows of the folder may be nil.
func mounted(folder, above fs.FileInfo) bool {
	return folder != nil && (local.Device(folder) != local.Device(above) || local.MountRoot(folder))
}

// record returns the record of an entry, without what went wrong with it. The
// kind counts only where info is nil.
func (w *walker) record(path string, kind fs.FileMode, info fs.FileInfo, followed bool) *record.Record {
	r := &w.rec
	*r = record.Record{Root: w.Root, Path: path, Size: record.SizeUnknown, Followed: followed}
	if info != nil {
		local.Fill(r, info)
		kind = info.Mode()
		if followed {
			r.Dev = local.Device(info)
		}
	}
	switch kind & fs.ModeType {
	case 0:
		r.Kind = record.KindFile
	case fs.ModeDir:
		r.Kind = record.KindDir
	case fs.ModeSymlink:
		r.Kind = record.KindSymlink
	default:
		r.Kind = record.KindSpecial
	}
	return r
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return strings.Join([]string{dir, name}, "/")
}
