// Package store keeps the accounts behind a Jottacloud-compatible server: a
// tree of devices, mount points, folders and files in one embedded database,
// and file contents as blobs named by MD5 and size, each stored once.
//
// It knows the rules of the service (revisions, trash, deduplication,
// resumable uploads) and nothing of HTTP, XML or passwords.
//
// # Durability
//
// If a method returns without error, its effect survives kill -9 and power loss.
// It writes a blob to a temporary file, syncs it, renames it into place and syncs its
// directory. Only then does it commit the metadata that mentions the blob, and it
// syncs the commit before it returns. Concurrent changes share commits.
//
// # On disk
//
//	DIR/meta.db        the tree (bbolt); its file lock keeps a second server out
//	DIR/blobs/xx/…     blobs, by the first byte of the MD5
//	DIR/uploads/…      bytes received so far, one file for each upload target
//	DIR/reserve        disk space reserved for deletions
//
// In the database every node sits under a key made of its parent's number, its
// class, its folded name and its own number. So looking up a name is a prefix
// scan, a folder's children come out sorted, and moving a folder re-keys one
// entry. Deleting a folder marks only the folder; what lies beneath inherits
// the mark until the folder is revived (see revive).
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Version is the layout this package writes. A database with another version is refused.
const Version = 1

// Kinds of failure, asked for with errors.Is. The text around them names the path.
var (
	ErrNoPath       = errors.New("no such path")        // a folder, or a path of unknown kind, is missing
	ErrNoFile       = errors.New("no such file")        // a file is missing, or the path is not a file
	ErrNoMountPoint = errors.New("no such mount point") // a device or mount point is missing
	ErrNoUpload     = errors.New("no such upload")      // unknown, expired or replaced upload target
	ErrNoContent    = errors.New("content not known")   // deduplication found nothing
	ErrConflict     = errors.New("name conflict")       // something live already has this name
	ErrInvalid      = errors.New("invalid argument")    // a name or value the service does not take
	ErrForbidden    = errors.New("forbidden")           // built-in places that cannot change
	ErrQuota        = errors.New("quota exceeded")
	ErrIncomplete   = errors.New("incomplete upload") // bytes stored, more to come
	ErrCorrupt      = errors.New("corrupt upload")    // all bytes there, wrong MD5
	ErrRange        = errors.New("range not satisfiable")
	ErrBroken       = errors.New("connection broken") // the client's, while it sent a body
	ErrInUse        = errors.New("in use by another server")
	ErrClosed       = errors.New("store is closed")
)

// Options adjusts a store; the zero value is right for production.
type Options struct {
	Now       func() time.Time // clock; nil means time.Now
	TrashKeep time.Duration    // how long trash is kept; 0 means 30 days (docs/protocol.md, section 2.3)
	UploadTTL time.Duration    // how long an unfinished upload can be resumed; 0 means 7 days (section 8.2)
	// SharedDedup gives an account what another one has sent for the digest alone, as
	// the service does. An account that knows or guesses a digest then gets the content.
	SharedDedup bool
}

// Store is an open store. All methods may be called concurrently.
type Store struct {
	db   *bolt.DB
	dir  string
	opts Options

	queue   chan *request // changes waiting for the committer
	kick    chan struct{} // tells the janitor that there is something to reap
	closing chan struct{}
	stop    context.CancelFunc // ends the janitor
	wg      sync.WaitGroup     // committer and janitor

	sending  sync.RWMutex // held for reading while a change is handed to the committer
	isClosed bool         // guarded by sending

	blobLocks [256]sync.Mutex // by first byte of the MD5: from renaming a blob to committing it, and while unlinking one

	uploadMu sync.Mutex
	active   map[string]*receiver // guarded by uploadMu; by token

	syncFile func(*os.File) error // of bytes received; File.Sync, except in tests

	watcher atomic.Pointer[func([]Change)] // see Watch
}

