package digest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// The guard against collisions. The service knows content by MD5 and size alone, and says
// of the second of two files that have both in common that it has it already. Anybody can
// make two such files with different content. So each file that is read is compared with
// one that had the same MD5 and size before, in this run or in the cache: by a fingerprint
// of both, or else byte by byte. The second of two that differ gets an error.
//
// Duplicates are common and collisions are not. So nothing is computed but a fingerprint
// of small files, which is cheap and spares reading them again; and what is only known from
// the cache is not looked at in a run that reads no file.

// collisions finds files that have MD5 and size in common, but not their content. It
// knows the first file that was met of each MD5 and size. It is not safe for concurrent use.
type collisions struct {
	warn  func(format string, args ...any)
	roots *local.Roots
	cache string // the file whose entries are known, too; "": none

	marked, noted bool // mark and noteKnown have been called
	off           bool // the disk for temporary files is full, or broken

	// slots is a hash table with linear probing. When it has grown to limit, what comes
	// takes the place of something else.
	slots []slot
	used  int
	limit int // a power of two

	// notes are in a temporary file, the last of them in buf. start is where in the file
	// buf goes, in bytes.
	file    *os.File
	gone    bool // the file is already removed from its folder
	buf     []byte
	start   int64
	scratch []byte
	a, b    []byte // for compare
}

// slot is one content: the beginning of its MD5, and where its note is, in units of
// noteUnit, counted from 1. 0 is a free slot.
type slot struct{ key, at uint32 }

const (
	// unnoted in a slot stands for all entries of the cache whose MD5 begins with the key.
	// They get notes once one of them is asked for.
	unnoted = 1<<32 - 1

	// printSize is the size up to which files get a fingerprint, in bytes: most duplicates
	// are smaller, and most content is in files that are larger.
	printSize = 16 << 10

	firstSlots  = 1 << 10
	maxSlots    = 1 << 20 // 8 MiB
	noteUnit    = 16
	noteBuffer  = 16 << 10
	noteHead    = md5.Size + 8 + 8 + 2 + 2
	compareSize = 128 << 10
)

// note is what is known of a file.
type note struct {
	md5        [md5.Size]byte
	size       int64
	print      uint64 // fingerprint; 0: not known
	root, path string
}

func (n *note) key() uint32 { return binary.LittleEndian.Uint32(n.md5[:]) }

func (n *note) record() *record.Record {
	return &record.Record{Kind: record.KindFile, Root: n.root, Path: n.path}
}

// check compares the file of rec, which was just read, with one of the same MD5 and size
// that was met before. It returns an error if their content is not the same.
func (t *collisions) check(ctx context.Context, rec *record.Record, print uint64) *record.Error {
	if rec.Size == 0 || t.off {
		return nil
	}
	n := note{print: print}
	if n.fill(rec) != nil {
		return nil
	}
	first, err := t.meet(ctx, n)
	if err != nil {
		t.off = true
		t.warn("from here on, files of one MD5 and size are not compared: %v; make room or set TMPDIR", err)
	}
	if first == nil {
		return nil
	}
	other := first.path
	if first.root != n.root {
		other = local.Path(first.record())
	}
	return &record.Error{Class: record.ClassCollision, Message: fmt.Sprintf("its content is not that of %s, though both have %d bytes and the MD5 %s: "+
		"the service would take one for the other, so this file is not stored; to store both, pack this one, for instance with zip, and look who made it",
		other, n.size, rec.MD5)}
}

// meet notes a file, and returns the one that it collides with, if any. The error is that
// of the temporary file.
func (t *collisions) meet(ctx context.Context, n note) (*note, error) {
	if !t.marked {
		t.mark()
	}
	at, first, err := t.find(&n)
	if err == nil && t.slots[at].at == unnoted && !t.noted {
		if err = t.noteKnown(); err == nil {
			at, first, err = t.find(&n)
		}
	}
	if err != nil {
		return nil, err
	}
	if first != nil && (first.root != n.root || first.path != n.path) {
		if first.print != 0 && first.print == n.print {
			return nil, nil
		}
		switch t.compare(ctx, first, &n) {
		case same:
			return nil, nil
		case collision:
			return first, nil
		}
		// The first is gone, or has changed: this one takes its place.
	}
	return nil, t.put(at, &n)
}

