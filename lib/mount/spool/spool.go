// Package spool keeps on local disk what has been written and is not stored at
// the service yet.
//
// Each file is two: its content, NAME.data, and a note of where it belongs,
// NAME.json. What has been committed survives the death of the process and of the
// system: content and note are synced, and the note is written aside and renamed
// into place. Size and modification time are those of NAME.data itself. The
// package knows nothing of the service and sends nothing.
//
// Notes of files below a folder that is being renamed at the service are kept
// right by an [Intent], which is settled when the spool is opened again.
//
// What is removed is not synced: after a power cut a file may be there again that the
// service has had for a while. So a note also says what the service had at the place
// by then; see [File.Before].
package spool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gofrs/flock"

	"jottatools/lib/record"
)

// ErrInUse says that another process has the spool open.
var ErrInUse = errors.New("the spool is in use by another process")

const (
	dataSuffix   = ".data"
	noteSuffix   = ".json"
	intentSuffix = ".move"
	asideSuffix  = ".tmp"
	// keptFolder takes content whose note cannot be read, or be used.
	keptFolder = "unreadable"
	// noteVersion is that of the notes' format, restVersion of those with a rest: a
	// program that knows nothing of one must not take the content for whole.
	noteVersion = 1
	restVersion = 2
)

// Spool is a folder of files. One process at a time can have it open. It is safe
// for concurrent use.
type Spool struct {
	dir  string
	disk Disk
	lock *flock.Flock

	mu    sync.Mutex // guards what follows, and the notes on disk
	next  int
	files map[*File]bool // those that have a note
}

