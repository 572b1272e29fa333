package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	bolt "go.etcd.io/bbolt"
)

// emptyMD5 is the digest of no bytes. The empty content is always known and has no file.
var emptyMD5 = MD5{0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e}

func blobKey(m MD5, size int64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 24), m[:]...), uint64(size))
}

func splitBlobKey(k []byte) (m MD5, size int64, ok bool) {
	if len(k) != 24 {
		return m, 0, false
	}
	copy(m[:], k)
	return m, int64(binary.BigEndian.Uint64(k[16:])), true
}

func (s *Store) uploadDir() string { return filepath.Join(s.dir, "uploads") }

func (s *Store) uploadFile(token string) string { return filepath.Join(s.uploadDir(), token) }

func (s *Store) shardDir(b byte) string {
	return filepath.Join(s.dir, "blobs", fmt.Sprintf("%02x", b))
}

func (s *Store) blobFile(m MD5, size int64) string {
	return filepath.Join(s.shardDir(m[0]), fmt.Sprintf("%s-%d", m, size))
}

// makeDirs makes the directories that uploads need. Shards come when they are needed.
func (s *Store) makeDirs() error {
	for _, dir := range []string{s.uploadDir(), filepath.Join(s.dir, "blobs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return syncDir(s.dir)
}

// placeBlob has place put a file at the path of a blob, synced, and makes the
// name durable.
func (s *Store) placeBlob(m MD5, size int64, place func(blob string) error) error {
	shard := s.shardDir(m[0])
	err := place(s.blobFile(m, size))
	if errors.Is(err, fs.ErrNotExist) { // the shard's first blob
		if err := os.Mkdir(shard, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(filepath.Dir(shard)); err != nil {
			return err
		}
		err = place(s.blobFile(m, size))
	}
	if err != nil {
		return err
	}
	return syncDir(shard)
}

// syncDir makes renames in a directory durable. Windows has no such call; there
// the file system's journal keeps the order.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// known tells whether the content is stored, and its file there in full length:
// nobody is told that the content need not be sent when it could not be given
// back. A file that somebody has removed or cut short is replaced by the next
// upload of the content.
func (t *tx) known(m MD5, size int64) bool {
	if size == 0 && m == emptyMD5 {
		return true
	}
	if t.blobs.Get(blobKey(m, size)) == nil {
		return false
	}
	fi, err := os.Lstat(t.s.blobFile(m, size))
	return err == nil && fi.Mode().IsRegular() && fi.Size() == size
}

// ref counts one more revision of an account with this content, whose file must be
// in place.
func (t *tx) ref(user ID, m MD5, size int64) error {
	if size == 0 {
		return nil
	}
	return errors.Join(t.own(user, m, size, 1), t.addRef(blobKey(m, size), 1))
}

// unref counts one less, and hands the blob to the janitor after the last.
func (t *tx) unref(user ID, m MD5, size int64) error {
	if size == 0 {
		return nil
	}
	return errors.Join(t.own(user, m, size, -1), t.addRef(blobKey(m, size), -1))
}

func (t *tx) addRef(key []byte, delta int64) error {
	var n int64
	if v := t.blobs.Get(key); len(v) == 8 {
		n = int64(binary.BigEndian.Uint64(v))
	}
	n += delta
	if n <= 0 {
		t.reap = true
		return errors.Join(t.blobs.Delete(key), t.garbage.Put(key, nil))
	}
	return errors.Join(t.blobs.Put(key, binary.BigEndian.AppendUint64(nil, uint64(n))), t.garbage.Delete(key))
}

// OpenBlob opens the content of a complete revision for reading. The caller
// closes it; it stays readable even if the file is removed meanwhile.
func (s *Store) OpenBlob(r *Revision) (*os.File, error) {
	if r.Size == 0 {
		return os.Open(os.DevNull)
	}
	return os.Open(s.blobFile(r.MD5, r.Size))
}

// collect unlinks blobs that nothing uses any more, up to limit of one shard,
// and returns 0 once there are none left. The shard's lock keeps the same content from
// coming back between the look and the unlinking: an upload takes it too, and
// deduplication needs a blob that is in use.
func (s *Store) collect(limit int) (int, error) {
	var first []byte
	err := s.view(func(t *tx) error {
		k, _ := t.garbage.Cursor().First()
		first = bytes.Clone(k)
		return nil
	})
	if err != nil || first == nil {
		return 0, err
	}
	lock := &s.blobLocks[first[0]]
	lock.Lock()
	defer lock.Unlock()
	var keys [][]byte
	err = s.view(func(t *tx) error {
		c := t.garbage.Cursor()
		for k, _ := c.Seek(first[:1]); len(k) > 0 && k[0] == first[0] && len(keys) < limit; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(keys) == 0 {
		return 1, nil // somebody else has just been at this shard; look for another
	}
	for _, k := range keys {
		m, size, ok := splitBlobKey(k)
		if !ok {
			continue
		}
		if err := os.Remove(s.blobFile(m, size)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return len(keys), s.deletion(func(t *tx) error {
		for _, k := range keys {
			if err := t.garbage.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// Statistics counts what the store holds.
type Statistics struct {
	Nodes int // accounts, devices, mount points, folders, files
	Blobs int // distinct contents
}

// Count walks the database; it is meant for tests and tools.
func (s *Store) Count() (st Statistics, err error) {
	err = s.db.View(func(b *bolt.Tx) error {
		st = Statistics{Nodes: b.Bucket(bucketEntries).Stats().KeyN, Blobs: b.Bucket(bucketBlobs).Stats().KeyN}
		return nil
	})
	return st, err
}
