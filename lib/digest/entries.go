package digest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// A cache is an ordinary stream of file records, compressed with zstd. Each
// buffer that the record writer hands down, at the latest a fraction of a second
// after the record, becomes a zstd frame of its own. So sudden death loses next
// to nothing.

// frameSize is the most a frame holds, in bytes before compression: what a
// record.Writer buffers. It is also less than a zstd block, of which a frame
// therefore has only one: the decompressor gives out nothing of a frame before
// it has verified the frame's checksum.
const frameSize = 64 << 10

// entryOf returns what the cache keeps of a record.
func entryOf(r *record.Record) *record.Record {
	return &record.Record{Kind: record.KindFile, Root: r.Root, Path: r.Path,
		Size: r.Size, MTime: r.MTime, Ino: r.Ino, CTime: r.CTime, MD5: r.MD5}
}

// entryWriter writes a file of entries.
type entryWriter struct {
	*record.Writer
	file  *os.File
	last  string // path of the last entry
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
	if w.count > 0 && record.Compare(e.Path, w.last) <= 0 {
		return nil
	}
	w.last = e.Path
	w.count++
	return w.Write(e)
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
	head    *record.Record // the next entry; nil at the end
	count   int64
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
	r := &entryReader{file: f, records: record.NewReader(f), info: info}
	r.next()
	return r, nil
}

// recognise returns errNotCache unless the file is empty or begins as a cache
// does, and winds it back.
func recognise(f *os.File) error {
	start := bufio.NewReader(f)
	magic, err := start.Peek(4)
	if len(magic) > 0 || err != io.EOF {
		if !bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
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

// next moves head on to the next entry.
func (r *entryReader) next() {
	for {
		rec, ok := r.records.Next()
		if !ok {
			break
		}
		if rec.Kind == record.KindFile && rec.MD5 != "" && rec.Error == nil {
			r.count++
			r.head = rec
			return
		}
	}
	if err := r.records.Whole(); err != nil && !errors.Is(err, record.ErrIncomplete) {
		r.info("cache %s: %v; its first %d digests can be used", r.file.Name(), err, r.count)
	}
	r.head = nil
}

// find returns the digest of a file if the entry for it still holds. It must be
// asked in tree order.
func (r *entryReader) find(rec *record.Record) (md5 string, ok bool) {
	for r.head != nil && record.Compare(r.head.Path, rec.Path) < 0 {
		r.next()
	}
	e := r.head
	if e == nil || e.Path != rec.Path || (e.Root != "" && rec.Root != "" && e.Root != rec.Root) ||
		e.Size != rec.Size || e.Size < 0 || e.Ino != rec.Ino || !e.MTime.Equal(rec.MTime) || !e.CTime.Equal(rec.CTime) {
		return "", false
	}
	return e.MD5, true
}

func (r *entryReader) close() { r.file.Close() }