// note is a NAME.json, or with To an intent.
type note struct {
	V       int       `json:"v"`
	Path    string    `json:"path"`
	PathRaw []byte    `json:"path_raw,omitempty"` // if path is not UTF-8
	To      string    `json:"to,omitempty"`
	ToRaw   []byte    `json:"to_raw,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Rest    *Rest     `json:"rest,omitempty"`
	Before  []Content `json:"before"` // null: not known
}

// Content is a content that the service has or may have.
type Content struct {
	MD5  string `json:"md5"`
	Size int64  `json:"size"`
}

// Rest says which parts of a content are not in the spool but still at the service.
type Rest struct {
	MD5   string `json:"md5"` // of the revision that has them
	Size  int64  `json:"size"`
	Limit int64  `json:"limit"` // they are below this offset
	Here  []byte `json:"here"`  // a bit for each block of 64 KiB that is in the spool, the lowest first
}

func newNote(path string) note {
	n := note{V: noteVersion}
	n.Path, n.PathRaw = text(path)
	return n
}

// text returns a name as JSON can hold it and, if that is not all, its bytes.
func text(name string) (string, []byte) {
	if utf8.ValidString(name) {
		return name, nil
	}
	return strings.ToValidUTF8(name, "\uFFFD"), []byte(name)
}

func untext(text string, raw []byte) string {
	if raw != nil {
		return string(raw)
	}
	return text
}

// Found is what an earlier process left.
type Found struct {
	Files    []*File  // those noted last come first
	Intents  []Intent // renamings that may or may not have happened; see [Intent.Settle]
	Problems []string // about what cannot be used and is kept, for people
}

// Open opens the spool in dir, which is made if it is not there, and returns what
// it holds. The error is ErrInUse if another process has it open.
func Open(dir string) (*Spool, *Found, error) { return OpenOn(System{}, dir) }

// OpenOn is [Open] on a disk of the caller's.
func OpenOn(disk Disk, dir string) (*Spool, *Found, error) {
	if err := makeDir(dir); err != nil {
		return nil, nil, err
	}
	s := &Spool{dir: dir, disk: disk, files: map[*File]bool{}, lock: flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))}
	switch locked, err := s.lock.TryLock(); {
	case err != nil:
		return nil, nil, fmt.Errorf("lock the spool: %w", err)
	case !locked:
		return nil, nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	found, err := s.find()
	if err != nil {
		return nil, nil, errors.Join(err, s.lock.Close())
	}
	return s, found, nil
}

// Close gives the spool back. Files that are open stay usable but must not be
// committed any more.
func (s *Spool) Close() error { return s.lock.Close() }

func (s *Spool) path(name string) string { return filepath.Join(s.dir, name) }

// find reads what is in the folder and removes what nobody was promised.
func (s *Spool) find() (*Found, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	found := &Found{}
	noted := map[string]bool{}
	var contents []string
	for _, e := range entries {
		name := e.Name()
		base, suffix := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		if n, err := strconv.Atoi(base); err == nil {
			s.next = max(s.next, n)
		}
		switch suffix {
		case asideSuffix: // never renamed into place
			err = os.Remove(s.path(name))
		case intentSuffix:
			var n note
			if n, err = s.read(name); err == nil {
				found.Intents = append(found.Intents, Intent{From: untext(n.Path, n.PathRaw), To: untext(n.To, n.ToRaw), spool: s, name: name})
			} else {
				found.Problems = append(found.Problems, fmt.Sprintf("the note of a renaming, %s, cannot be read: %v", s.path(name), err))
				err = os.Remove(s.path(name)) // files are still found under one of the two names
			}
		case noteSuffix:
			noted[base] = true
			var f *File
			f, problem := s.load(base)
			if problem != "" {
				found.Problems = append(found.Problems, problem)
			}
			if f != nil {
				s.files[f] = true
				found.Files = append(found.Files, f)
			}
		case dataSuffix:
			contents = append(contents, base)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, base := range contents {
		if !noted[base] { // a new file that nothing was written to, or one that was being fetched
			if err := os.Remove(s.path(base + dataSuffix)); err != nil {
				return nil, err
			}
		}
	}
	// Of two with one place, the one noted last is what people left there.
	slices.SortFunc(found.Files, func(a, b *File) int { return cmp.Or(b.notedAt.Compare(a.notedAt), strings.Compare(b.base, a.base)) })
	return found, nil
}

func (s *Spool) read(name string) (note, error) {
	var n note
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, err
	}
	want := noteVersion
	if n.Rest != nil {
		want = restVersion
	}
	if n.V != want {
		return n, fmt.Errorf("it has version %d, and this program knows %d, and %d with a rest", n.V, noteVersion, restVersion)
	}
	if !strings.HasPrefix(untext(n.Path, n.PathRaw), "/") {
		return n, errors.New("it has no path")
	}
	return n, nil
}

// load opens a file of which there is a note. What cannot be used is put aside,
// not deleted.
func (s *Spool) load(base string) (f *File, problem string) {
	n, err := s.read(base + noteSuffix)
	if err != nil {
		kept, keepErr := s.keep(base)
		if keepErr != nil {
			return nil, fmt.Sprintf("the note %s cannot be read (%v), nor put aside: %v", s.path(base+noteSuffix), err, keepErr)
		}
		return nil, fmt.Sprintf("the note of a file cannot be read (%v); its content is kept as %s", err, kept)
	}
	path := untext(n.Path, n.PathRaw)
	data, err := os.OpenFile(s.path(base+dataSuffix), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// It was never committed: the system died before its content was on disk.
		os.Remove(s.path(base + noteSuffix))
		return nil, fmt.Sprintf("%s was being written when the system stopped, and is lost", path)
	}
	if err != nil {
		return nil, fmt.Sprintf("the content of %s cannot be read: %v", path, err)
	}
	f = &File{spool: s, base: base, data: data, path: path, created: n.Created, rest: n.Rest, before: n.Before, noted: true, durable: true}
	if fi, err := os.Stat(s.path(base + noteSuffix)); err == nil {
		f.notedAt = fi.ModTime()
	}
	return f, ""
}

// keep moves content without a usable note out of the way.
func (s *Spool) keep(base string) (string, error) {
	dir := s.path(keptFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	stamp := time.Now().UTC().Format("20060102T150405.") + base
	to := filepath.Join(dir, stamp+dataSuffix)
	if err := os.Rename(s.path(base+dataSuffix), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return to, os.Rename(s.path(base+noteSuffix), filepath.Join(dir, stamp+noteSuffix))
}

// Create returns a new, empty file. Nothing is remembered of it until it has been
// given a place.
func (s *Spool) Create() (*File, error) {
	for {
		s.mu.Lock()
		s.next++
		base := fmt.Sprintf("%012d", s.next)
		s.mu.Unlock()
		data, err := s.disk.Create(s.path(base + dataSuffix))
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &File{spool: s, base: base, data: data}, nil
	}
}

// write puts a note into its place: written aside and renamed and, if durable,
// synced before and after.
func (s *Spool) write(name string, n note, durable bool) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	aside := s.path(name + asideSuffix)
	f, err := s.disk.Create(aside)
	if errors.Is(err, fs.ErrExist) { // it could not be removed the last time
		err = s.disk.Remove(aside)
		if err == nil {
			f, err = s.disk.Create(aside)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil && durable {
		err = s.disk.Sync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.disk.Rename(aside, s.path(name))
	}
	if err != nil {
		s.disk.Remove(aside)
		return err
	}
	if durable {
		return s.disk.SyncDir(s.dir)
	}
	return nil
}

// makeDir makes a folder and those above it, to last as what is committed in it does.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err != nil:
		return err
	}
	return System{}.SyncDir(filepath.Dir(dir))
}

// below returns what follows dir in path, ignoring case as the service does; both
// begin with a slash.
func below(path, dir string) (rest string, ok bool) {
	parts, dirParts := strings.Split(path, "/"), strings.Split(dir, "/")
	n := len(dirParts)
	if len(parts) < n {
		return "", false
	}
	for i, part := range dirParts {
		if record.Fold(part) != record.Fold(parts[i]) {
			return "", false
		}
	}
	return strings.Join(append([]string{""}, parts[n:]...), "/"), true
}
