package store

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// An exported store is a tar stream:
//
//	store.json               what this is, and the layout of the database
//	meta/BUCKET/000000 …     pairs of keys and values, each with its length in front
//	blobs/MD5-SIZE …         contents
//	uploads/TOKEN …          bytes of unfinished uploads
//	end.json                 how much came before; without it the stream is cut
//
// The database is carried over as it is, page layout aside, so that revisions,
// trash, links and upload targets are all there. Logins are not: a copy of a
// store must not be a copy of somebody's keys.
const exportFormat = 1

type exportHead struct {
	Format  int    `json:"jserve_export"`
	Version uint64 `json:"store_version"`
	Created string `json:"created"` // RFC 3339
}

type exportEnd struct {
	Pairs    int64  `json:"pairs"`
	Contents int64  `json:"contents"`
	Bytes    int64  `json:"bytes"` // of contents
	Uploads  int64  `json:"uploads"`
	Sequence uint64 `json:"sequence"` // the last number given to a node
}

// Export errors.
var (
	ErrNotEmpty = errors.New("directory is not empty")
	ErrExport   = errors.New("not a whole export of a store")
)

// exported are the buckets that are carried over.
var exported = [][]byte{bucketMeta, bucketEntries, bucketIDs, bucketSizes, bucketTrash, bucketShares, bucketUploads, bucketBlobs, bucketGarbage}

// metaPiece is how much of a bucket goes into one member of the stream, which
// is put together in memory.
const metaPiece = 1 << 20

// Export writes the store in dir, which no server may have open, to w as one
// stream, and returns the number of contents and their bytes. A content that is
// missing, or whose size is wrong, ends it with an error. Errors: ErrInUse; the context's cause.
func Export(ctx context.Context, dir string, w io.Writer) (contents, size int64, err error) {
	s, err := openToRead(dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	e := &exporter{ctx: ctx, s: s, w: tar.NewWriter(w)}
	if err := s.readAll(e.run); err != nil {
		return 0, 0, fmt.Errorf("export store %s: %w", dir, err)
	}
	return e.end.Contents, e.end.Bytes, nil
}

type exporter struct {
	ctx context.Context
	s   *Store
	w   *tar.Writer
	end exportEnd
}

func (e *exporter) run(b *bolt.Tx) error {
	now := time.Now().UTC()
	if err := e.json("store.json", exportHead{exportFormat, Version, now.Format(time.RFC3339)}); err != nil {
		return err
	}
	for _, name := range exported {
		if err := e.bucket(string(name), b.Bucket(name)); err != nil {
			return err
		}
	}
	e.end.Sequence = b.Bucket(bucketIDs).Sequence()
	err := b.Bucket(bucketBlobs).ForEach(func(k, _ []byte) error {
		m, size, ok := splitBlobKey(k)
		if !ok {
			return fmt.Errorf("%w: content %x", ErrDamaged, k)
		}
		e.end.Contents++
		e.end.Bytes += size
		return e.file(fmt.Sprintf("blobs/%s-%d", m, size), e.s.blobFile(m, size), size)
	})
	if err != nil {
		return err
	}
	err = b.Bucket(bucketUploads).ForEach(func(k, _ []byte) error {
		fi, err := os.Stat(e.s.uploadFile(string(k)))
		if errors.Is(err, os.ErrNotExist) {
			return nil // nothing has come yet
		}
		if err != nil {
			return err
		}
		e.end.Uploads++
		return e.file("uploads/"+string(k), e.s.uploadFile(string(k)), fi.Size())
	})
	if err != nil {
		return err
	}
	return errors.Join(e.json("end.json", e.end), e.w.Close())
}

func (e *exporter) member(name string, size int64) error {
	if e.ctx.Err() != nil {
		return context.Cause(e.ctx)
	}
	return e.w.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, Typeflag: tar.TypeReg, Format: tar.FormatPAX})
}

func (e *exporter) bytes(name string, data []byte) error {
	if err := e.member(name, int64(len(data))); err != nil {
		return err
	}
	_, err := e.w.Write(data)
	return err
}

func (e *exporter) json(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.bytes(name, append(data, '\n'))
}

func (e *exporter) bucket(name string, b *bolt.Bucket) error {
	buf, piece := make([]byte, 0, metaPiece), 0
	send := func() error {
		err := e.bytes(fmt.Sprintf("meta/%s/%06d", name, piece), buf)
		buf = buf[:0]
		piece++
		return err
	}
	err := b.ForEach(func(k, v []byte) error {
		e.end.Pairs++
		buf = appendString(appendString(buf, string(k)), string(v))
		if len(buf) < metaPiece {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send() // at least one piece, so that each bucket is named
}

func (e *exporter) file(name, file string, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := e.member(name, size); err != nil {
		return err
	}
	n, err := io.Copy(e.w, io.LimitReader(f, size))
	if err == nil && n < size {
		err = fmt.Errorf("%s has %d bytes instead of %d", file, n, size)
	}
	return err
}

// Import makes a store in dir, which must be empty or missing, from a stream of
// Export, and returns the number of contents and their bytes. Each content is
// compared with its digest as it is written, and in the end the whole is checked
// as by Check. When Import returns nil the store is safe on disk; when it fails
// it removes what it made. Errors: ErrNotEmpty; ErrExport if the stream is cut,
// changed or something else; the context's cause.
func Import(ctx context.Context, dir string, r io.Reader) (contents, size int64, err error) {
	if err := makeEmpty(dir); err != nil {
		return 0, 0, err
	}
	i := &importer{ctx: ctx, s: &Store{dir: dir}, r: tar.NewReader(r)}
	if err = i.run(); err == nil {
		err = i.check()
	}
	if err != nil {
		// The directory was empty, so all that is in it now was made here.
		err = errors.Join(fmt.Errorf("import into %s: %w", dir, err), removeStore(dir))
		return 0, 0, err
	}
	return i.end.Contents, i.end.Bytes, nil
}

func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	if len(names) > 0 {
		return fmt.Errorf("import into %s: %w; choose another one", dir, ErrNotEmpty)
	}
	return nil
}

func removeStore(dir string) error {
	var errs []error
	for _, name := range []string{importDB, "meta.db", "blobs", "uploads"} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// splitPairs calls visit for each pair of a piece.
func splitPairs(data []byte, visit func(k, v []byte) error) error {
	d := decoder{b: data}
	for len(d.b) > 0 {
		k := d.take(d.uvarint())
		v := d.take(d.uvarint())
		if d.bad || len(k) == 0 || len(k) > bolt.MaxKeySize {
			return fmt.Errorf("%w: malformed pair", ErrExport)
		}
		if err := visit(bytes.Clone(k), bytes.Clone(v)); err != nil {
			return err
		}
	}
	return nil
}

func validVersion(v []byte) bool { return len(v) == 8 && binary.BigEndian.Uint64(v) == Version }