// mark makes a slot for each entry of the cache.
func (t *collisions) mark() {
	t.marked = true
	t.slots = make([]slot, firstSlots)
	for n := range t.known(false) {
		if at := t.home(n.key()); t.slots[at].at == 0 {
			t.take(at, slot{n.key(), unnoted})
		}
	}
}

// noteKnown makes a note of each entry of the cache, in place of the marks.
func (t *collisions) noteKnown() error {
	t.noted = true
	for n := range t.known(true) {
		at, first, err := t.find(&n)
		if err == nil && first == nil {
			err = t.put(at, &n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known returns notes of the entries of the cache that have content, if need be with
// their names.
func (t *collisions) known(names bool) iter.Seq[note] {
	return func(yield func(note) bool) {
		if t.cache == "" {
			return
		}
		entries, err := openEntries(t.cache, func(string, ...any) {}) // who joins it says what is wrong with it
		if err != nil {
			return
		}
		defer entries.close()
		for {
			var n note
			if line, ok := entries.records.PeekLine(); ok && n.read(line, names) {
				entries.records.SkipLine()
			} else if rec, ok := entries.records.Next(); !ok {
				return
			} else if rec.Error != nil || n.fill(rec) != nil {
				continue
			}
			if n.size > 0 && !yield(n) {
				return
			}
		}
	}
}

// read takes a note of the line of an entry, if that can be had without taking it apart.
func (n *note) read(line []byte, names bool) bool {
	path, brief, ok := record.BriefOf(line)
	if !ok {
		return false
	}
	n.md5, n.size = brief.MD5, brief.Size
	if names {
		_, root, _ := bytes.Cut(line, []byte(`"root":"`))
		root, _, _ = bytes.Cut(root, []byte{'"'})
		n.root, n.path = string(root), string(path)
	}
	return true
}

// fill takes a note of a record.
func (n *note) fill(rec *record.Record) error {
	n.size, n.root, n.path = rec.Size, rec.Root, rec.Path
	_, err := hex.Decode(n.md5[:], []byte(rec.MD5))
	return err
}

// home returns the slot of a key: the first with that key, or the free one where it
// belongs.
func (t *collisions) home(key uint32) int {
	mask := len(t.slots) - 1
	at := int(key) & mask
	for t.slots[at].at != 0 && t.slots[at].key != key {
		at = (at + 1) & mask
	}
	return at
}

// find returns the slot that a file has, or should have. If it is not noted there, first
// is nil.
func (t *collisions) find(n *note) (at int, first *note, err error) {
	mask := len(t.slots) - 1
	for at = t.home(n.key()); ; at = (at + 1) & mask {
		s := t.slots[at]
		switch {
		case s.at == 0 || s.key == n.key() && s.at == unnoted:
			return at, nil, nil
		case s.key == n.key():
			m, err := t.note(s.at)
			if err != nil {
				return 0, nil, err
			}
			if m.md5 == n.md5 && m.size == n.size {
				return at, &m, nil
			}
		}
	}
}

// put notes a file in a slot.
func (t *collisions) put(at int, n *note) error {
	if len(n.root) >= 1<<16 || len(n.path) >= 1<<16 {
		return nil
	}
	if t.buf == nil {
		t.buf = make([]byte, 0, noteBuffer+2<<10)
	}
	if len(t.buf) >= noteBuffer {
		if err := t.flush(); err != nil {
			return err
		}
	}
	where := t.start + int64(len(t.buf))
	if where/noteUnit+1 >= unnoted {
		return nil
	}
	t.buf = append(t.buf, n.md5[:]...)
	t.buf = binary.LittleEndian.AppendUint64(t.buf, uint64(n.size))
	t.buf = binary.LittleEndian.AppendUint64(t.buf, n.print)
	t.buf = binary.LittleEndian.AppendUint16(t.buf, uint16(len(n.root)))
	t.buf = binary.LittleEndian.AppendUint16(t.buf, uint16(len(n.path)))
	t.buf = append(append(t.buf, n.root...), n.path...)
	t.buf = append(t.buf, make([]byte, -len(t.buf)&(noteUnit-1))...)
	t.take(at, slot{n.key(), uint32(where/noteUnit + 1)})
	return nil
}

// take fills a slot. When the table is full it makes it larger, up to its limit.
func (t *collisions) take(at int, s slot) {
	if t.slots[at].at == 0 {
		if t.used >= t.limit/8*7 { // some other content is forgotten
			at = int(s.key) & (len(t.slots) - 1)
		} else {
			t.used++
		}
	}
	t.slots[at] = s
	if t.used < len(t.slots)/8*7 || len(t.slots) == t.limit {
		return
	}
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	mask := len(t.slots) - 1
	for _, s := range old {
		if s.at == 0 {
			continue
		}
		at := int(s.key) & mask
		for t.slots[at].at != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}

func (t *collisions) flush() (err error) {
	if t.file == nil {
		if t.file, err = os.CreateTemp("", "jottatools-*.notes"); err != nil {
			return err
		}
		// Unix lets an open file be removed, so that not even kill -9 leaves it.
		t.gone = os.Remove(t.file.Name()) == nil
	}
	if _, err = t.file.Write(t.buf); err != nil {
		return err
	}
	t.start += int64(len(t.buf))
	t.buf = t.buf[:0]
	return nil
}

// note returns the note that a slot leads to.
func (t *collisions) note(at uint32) (n note, err error) {
	where := int64(at-1) * noteUnit
	b, err := t.bytes(where, noteHead)
	if err != nil {
		return note{}, err
	}
	copy(n.md5[:], b)
	b = b[md5.Size:]
	n.size, n.print = int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
	root, path := int(binary.LittleEndian.Uint16(b[16:])), int(binary.LittleEndian.Uint16(b[18:]))
	if b, err = t.bytes(where+noteHead, root+path); err != nil {
		return note{}, err
	}
	n.root, n.path = string(b[:root]), string(b[root:])
	return n, nil
}

// bytes returns n bytes of the notes. They are valid until the next call.
func (t *collisions) bytes(where int64, n int) ([]byte, error) {
	if where >= t.start {
		return t.buf[where-t.start:][:n], nil
	}
	if cap(t.scratch) < n {
		t.scratch = make([]byte, n)
	}
	b := t.scratch[:n]
	_, err := t.file.ReadAt(b, where)
	return b, err
}

// likeness is what comparing two files came to.
type likeness int

const (
	unknowable likeness = iota // one of them cannot be read, or is not what it was
	same
	collision
)

// compare compares the content of two files.
func (t *collisions) compare(ctx context.Context, x, y *note) likeness {
	f, fi, err := t.roots.OpenContent(x.record())
	if err != nil {
		return unknowable
	}
	defer f.Close()
	g, gi, err := t.roots.OpenContent(y.record())
	if err != nil {
		return unknowable
	}
	defer g.Close()
	switch {
	case local.SameFile(fi, gi):
		return same
	case fi.Size() != x.size || gi.Size() != y.size:
		return unknowable
	}
	size := int(min(compareSize, x.size))
	if len(t.a) < size {
		t.a, t.b = make([]byte, size), make([]byte, size)
	}
	for left := x.size; left > 0; left -= int64(size) {
		size = int(min(int64(len(t.a)), left))
		if ctx.Err() != nil {
			return unknowable
		}
		if _, err := io.ReadFull(f, t.a[:size]); err != nil {
			return unknowable
		}
		if _, err := io.ReadFull(g, t.b[:size]); err != nil {
			return unknowable
		}
		if !bytes.Equal(t.a[:size], t.b[:size]) {
			if t.sum(ctx, x) == x.md5 && t.sum(ctx, y) == y.md5 {
				return collision
			}
			return unknowable
		}
	}
	return same
}

// sum returns the MD5 that a file has now; if it cannot be read, the MD5 of nothing.
func (t *collisions) sum(ctx context.Context, n *note) (sum [md5.Size]byte) {
	f, _, err := t.roots.OpenContent(n.record())
	if err != nil {
		return sum
	}
	defer f.Close()
	h := md5.New()
	for ctx.Err() == nil {
		k, err := f.Read(t.a)
		h.Write(t.a[:k])
		if err != nil {
			break
		}
	}
	return [md5.Size]byte(h.Sum(nil))
}

func (t *collisions) close() {
	if t.file == nil {
		return
	}
	t.file.Close()
	if !t.gone {
		os.Remove(t.file.Name())
	}
}
