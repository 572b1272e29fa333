package digest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// A cache is an ordinary stream of file records, compressed with zstd. An entry with an
// error is there to compare its file with, and never spares reading it (guard.go). Each
// buffer that the record writer hands down, at the latest a fraction of a second
// after the record, becomes a zstd frame of its own. So sudden death loses next
// to nothing.

// frameSize is the most a frame holds, in bytes before compression: what a
// record.Writer buffers. It is also less than a zstd block, of which a frame
// therefore has only one: the decompressor gives out nothing of a frame before
// it has verified the frame's checksum.
const frameSize = 64 << 10

// entryOf returns what the cache keeps of a record: all that jwalk says of a file, so
// that the next run can tell by the line alone that nothing has changed; see
// [entryReader.take].
func entryOf(r *record.Record) *record.Record {
	return &record.Record{Kind: record.KindFile, Root: r.Root, Path: r.Path, Size: r.Size,
		MTime: r.MTime, Mode: r.Mode, Ino: r.Ino, Dev: r.Dev, Followed: r.Followed, CTime: r.CTime, BTime: r.BTime, MD5: r.MD5}
}

// entryWriter writes a file of entries.
type entryWriter struct {
	*record.Writer
	file  *os.File
	last  string // path of the last entry, unless that was a line
	line  []byte // the last entry, if it was a line
	count int64
}

// createEntries makes the file at path, in place of any leftover.
func createEntries(path string) (*entryWriter, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // names of files are private
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &entryWriter{Writer: record.NewWriter(&frameWriter{w: f, z: z}, "jhash"), file: f}, nil
}

// add appends an entry. One that is out of order is left out, since the file
// could not be joined any more.
func (w *entryWriter) add(e *record.Record) error {
	if len(w.line) > 0 {
		w.last, w.line = pathOf(w.line), w.line[:0]
	}
	if w.count > 0 && record.Compare(e.Path, w.last) <= 0 {
		return nil
	}
	w.last = e.Path
	w.count++
	return w.Write(e)
}

// addLine appends the line of an entry of the last run. That was in order.
func (w *entryWriter) addLine(line []byte) error {
	w.line = append(w.line[:0], line...)
	w.count++
	return w.PassLine(line)
}

// pathOf returns the path in the line of a record; "" if the line is not a record.
func pathOf(line []byte) string {
	var r record.Record
	if r.UnmarshalJSON(line) != nil {
		return ""
	}
	return r.Path
}

