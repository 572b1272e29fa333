package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// files checks that each content has its file, right in size and digest, and that
// each file has a use.
func (c *checker) files(contents bool) error {
	err := c.scan(c.blobs, func(k, _ []byte) error {
		m, size, ok := splitBlobKey(k)
		if !ok {
			c.problem("content %x: malformed", k)
			return nil
		}
		c.sum.Blobs++
		name := c.s.blobFile(m, size)
		fi, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.problem("content %s: its file is missing", blobLabel(k))
			return nil
		case err != nil:
			c.problem("content %s: %v", blobLabel(k), err)
			return nil
		case fi.Size() != size:
			c.problem("content %s: its file has %d bytes", blobLabel(k), fi.Size())
			return nil
		}
		if !contents {
			return nil
		}
		got, err := digestFile(c.ctx, name)
		switch {
		case c.ctx.Err() != nil:
			return context.Cause(c.ctx)
		case err != nil:
			c.problem("content %s: %v", blobLabel(k), err)
		case got != m:
			c.problem("content %s: its file has the digest %s", blobLabel(k), got)
		}
		c.sum.Bytes += size
		return nil
	})
	if err != nil {
		return err
	}
	for shard := range 256 {
		dir := c.s.shardDir(byte(shard))
		err := eachFile(dir, func(name string) {
			m, size, ok := parseBlobName(name)
			if !ok || m[0] != byte(shard) {
				c.harmless("%s: not a content of this store", filepath.Join(dir, name))
			} else if c.blobs.Get(blobKey(m, size)) == nil {
				c.harmless("%s: nothing uses it", filepath.Join(dir, name))
			}
		})
		if err != nil {
			return err
		}
	}
	return eachFile(c.s.uploadDir(), func(name string) {
		if c.uploads.Get([]byte(name)) == nil {
			c.harmless("%s: no upload claims it", c.s.uploadFile(name))
		}
	})
}

// parseBlobName is the reverse of blobFile.
func parseBlobName(name string) (m MD5, size int64, ok bool) {
	digest, length, _ := strings.Cut(name, "-")
	m, err := ParseMD5(digest)
	if err != nil || m.String() != digest {
		return m, 0, false
	}
	size, err = strconv.ParseInt(length, 10, 64)
	return m, size, err == nil && size > 0 && strconv.FormatInt(size, 10) == length
}

// eachFile calls visit for each name in a directory, which may be missing.
func eachFile(dir string, visit func(name string)) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1000)
		for _, name := range names {
			visit(name)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// digestFile hashes a file, and stops early once ctx has ended.
func digestFile(ctx context.Context, name string) (sum MD5, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := md5.New()
	for {
		if ctx.Err() != nil {
			return sum, context.Cause(ctx)
		}
		_, err := io.CopyN(h, f, 8<<20)
		if err == io.EOF {
			h.Sum(sum[:0])
			return sum, nil
		}
		if err != nil {
			return sum, err
		}
	}
}

// tally counts by key, in a temporary database so that memory does not grow with
// the number of keys.
type tally struct {
	dir     string
	db      *bolt.DB
	pending map[string]int64
}

// tallyBatch is how many keys are held in memory.
const tallyBatch = 50_000

var bucketTally = []byte("tally")

func newTally() (*tally, error) {
	dir, err := os.MkdirTemp("", "jserve-fsck-*")
	if err != nil {
		return nil, err
	}
	// Nothing in it has to outlive this process.
	db, err := bolt.Open(filepath.Join(dir, "tally.db"), 0o600, &bolt.Options{NoSync: true, NoFreelistSync: true, NoGrowSync: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &tally{dir: dir, db: db, pending: make(map[string]int64)}, nil
}

func (t *tally) close() error { return errors.Join(t.db.Close(), os.RemoveAll(t.dir)) }

func (t *tally) add(key []byte, n int64) error {
	t.pending[string(key)] += n
	if len(t.pending) < tallyBatch {
		return nil
	}
	return t.flush()
}

func (t *tally) flush() error {
	keys := make([]string, 0, len(t.pending))
	for k := range t.pending {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	err := t.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketTally)
		if err != nil {
			return err
		}
		for _, k := range keys {
			n := t.pending[k]
			if v := b.Get([]byte(k)); len(v) == 8 {
				n += int64(binary.BigEndian.Uint64(v))
			}
			if err := b.Put([]byte(k), binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
				return err
			}
		}
		return nil
	})
	clear(t.pending)
	if err != nil {
		return fmt.Errorf("count in %s: %w", t.dir, err)
	}
	return nil
}

// each calls visit for all counts, sorted by key.
func (t *tally) each(visit func(key []byte, n int64) error) error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketTally).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if err := visit(bytes.Clone(k), int64(binary.BigEndian.Uint64(v))); err != nil {
				return err
			}
		}
		return nil
	})
}
