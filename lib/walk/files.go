package walk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// maxListed is the longest path in a list, in bytes. The longest that a system takes has
// 32,767 UTF-16 units, on Windows, which may be three bytes each.
const maxListed = 128 << 10

// maxScope bounds the paths in the scope of a list, in bytes of JSON. The end record has
// to fit in one line of [record.MaxLine] bytes, with all paths in base64 besides if one of
// them is not UTF-8.
const maxScope = record.MaxLine / 3

// List is a list of entries to be walked, in tree order. About 1 MiB of it is in memory,
// however long it is, and the rest on disk, in the folder for temporary files; its scope
// takes another 512 KiB at most. Close it to give the disk space back.
type List struct{ sorted record.Sorter }

// ListError says what is wrong with a list.
type ListError string

func (e ListError) Error() string { return string(e) }

// OpenList reads the list in the file called name, or with "-" from stdin, as [ReadList]
// does. It also returns a [ListError] if there is no such file.
func OpenList(name string, stdin io.Reader, end byte, bases ...string) (*List, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, ListError(err.Error())
		}
		defer file.Close()
		stdin = file
	}
	l, err := ReadList(stdin, end, bases...)
	var wrong ListError
	switch {
	case errors.As(err, &wrong):
		return nil, ListError(name + ": " + err.Error())
	case errors.Is(err, syscall.EISDIR):
		return nil, ListError(err.Error())
	}
	return l, err
}

// ReadList reads a list of paths that are relative to a folder, or absolute ones in it,
// each ended by the byte end: a newline or NUL. bases are the names of the folder, as
// absolute paths. Empty lines are passed over, and so is a carriage return before a
// newline. It returns a [ListError] if a path leads out of the folder or is the folder
// itself, or if there is none, and errors from reading and from spilling to disk.
func ReadList(r io.Reader, end byte, bases ...string) (*List, error) {
	l := new(List)
	if err := l.read(r, end, bases); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *List) read(r io.Reader, end byte, bases []string) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxListed)
	in.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, end); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	line := 0
	for in.Scan() {
		line++
		text := in.Text()
		if end == '\n' {
			text = strings.TrimSuffix(text, "\r")
		}
		if text == "" {
			continue
		}
		path, err := inFolder(text, bases)
		if err != nil {
			return ListError(fmt.Sprintf("line %d: %v", line, err))
		}
		if err := l.sorted.Add(&record.Record{Kind: record.KindFile, Path: path, Size: record.SizeUnknown}); err != nil {
			return err
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return ListError(fmt.Sprintf("line %d is longer than %d bytes; is it a list of paths, one a line, or with --from0 each ended by a NUL byte?", line+1, maxListed))
	case err != nil:
		return err
	case l.sorted.Len() == 0:
		return ListError("it names no path; an empty list does not mean everything")
	}
	return nil
}

// inFolder returns the path that a record has for the entry called name.
func inFolder(name string, bases []string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%q has a NUL byte in it; a list with those takes --from0", name)
	}
	path := filepath.Clean(name)
	if filepath.IsAbs(path) {
		for _, base := range bases {
			if rel, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rel) {
				path = rel
				break
			}
		}
	}
	switch {
	case path == ".":
		return "", fmt.Errorf("%q is the folder itself; without a list, all of it is listed", name)
	case !filepath.IsLocal(path):
		return "", fmt.Errorf("%q is not in %s", name, strings.Join(bases, " or "))
	}
	return filepath.ToSlash(path), nil
}

// Scope returns the paths that the list covers, without those beneath others. If they
// are too many for an end record, it returns as many as fit, and false: an entry outside
// the scope of a stream never counts as gone.
func (l *List) Scope() (paths []string, all bool, err error) {
	size := 0
	for r, err := range l.sorted.Sorted() {
		if err != nil {
			return nil, false, err
		}
		if n := len(paths); n > 0 && record.Under(r.Path, paths[n-1]) {
			continue
		}
		text, err := json.Marshal(r.Path)
		if err != nil {
			return nil, false, err
		}
		if size += len(text) + 1; size > maxScope {
			return paths, false, nil
		}
		paths = append(paths, r.Path)
	}
	return paths, true, nil
}

// Names reports whether the list names the entry at path, or a folder above it.
func (l *List) Names(path string) (bool, error) {
	for r, err := range l.sorted.Sorted() {
		if err != nil || record.Under(path, r.Path) {
			return err == nil, err
		}
	}
	return false, nil
}

// Close drops the list.
func (l *List) Close() error { return l.sorted.Close() }