// finish closes the stream and brings it to the disk.
func (w *entryWriter) finish() error {
	err := w.Writer.Close()
	if err == nil {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// frameWriter turns what is written to it into frames.
type frameWriter struct {
	w   io.Writer
	z   *zstd.Encoder
	buf []byte
}

func (f *frameWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(len(p)-done, frameSize)
		f.buf = f.z.EncodeAll(p[done:done+n], f.buf[:0])
		if _, err := f.w.Write(f.buf); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// entryReader reads a file of entries, ours or whatever is left of it.
type entryReader struct {
	file    *os.File
	records *record.Reader
	ended   bool
	read    *record.Record // the next entry, once it has been taken apart
	count   int64          // entries before the next one
	info    func(format string, args ...any)
}

// errNotCache: the file is something else, which must not be overwritten.
var errNotCache = errors.New("this is not a hash cache; give --cache another name, or remove the file")

// openEntries opens the file at path. A file that is damaged is open all the
// same: reading ends at the damage, and info hears of it.
func openEntries(path string, info func(format string, args ...any)) (*entryReader, error) {
	f, _, err := local.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	if err := recognise(f); err != nil {
		f.Close()
		return nil, err
	}
	return &entryReader{file: f, records: record.NewReader(f), info: info}, nil
}

// recognise returns errNotCache unless the file is empty or begins as a cache
// does, and winds it back.
func recognise(f *os.File) error {
	start := bufio.NewReader(f)
	magic, err := start.Peek(4)
	if len(magic) > 0 || err != io.EOF {
		if !record.IsZstd(magic) {
			return errNotCache
		}
		z, err := record.Unzstd(start)
		if err != nil {
			return err
		}
		defer z.Close()
		// Damage is not this function's business, only text that is no record.
		line, err := bufio.NewReader(io.LimitReader(z, record.MaxLine)).ReadBytes('\n')
		if err == io.EOF || err == nil && new(record.Record).UnmarshalJSON(line) != nil {
			return errNotCache
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// head returns the next entry; nil at the end.
func (r *entryReader) head() *record.Record {
	for r.read == nil && !r.ended {
		rec, ok := r.records.Next()
		switch {
		case !ok:
			r.ended = true
			if err := r.records.Whole(); err != nil && !errors.Is(err, record.ErrIncomplete) {
				r.info("cache %s: %v; its first %d digests can be used", r.file.Name(), err, r.count)
			}
		case rec.Kind == record.KindFile && rec.MD5 != "":
			r.read = rec
		}
	}
	return r.read
}

// next goes on to the entry behind the head.
func (r *entryReader) next() {
	r.read = nil
	r.count++
}

// seek goes on to the first entry that does not come before path.
func (r *entryReader) seek(path string) {
	for e := r.head(); e != nil && record.Compare(e.Path, path) < 0; e = r.head() {
		r.next()
	}
}

// find returns the entry for a file, or nil; whether it still holds is for others to
// say. It must be asked in tree order, and once for each file.
func (r *entryReader) find(rec *record.Record) *record.Record {
	r.seek(rec.Path)
	e := r.head()
	if e == nil || e.Path != rec.Path {
		return nil
	}
	r.next()
	if e.Root != "" && rec.Root != "" && e.Root != rec.Root {
		return nil
	}
	return e
}

// take returns the line of the next entry and goes on behind it, if the entry is
// the record that the given line holds, and its digest: byte for byte, so that neither
// has to be taken apart. The line holds until the next call.
//
// Most of what a nightly run does is this; with records taken apart, compared and
// put together again it takes jhash ten times as long (BenchmarkCacheHits).
func (r *entryReader) take(line []byte) (entry []byte, ok bool) {
	if r.read != nil {
		if len(r.read.Raw()) != len(line)-1+md5Member {
			return nil, false
		}
		if entry = []byte(r.read.Raw()); !extends(entry, line) {
			return nil, false
		}
		r.next()
		return entry, true
	}
	if entry, ok = r.records.PeekLine(); !ok || !extends(entry, line) {
		return nil, false
	}
	r.records.SkipLine()
	r.count++
	return entry, true
}

// extends reports whether an entry says what the line of a record says, and an MD5.
func extends(entry, line []byte) bool {
	said := len(line) - 1 // without the brace
	return len(entry) == said+md5Member && isEntry(entry) && bytes.Equal(entry[:said], line[:said])
}

// copyTo appends the first n entries to a file, and goes on behind them.
func (r *entryReader) copyTo(w *entryWriter, n int64) error {
	for r.count < n {
		if line, ok := r.records.PeekLine(); ok && r.read == nil && isEntry(line) {
			if err := w.addLine(line); err != nil {
				return err
			}
			r.records.SkipLine()
			r.count++
			continue
		}
		e := r.head()
		if e == nil {
			return fmt.Errorf("%s: it has changed meanwhile", r.file.Name())
		}
		if err := w.add(e); err != nil {
			return err
		}
		r.next()
	}
	return nil
}

// isEntry reports whether the line of a file is an entry as it is written here.
func isEntry(line []byte) bool {
	said := len(line) - md5Member
	if said < 0 || string(line[said:said+len(md5Key)]) != md5Key || string(line[len(line)-2:]) != `"}` {
		return false
	}
	for _, c := range line[said+len(md5Key) : len(line)-2] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// An entry ends with its MD5: the key, 32 digits, a quote and a brace.
const (
	md5Key    = `,"md5":"`
	md5Member = len(md5Key) + 32 + len(`"}`)
)

func (r *entryReader) close() { r.file.Close() }
