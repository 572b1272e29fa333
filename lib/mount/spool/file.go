package spool

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"time"

	"jottatools/lib/local"
)

// File is content that waits to be stored, and the place where it belongs. The
// methods of its content are safe for concurrent use as far as those of os.File
// are; the others take turns by themselves.
type File struct {
	spool *Spool
	base  string // of its names in the folder
	data  *os.File

	// guarded by the spool's mu
	path    string
	created time.Time
	rest    *Rest
	before  []Content // see Before
	noted   bool      // there is a note on disk
	notedAt time.Time // when it was, of one that was found
	durable bool      // and it is synced
	removed bool
}

// ReadAt is that of os.File.
func (f *File) ReadAt(p []byte, offset int64) (int, error) { return f.data.ReadAt(p, offset) }

// WriteAt is that of os.File.
func (f *File) WriteAt(p []byte, offset int64) (int, error) { return f.data.WriteAt(p, offset) }

// Truncate gives the content another size.
func (f *File) Truncate(size int64) error { return f.data.Truncate(size) }

// Stat returns the size and the modification time of the content.
func (f *File) Stat() (size int64, modified time.Time, err error) {
	fi, err := f.data.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return fi.Size(), fi.ModTime(), nil
}

// SetModified sets the modification time of the content. Once the file has been
// removed it has none.
func (f *File) SetModified(t time.Time) error {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed {
		return nil
	}
	return local.SetTime(f.Name(), t)
}

// Name returns where the content is on disk.
func (f *File) Name() string { return f.spool.path(f.base + dataSuffix) }

// Path returns the place where the file belongs, "" if it has none yet.
func (f *File) Path() string {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	return f.path
}

// Created returns the time that Place gave the file.
func (f *File) Created() time.Time {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	return f.created
}

// Rest returns what is not in the content yet; nil if nothing is.
func (f *File) Rest() *Rest {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	return f.rest
}

// Before returns what the service may have at the file's place if nobody else has
// stored anything there since. It reports false if that is not known.
func (f *File) Before() ([]Content, bool) {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	return slices.Clone(f.before), f.before != nil
}

// Place notes where the file belongs, what of it is elsewhere, and what the service
// has there, so that it is found again if the process dies. It takes a Commit to
// survive the system, too.
func (f *File) Place(path string, created time.Time, rest *Rest, before ...Content) error {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed {
		return nil
	}
	f.path, f.created, f.rest, f.before = path, created, rest, append([]Content{}, before...)
	return f.note(f.durable)
}

// mostBefore bounds how many contents are noted that the service may have; an upload
// that was broken off adds one. The first stays: it is what was there for certain, and
// still is if none of them has arrived.
const mostBefore = 16

// Offered notes that the service may have a content of this file, and, if for certain,
// that it has nothing else. Call it before the file gets another content.
func (f *File) Offered(c Content, certain bool) error {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed || f.before == nil {
		return nil
	}
	if certain {
		f.before = f.before[:0]
	}
	f.expect(c)
	return f.note(f.durable)
}

// expect adds to what the service may have. The spool's mu is held.
func (f *File) expect(all ...Content) {
	for _, c := range all {
		if f.before != nil && !slices.Contains(f.before, c) {
			f.before = append(f.before, c)
		}
	}
	if more := len(f.before) - mostBefore; more > 0 {
		f.before = slices.Delete(f.before, 1, 1+more)
	}
}

// note writes the note. The spool's mu is held.
func (f *File) note(durable bool) error {
	n := newNote(f.path)
	n.Created, n.Before = f.created, f.before
	if f.rest != nil {
		n.V, n.Rest = restVersion, f.rest
	}
	if err := f.spool.write(f.base+noteSuffix, n, durable); err != nil {
		return err
	}
	f.noted, f.durable = true, durable
	f.spool.files[f] = true
	return nil
}

// Commit makes the content as it is now, the note of its place, and that rest is
// elsewhere, survive whatever may happen. A file that was removed is left alone.
func (f *File) Commit(rest *Rest) error {
	if err := f.spool.disk.Sync(f.data); err != nil {
		return err
	}
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	// Whoever comes last may know least: what is not elsewhere never is again.
	switch {
	case f.noted && f.rest == nil:
		rest = nil
	case rest != nil && f.rest != nil:
		rest.Limit = min(rest.Limit, f.rest.Limit)
	}
	if f.removed || f.noted && f.durable && reflect.DeepEqual(f.rest, rest) {
		return nil
	}
	f.rest = rest
	return f.note(true)
}

// Move notes another place for the file, as lasting as the last one, and what the
// service may have there.
func (f *File) Move(path string, before ...Content) error {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed || f.path == path {
		return nil
	}
	f.path = path
	f.expect(before...)
	return f.note(f.durable)
}

// Remove forgets the file: after a crash it is not found any more. The content
// can be read and written until Close.
func (f *File) Remove() error { return f.remove(func() error { return f.spool.disk.Remove(f.Name()) }) }

// Release is Remove that hands the content over to take, under its name on disk,
// instead of deleting it. What take leaves there is deleted.
func (f *File) Release(take func(name string) error) error {
	return f.remove(func() error {
		err := take(f.Name())
		if removeErr := f.spool.disk.Remove(f.Name()); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
		return err
	})
}

func (f *File) remove(content func() error) error {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed {
		return nil
	}
	if f.noted {
		if err := f.spool.disk.Remove(f.spool.path(f.base + noteSuffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f.removed = true
	delete(f.spool.files, f)
	return content()
}

// Keep puts the file aside, for people: it is not found again, and the content is kept
// under the name that is returned. It ends the use of the file.
func (f *File) Keep() (name string, err error) {
	f.spool.mu.Lock()
	defer f.spool.mu.Unlock()
	if f.removed {
		return "", errors.New("it has been removed")
	}
	name, err = f.spool.keep(f.base)
	if err != nil {
		return "", err
	}
	f.removed = true
	delete(f.spool.files, f)
	return name, f.data.Close()
}

// Close ends the use of the content. What is in the spool stays there.
func (f *File) Close() error { return f.data.Close() }