var (
	bucketMeta    = []byte("meta")
	bucketEntries = []byte("entries") // parent, class, folded name, 0, id → node
	bucketIDs     = []byte("ids")     // id → key in entries
	bucketSizes   = []byte("sizes")   // folder id → bytes and newest time beneath it
	bucketTrash   = []byte("trash")   // user, time deleted, id → nothing
	bucketShares  = []byte("shares")  // user, public URI → id
	bucketUploads = []byte("uploads") // token → upload
	bucketBlobs   = []byte("blobs")   // MD5, size → number of revisions that use it
	bucketGarbage = []byte("garbage") // MD5, size → nothing; blobs to unlink
	buckets       = [][]byte{bucketMeta, bucketEntries, bucketIDs, bucketSizes, bucketTrash, bucketShares, bucketUploads, bucketBlobs, bucketGarbage}
	keyVersion    = []byte("version")
)

// Open opens the store in dir, making it if there is none, and finishes what an
// earlier run left undone. It fails with ErrInUse if another process has it open.
func Open(dir string, opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.TrashKeep == 0 {
		opts.TrashKeep = 30 * 24 * time.Hour
	}
	if opts.UploadTTL == 0 {
		opts.UploadTTL = 7 * 24 * time.Hour
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	// The timeout only has to outlast the clean end of a server that is being replaced.
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, &bolt.Options{Timeout: 500 * time.Millisecond, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open store %s: %w; stop that one or choose another directory", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		db: db, dir: dir, opts: opts,
		queue: make(chan *request, maxBatch), kick: make(chan struct{}, 1), closing: make(chan struct{}), stop: stop,
		active: make(map[string]*receiver), syncFile: (*os.File).Sync,
	}
	if err := s.prepare(); err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	s.wg.Add(2)
	go s.commitLoop()
	go s.janitor(ctx)
	return s, nil
}

// prepare makes directories and buckets, and checks the version.
func (s *Store) prepare() error {
	if err := s.makeDirs(); err != nil {
		return err
	}
	isCounted := false
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		v := meta.Get(keyVersion)
		isCounted = counted(tx, tx.ID()-1) || v == nil
		if v == nil {
			for _, name := range holdings {
				if _, err := tx.CreateBucketIfNotExists(name); err != nil {
					return err
				}
			}
			if err := tx.Bucket(bucketIDs).SetSequence(uint64(firstFreeID)); err != nil {
				return err
			}
			return errors.Join(meta.Put(keyVersion, binary.BigEndian.AppendUint64(nil, Version)), stampHoldings(tx))
		}
		if len(v) != 8 || binary.BigEndian.Uint64(v) != Version {
			return fmt.Errorf("store has version %x, this program needs %d", v, Version)
		}
		if isCounted {
			return stampHoldings(tx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !isCounted {
		err := s.countHoldings()
		if isFull(err) && s.spendReserve() {
			err = s.countHoldings()
		}
		if err != nil {
			return fmt.Errorf("count what accounts hold: %w", err)
		}
	}
	_ = s.keepReserve() // the janitor will see what is wrong, and try again
	return s.cleanUploads()
}

// Close waits for changes under way, and closes the database. Uploads still
// being received are cut off; their bytes stay for a later resume.
func (s *Store) Close() error {
	s.sending.Lock()
	if s.isClosed {
		s.sending.Unlock()
		return nil
	}
	s.isClosed = true
	s.sending.Unlock()

	s.stop()
	close(s.closing)
	s.wg.Wait()
	return s.db.Close()
}

// now is the store's clock in whole Unix seconds, the precision of the service.
func (s *Store) now() int64 { return s.opts.Now().Unix() }

// view runs fn in a read transaction. It must be short: the database cannot
// reuse pages freed since it began.
func (s *Store) view(fn func(*tx) error) error {
	err := s.db.View(func(btx *bolt.Tx) error { return fn(s.newTx(btx)) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}
