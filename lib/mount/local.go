//go:build linux

package mount

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"jottatools/lib/mount/chunks"
	"jottatools/lib/mount/spool"
)

// errDropped says that a local content is not there any more, since the service
// has all of it.
var errDropped = errors.New("the local content has been dropped")

// local is the content of a file on local disk, in the spool, until the service
// has it.
type local struct {
	file *spool.File
	size atomic.Int64

	mu        sync.RWMutex // read-locked while the content is read or written; guards what follows
	mtime     time.Time
	rest      *rest  // what is not in file yet; nil if nothing is
	dropped   bool   // and file closed
	version   uint64 // counts changes of content and time
	committed uint64 // the version that survives
	restNoted bool   // by a note that says that a rest is elsewhere
	sent      uint64 // the version that the service has
	digest    digest
	offered   *spool.Content // what the service may have got of it, as long as that is not noted
	found     bool           // see isFound
	unnoted   bool           // an earlier mount may have sent what it left; see noteFound
}

// digest is what was found out about a version of a content.
type digest struct {
	version uint64
	md5     string
	sums    []uint32
}

func newLocal(file *spool.File, size int64, modified time.Time) *local {
	l := &local{file: file, mtime: modified, version: 1}
	l.size.Store(size)
	return l
}

func (l *local) modified() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mtime
}

// readAt reads as io.ReaderAt does, up to what is elsewhere. If that begins at the
// offset, the error is an *elsewhere.
func (l *local) readAt(p []byte, offset int64) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.dropped {
		return 0, errDropped
	}
	run := l.rest.run(offset)
	if l.rest.missing(offset) {
		return 0, &elsewhere{offset, min(run, offset+int64(len(p)))}
	}
	return l.file.ReadAt(p[:min(int64(len(p)), run-offset)], offset)
}

// change writes to the content with write.
func (l *local) change(write func(*spool.File) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		return errDropped
	}
	if l.unnoted {
		return errUnnoted
	}
	if err := l.noteOffered(); err != nil {
		return err
	}
	err := write(l.file)
	if part := (*elsewhere)(nil); errors.As(err, &part) {
		return err // nothing has been changed
	}
	size, _, statErr := l.file.Stat()
	if statErr == nil {
		l.size.Store(size)
	}
	l.version++
	l.mtime = time.Now()
	return errors.Join(err, statErr)
}

// offer says that the service is about to get a content, if it is still that of a
// version.
func (l *local) offer(version uint64, c spool.Content) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dropped:
		return errDropped
	case l.version != version:
		return errChanged
	}
	l.offered, l.unnoted = &c, false
	return nil
}

// errUnnoted says that a content has to be noted before it is changed.
var errUnnoted = errors.New("what an earlier mount may have sent is not noted yet")

// noteFound notes, before the first change of a content that was found in the spool,
// that the service may have it: the mount that left it may have died while it sent it,
// before it knew whether it had arrived. It reads the whole content.
func (l *local) noteFound() error {
	for {
		l.mu.RLock()
		version, done := l.version, !l.unnoted
		l.mu.RUnlock()
		if done {
			return nil
		}
		found, size, err := l.hash(version)
		if errors.Is(err, errChanged) {
			continue // it got another time, or another has noted it
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		if l.unnoted {
			err = l.file.Offered(spool.Content{MD5: found.md5, Size: size}, false)
			l.unnoted = err != nil
		}
		l.mu.Unlock()
		return err
	}
}

// noteOffered notes, before there is another content, that the service may have the
// one that there was: by it the next mount knows that nobody else has stored anything
// meanwhile. The mu is held.
func (l *local) noteOffered() error {
	if l.offered == nil {
		return nil
	}
	err := l.file.Offered(*l.offered, l.sent == l.version)
	if err == nil {
		l.offered = nil
	}
	return err
}

// before returns what the service may have in the place of the content, unless that is
// not known.
func (l *local) before() (all []spool.Content, known bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all, known = l.file.Before()
	if l.offered != nil {
		all = append(all, *l.offered)
	}
	return all, known
}

// writeAt writes as io.WriterAt does. The error is an *elsewhere if a part of what is
// there has to be fetched before.
func (l *local) writeAt(p []byte, offset int64) (n int, err error) {
	err = l.change(func(f *spool.File) (err error) {
		if l.rest != nil {
			if err := l.rest.edge(offset, offset+int64(len(p))); err != nil {
				return err
			}
			defer func() { l.rest.wrote(offset, offset+int64(n)) }()
		}
		n, err = f.WriteAt(p, offset)
		return err
	})
	return n, err
}

func (l *local) truncate(size int64) error {
	return l.change(func(f *spool.File) error {
		if err := f.Truncate(size); err != nil || l.rest == nil || size >= l.rest.limit {
			return err
		}
		// What is cut off must not come back when the file grows again, nor after a crash.
		l.rest.cut(size)
		return f.Commit(l.rest.note())
	})
}

// setModified gives the content a time. It is part of what is sent.
func (l *local) setModified(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		return errDropped
	}
	l.mtime = t
	l.version++
	if l.digest.version == l.version-1 {
		l.digest.version++ // the content is the same
	}
	return l.file.SetModified(t)
}

// commit makes the content as it is survive.
func (l *local) commit() error {
	l.mu.RLock()
	rest := l.rest.note()
	version, done := l.version, l.committed == l.version && l.restNoted == (rest != nil) || l.dropped
	modified := l.mtime
	l.mu.RUnlock()
	if done {
		return nil
	}
	// The time on disk is that of the last write, or what was set.
	if err := l.file.SetModified(modified); err != nil {
		return err
	}
	if err := l.file.Commit(rest); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.committed, l.restNoted = max(l.committed, version), rest != nil
	return nil
}

// state returns which version there is and whether the service has it.
func (l *local) state() (version uint64, sent bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.version, l.sent == l.version
}

// errChanged says that a content changed while it was hashed.
var errChanged = errors.New("the content changed while it was read")

// hash returns the digest of a version, if it is still that one.
func (l *local) hash(version uint64) (digest, int64, error) {
	l.mu.RLock()
	known := l.digest
	l.mu.RUnlock()
	size := l.size.Load()
	if known.version == version {
		return known, size, nil
	}
	var sums chunks.Summer
	hash := md5.New()
	buffer := make([]byte, 256<<10)
	for offset := int64(0); ; {
		n, err := l.readAt(buffer, offset)
		hash.Write(buffer[:n])
		sums.Write(buffer[:n])
		offset += int64(n)
		if err == io.EOF {
			size = offset
			break
		}
		if err != nil {
			return digest{}, 0, err
		}
		if now, _ := l.state(); now != version {
			return digest{}, 0, errChanged
		}
	}
	found := digest{version, hex.EncodeToString(hash.Sum(nil)), sums.Sums()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version != version {
		return digest{}, 0, errChanged
	}
	l.digest = found
	return found, size, nil
}

// markSent notes that the service has a version.
func (l *local) markSent(version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = max(l.sent, version)
	l.found = false
}

// isFound reports whether the content was found in the spool at the start, and the
// service has got nothing of it since.
func (l *local) isFound() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.found
}

// drop ends the local content: it is forgotten, with remove, and closed. Those who
// read from it go on reading what the service has.
func (l *local) drop(remove func(*spool.File) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		return nil
	}
	l.dropped = true
	return errors.Join(remove(l.file), l.file.Close())
}