// Files calls emit with the records of the entries that list names, in tree order, and
// of everything in those that are folders. The folders above them get no records. Rules
// hold as they do for [Tree]: what is left out there is ignored here. An entry that is
// not there is a record with an error. The Prefix of opts must be empty.
func Files(ctx context.Context, opts Options, list *List, emit func(*record.Record) error) error {
	w, top, err := start(ctx, opts)
	if err != nil {
		return err
	}
	defer w.root.Close()
	w.emit = emit
	l := &lister{walker: w, guard: w.guard()}
	defer l.close()
	if err := l.enter(top); err != nil {
		return err
	}
	for r, err := range list.sorted.Sorted() {
		if err := errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		if err := l.list(r.Path); err != nil {
			return err
		}
	}
	return l.misled(l.top)
}

// lister is one call of Files.
type lister struct {
	*walker
	guard *mountGuard
	way   []opened // the folders from the top one to the one that the last path is in
	last  string   // the path before
	done  string   // a path that was listed with all that is beneath it
}

type opened struct {
	*folder
	dir *os.File
}

// list emits the records of the entry at path and of what is in it.
func (l *lister) list(path string) error {
	if path == l.last || l.done != "" && record.Under(path, l.done) {
		return nil
	}
	l.last = path
	l.guard.enter(path)
	if err := l.find(path); err != nil {
		return err
	}
	return l.guard.leave(path)
}

// find goes down to path, as far as it is not there already.
func (l *lister) find(path string) error {
	for n := len(l.way); n > 1 && !record.Under(path, l.way[n-1].path); n-- {
		l.way[n-1].dir.Close()
		l.way = l.way[:n-1]
	}
	for {
		at := l.way[len(l.way)-1]
		name, _, more := strings.Cut(strings.TrimPrefix(path[len(at.path):], "/"), "/")
		e := &entry{listed: listed{name: name}}
		l.lookAt(at.folder, at.dir, e)
		if !more {
			return l.named(at.folder, path, e)
		}
		if e.folder == nil {
			return l.beyond(at.folder, path, e)
		}
		if err := l.enter(e.folder); err != nil {
			return l.fail(path, err)
		}
		if e.folder.out.ignored() {
			return l.ignored(path, e.folder.out.reason())
		}
	}
}

// enter opens a folder that is not listed itself, and reads its rules.
func (l *lister) enter(f *folder) error {
	dir, err := l.open(f)
	if err != nil {
		return err
	}
	if err = l.readRules(f, dir, l.ruleFiles(dir)); err != nil || f.out.ignored() {
		dir.Close()
		return err
	}
	l.warn(f)
	l.way = append(l.way, opened{f, dir})
	return nil
}

func (l *lister) close() {
	for _, o := range l.way {
		o.dir.Close()
	}
}

// named emits the records of an entry that the list names.
func (l *lister) named(f *folder, path string, e *entry) error {
	if e.folder == nil {
		if e.info == nil && e.found == nil {
			return l.fail(path, l.missing(path))
		}
		if e.info != nil && e.info.IsDir() {
			l.done = path // it is ignored
		}
		return l.entry(f, e)
	}
	l.done = path
	l.queue = newQueue(l.Jobs, e.folder.task)
	defer l.queue.stop()
	if err := l.entry(f, e); err != nil {
		return err
	}
	if e.folder.vanished {
		return l.fail(path, l.missing(path))
	}
	return nil
}

// beyond emits the record of a path that leads through e, which is no folder that is
// listed.
func (l *lister) beyond(f *folder, path string, e *entry) error {
	here := join(f.path, e.name)
	switch {
	case e.found != nil && e.found.out != "":
		return l.ignored(path, e.found.out)
	case e.found != nil && e.found.err != nil:
		return l.fail(path, e.found.err)
	case e.info == nil || e.found != nil && e.found.dangling:
		return l.fail(path, l.missing(here))
	case e.info.Mode()&fs.ModeSymlink != 0:
		return l.fail(path, fmt.Errorf("%s is a symbolic link; what it leads to is listed only with --follow", here))
	}
	return l.fail(path, &fs.PathError{Op: "list", Path: local.Join(l.Root, here), Err: syscall.ENOTDIR})
}

// ignored emits the record of an entry that is left out with a folder above it.
func (l *lister) ignored(path string, why record.Reason) error {
	lstat := l.root.Lstat
	if l.Follow {
		lstat = func(path string) (fs.FileInfo, error) { return local.Lstat(local.Join(l.Root, path)) }
	}
	info, err := lstat(path)
	if err != nil {
		return l.fail(path, err)
	}
	if info.IsDir() {
		l.done = path
	}
	r := l.record(path, 0, info, false)
	r.Ignored, r.Reason = true, why
	return l.emit(r)
}

// fail emits the record of an entry about which only an error is known.
func (l *lister) fail(path string, err error) error {
	r := l.record(path, 0, nil, false)
	r.Reason, r.Error = record.ReasonUnreadable, local.NewError(err)
	return l.emit(r)
}

func (l *lister) missing(path string) error {
	return &fs.PathError{Op: "list", Path: local.Join(l.Root, path), Err: syscall.ENOENT}
}
