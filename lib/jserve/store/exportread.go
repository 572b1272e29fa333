package store

import (
	"archive/tar"
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// importDB is the name of the database until the import is whole, so that no
// server takes half a store for one.
const importDB = "meta.db.import"

// importer is an import under way.
type importer struct {
	ctx context.Context
	s   *Store // only its paths are used
	r   *tar.Reader
	db  *bolt.DB

	got    exportEnd
	end    exportEnd
	shards [256]bool // that have blobs
}

func (i *importer) run() (err error) {
	if err := i.head(); err != nil {
		return err
	}
	if err := i.s.makeDirs(); err != nil {
		return err
	}
	i.db, err = bolt.Open(filepath.Join(i.s.dir, importDB), 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true})
	if err != nil {
		return err
	}
	err = i.members()
	if err == nil {
		err = i.finish()
	}
	return errors.Join(err, i.db.Close())
}

// next returns the next member. The end of the stream is an error: end.json comes before it.
func (i *importer) next() (*tar.Header, error) {
	if i.ctx.Err() != nil {
		return nil, context.Cause(i.ctx)
	}
	h, err := i.r.Next()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("%w: %w", ErrExport, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fmt.Errorf("%w: %q is not a file", ErrExport, h.Name)
	}
	return h, nil
}

func (i *importer) json(h *tar.Header, v any) error {
	data, err := io.ReadAll(io.LimitReader(i.r, 64<<10))
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrExport, h.Name, err)
	}
	return nil
}

func (i *importer) head() error {
	h, err := i.next()
	if err != nil {
		return err
	}
	var head exportHead
	if h.Name != "store.json" {
		return fmt.Errorf("%w: it begins with %q", ErrExport, h.Name)
	}
	if err := i.json(h, &head); err != nil {
		return err
	}
	if head.Format != exportFormat || head.Version != Version {
		return fmt.Errorf("%w that this program knows: format %d, store version %d", ErrExport, head.Format, head.Version)
	}
	return nil
}

// members takes in all up to end.json.
func (i *importer) members() error {
	for {
		h, err := i.next()
		if err != nil {
			return err
		}
		folder, rest, _ := strings.Cut(h.Name, "/")
		switch folder {
		case "meta":
			err = i.pairs(h, rest)
		case "blobs":
			err = i.blob(h, rest)
		case "uploads":
			err = i.upload(h, rest)
		case "end.json":
			return i.json(h, &i.end)
		default:
			err = fmt.Errorf("%w: unknown member %q", ErrExport, h.Name)
		}
		if err != nil {
			return err
		}
	}
}

func (i *importer) pairs(h *tar.Header, rest string) error {
	name, _, _ := strings.Cut(rest, "/")
	if !slices.ContainsFunc(exported, func(b []byte) bool { return string(b) == name }) {
		return fmt.Errorf("%w: unknown member %q", ErrExport, h.Name)
	}
	const largest = 64 << 20 // a piece ends with the pair that fills it, and no pair is that large
	if h.Size > largest {
		return fmt.Errorf("%w: %s is too large", ErrExport, h.Name)
	}
	data, err := io.ReadAll(i.r)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrExport, h.Name, err)
	}
	return i.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return err
		}
		b.FillPercent = 0.9 // keys come sorted
		return splitPairs(data, func(k, v []byte) error {
			i.got.Pairs++
			return b.Put(k, v)
		})
	})
}

func (i *importer) blob(h *tar.Header, name string) error {
	m, size, ok := parseBlobName(name)
	if !ok || size != h.Size {
		return fmt.Errorf("%w: %q with %d bytes is no content", ErrExport, h.Name, h.Size)
	}
	i.got.Contents++
	i.got.Bytes += size
	if !i.shards[m[0]] {
		if err := os.Mkdir(i.s.shardDir(m[0]), 0o700); err != nil {
			return err
		}
		i.shards[m[0]] = true
	}
	sum, err := i.file(h, i.s.blobFile(m, size))
	if err == nil && sum != m {
		err = fmt.Errorf("%w: content %s has the digest %s", ErrExport, name, sum)
	}
	return err
}

func (i *importer) upload(h *tar.Header, token string) error {
	if !isToken(token) {
		return fmt.Errorf("%w: unknown member %q", ErrExport, h.Name)
	}
	i.got.Uploads++
	_, err := i.file(h, i.s.uploadFile(token))
	return err
}

// file writes the member at hand to a new file, synced.
func (i *importer) file(h *tar.Header, name string) (sum MD5, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sum, err
	}
	digest := md5.New()
	// The stream is told apart from the disk by which side the error is on.
	in := &remember{r: i.r}
	_, err = io.Copy(io.MultiWriter(f, digest), in)
	if in.err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrExport, h.Name, in.err)
	}
	digest.Sum(sum[:0])
	return sum, errors.Join(err, f.Sync(), f.Close())
}

// remember keeps the error that reading ended with.
type remember struct {
	r   io.Reader
	err error
}

func (r *remember) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// finish compares what came with what was announced, and makes it durable.
func (i *importer) finish() error {
	i.got.Sequence = i.end.Sequence
	if i.got != i.end {
		return fmt.Errorf("%w: it announces %+v, but has %+v", ErrExport, i.end, i.got)
	}
	err := i.db.Update(func(tx *bolt.Tx) error {
		for _, name := range exported {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: no %s", ErrExport, name)
			}
		}
		if !validVersion(tx.Bucket(bucketMeta).Get(keyVersion)) {
			return fmt.Errorf("%w: it has no store version", ErrExport)
		}
		last, _ := tx.Bucket(bucketIDs).Cursor().Last()
		if id, ok := parseID(last); ok && uint64(id) > i.end.Sequence {
			return fmt.Errorf("%w: a node has a number that was not given out", ErrExport)
		}
		// Buckets that are not carried over are there, and empty.
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketIDs).SetSequence(i.end.Sequence)
	})
	if err != nil {
		return err
	}
	if err := i.db.Sync(); err != nil {
		return err
	}
	for shard, used := range i.shards {
		if used {
			if err := syncDir(i.s.shardDir(byte(shard))); err != nil {
				return err
			}
		}
	}
	return errors.Join(syncDir(filepath.Join(i.s.dir, "blobs")), syncDir(i.s.uploadDir()))
}

// check makes the database the store's, once it is found to fit together.
func (i *importer) check() error {
	if err := os.Rename(filepath.Join(i.s.dir, importDB), filepath.Join(i.s.dir, "meta.db")); err != nil {
		return err
	}
	var first string
	sum, err := Check(i.ctx, i.s.dir, false, func(f Finding) {
		if first == "" && !f.Harmless {
			first = f.Text
		}
	})
	if err != nil {
		return err
	}
	if sum.Problems > 0 {
		return fmt.Errorf("%w: %d things do not fit, the first: %s", ErrExport, sum.Problems, first)
	}
	return errors.Join(syncDir(i.s.dir), syncDir(filepath.Dir(i.s.dir)))
}
