package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Finding is something that a check came across.
type Finding struct {
	Text string // names the object and what is wrong with it
	// Harmless findings take room at most: what a crash left over, and what the
	// server clears away by itself.
	Harmless bool
}

// Summary says what a check went through.
type Summary struct {
	Nodes    int64 // accounts, devices, mount points, folders, files
	Blobs    int64 // distinct contents
	Bytes    int64 // of contents read and compared with their digests
	Problems int64 // findings that are not harmless
	Harmless int64
}

// ErrDamaged is the error of a check that could not go on.
var ErrDamaged = errors.New("database is damaged")

// Check goes through the store in dir, which no server may have open, and
// reports what does not fit: contents against their digests and sizes, entries
// against the indexes, and each of these the other way round. It changes nothing.
// With contents false it does not read the contents, but still looks for their
// files. Its memory does not grow with the store; it keeps counts in a temporary
// file. Findings do not make it fail. Errors: ErrInUse; ErrDamaged if the database
// cannot be read on; the context's cause.
func Check(ctx context.Context, dir string, contents bool, report func(Finding)) (sum Summary, err error) {
	s, err := openToRead(dir)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	tally, err := newTally()
	if err != nil {
		return sum, fmt.Errorf("check store %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, tally.close()) }()
	err = s.readAll(func(b *bolt.Tx) error {
		c := &checker{tx: s.newTx(b), ctx: ctx, report: report, sum: &sum, uses: tally}
		for _, step := range []func() error{c.entriesStep, c.idsStep, c.sizesStep, c.trashStep, c.sharesStep, c.uploadsStep, c.countsStep, c.garbageStep, c.holdingsStep} {
			if err := step(); err != nil {
				return err
			}
		}
		return c.files(contents)
	})
	if err != nil {
		err = fmt.Errorf("check store %s: %w", dir, err)
	}
	return sum, err
}

// ErrNoStore says that there is no store to read.
var ErrNoStore = errors.New("there is no store here")

// openToRead opens the database of a store that no server has open.
func openToRead(dir string) (*Store, error) {
	file := filepath.Join(dir, "meta.db")
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", dir, ErrNoStore, err)
	}
	db, err := bolt.Open(file, 0o600, &bolt.Options{ReadOnly: true, Timeout: 500 * time.Millisecond})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open store %s: %w; stop that one first", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w: %w", dir, ErrDamaged, err)
	}
	s := &Store{db: db, dir: dir, opts: Options{Now: time.Now}}
	err = s.readAll(func(b *bolt.Tx) error {
		for _, name := range buckets {
			if b.Bucket(name) == nil {
				return fmt.Errorf("%w: bucket %s is missing", ErrDamaged, name)
			}
		}
		if v := b.Bucket(bucketMeta).Get(keyVersion); len(v) != 8 || binary.BigEndian.Uint64(v) != Version {
			return fmt.Errorf("store has version %x, this program needs %d", v, Version)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	return s, nil
}

// readAll runs fn in a read transaction. bbolt takes the pages of its file on
// trust; what becomes of that with a damaged file is ErrDamaged.
func (s *Store) readAll(fn func(*bolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return s.db.View(fn)
}

// checker is a check under way.
type checker struct {
	*tx
	ctx    context.Context
	report func(Finding)
	sum    *Summary
	uses   *tally // of blobs, by complete revisions

	// The folder whose children go by, in entriesStep.
	parent   ID
	above    place
	weights  int64
	lastName []byte // key of the last live child up to its number
}

// place is where a node hangs.
type place struct {
	kind    Kind
	user    ID // 0 if it is removed, or hangs nowhere
	removed bool
}

func (c *checker) problem(format string, args ...any) {
	c.sum.Problems++
	c.report(Finding{Text: fmt.Sprintf(format, args...)})
}

func (c *checker) harmless(format string, args ...any) {
	c.sum.Harmless++
	c.report(Finding{Text: fmt.Sprintf(format, args...), Harmless: true})
}

// scan calls visit for each pair in a bucket.
func (c *checker) scan(b *bolt.Bucket, visit func(k, v []byte) error) error {
	cur := b.Cursor()
	for n, k, v := 0, []byte(nil), []byte(nil); ; n++ {
		if n == 0 {
			k, v = cur.First()
		} else {
			k, v = cur.Next()
		}
		if k == nil {
			return nil
		}
		if n%1024 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if err := visit(k, v); err != nil {
			return err
		}
	}
}

// locate climbs from a folder to its account.
func (c *checker) locate(id ID) (p place) {
	if id == limboID {
		return place{kind: KindFolder, removed: true}
	}
	if id == usersID {
		return place{user: usersID}
	}
	const deepest = 100_000 // a folder inside itself has no end
	for range deepest {
		n, err := c.node(id)
		if err != nil {
			return place{kind: p.kind}
		}
		if p.kind == 0 {
			p.kind = n.Kind
		}
		switch n.Parent {
		case limboID:
			p.removed = true
			return p
		case usersID:
			p.user = n.ID
			return p
		}
		id = n.Parent
	}
	return place{kind: p.kind}
}

// fits tells whether a node of one kind can be in one of another.
func fits(child, parent Kind) bool {
	switch child {
	case KindUser:
		return parent == 0
	case KindDevice:
		return parent == KindUser
	case KindMountPoint:
		return parent == KindDevice
	case KindFolder, KindFile:
		return parent == KindMountPoint || parent == KindFolder
	}
	return false
}

// entriesStep goes through the nodes, folder by folder.
func (c *checker) entriesStep() error {
	first := true
	err := c.scan(c.entries, func(k, v []byte) error {
		c.sum.Nodes++
		var n Node
		if err := decodeNode(k, v, &n); err != nil {
			c.problem("entry %x: %v", k, err)
			return nil
		}
		if first || n.Parent != c.parent {
			c.endFolder(first)
			c.parent, c.above, c.weights, c.lastName, first = n.Parent, c.locate(n.Parent), 0, nil, false
		}
		return c.entry(k, &n)
	})
	c.endFolder(first)
	return err
}

// endFolder compares the sum of a folder's children with what is stored. A
// removed one keeps an old sum until it is freed.
func (c *checker) endFolder(none bool) {
	if none || c.parent == usersID || c.above.removed || c.above.user == 0 {
		return
	}
	if u := c.usage(c.parent); u.Bytes != c.weights {
		c.problem("folder %d: its size is recorded as %d bytes, its entries add up to %d", c.parent, u.Bytes, c.weights)
	}
}

func label(n *Node) string { return fmt.Sprintf("%q (node %d)", n.Name, n.ID) }

func (c *checker) entry(k []byte, n *Node) error {
	if !bytes.Equal(k, entryKey(n.Parent, n.Kind.class(), n.Name, n.ID)) {
		c.problem("%s: filed under another name than its own", label(n))
	}
	if !bytes.Equal(c.ids.Get(idKey(n.ID)), k) {
		c.problem("%s: its number leads elsewhere", label(n))
	}
	// Names end up in paths of archives, and tokens in paths of files.
	if err := CheckName(n.Name); err != nil {
		c.problem("%s: %v", label(n), err)
	}
	if err := c.revisions(n); err != nil {
		return err
	}
	if c.above.removed {
		return nil // the server frees it when it next runs
	}
	if c.above.user == 0 {
		c.problem("%s: the folder %d it is in does not exist, or leads to no account", label(n), n.Parent)
		return nil
	}
	if !fits(n.Kind, c.above.kind) {
		c.problem("%s: a node of kind %d is in one of kind %d", label(n), n.Kind, c.above.kind)
	}
	user := c.above.user
	if n.Kind == KindUser {
		user = n.ID
	}
	if n.Deleted != 0 {
		if !hasKey(c.trash, trashKey(user, n)) {
			c.problem("%s: trashed, but not in the list of the trash", label(n))
		}
	} else {
		c.weights += c.weight(n)
		c.unique(k, n)
	}
	if n.PublicURI != "" {
		if id, ok := parseID(c.shares.Get(shareKey(user, n.PublicURI))); !ok || id != n.ID {
			c.problem("%s: shared, but its link leads elsewhere", label(n))
		}
	}
	if n.Kind != KindFile && !hasPrefix(c.entries, idKey(n.ID)) {
		if u := c.usage(n.ID); u.Bytes != 0 {
			c.problem("%s: empty, but recorded with %d bytes", label(n), u.Bytes)
		}
	}
	return nil
}

// unique checks that nothing live has the same name.
func (c *checker) unique(k []byte, n *Node) {
	name := k[:len(k)-8]
	twin := bytes.Equal(name, c.lastName)
	if !twin && n.Kind == KindFile {
		d, ok, err := c.lookup(n.Parent, n.Name, classDir)
		twin = err == nil && ok && d.Deleted == 0
	}
	if twin {
		c.problem("%s: two live entries of folder %d have this name", label(n), n.Parent)
	}
	c.lastName = append(c.lastName[:0], name...)
}

func (c *checker) revisions(n *Node) error {
	if n.Kind != KindFile && len(n.Revisions) > 0 {
		c.problem("%s: not a file, but has revisions", label(n))
	}
	for i := range n.Revisions {
		r := &n.Revisions[i]
		if i > 0 && r.Number >= n.Revisions[i-1].Number {
			c.problem("%s: revision %d follows %d", label(n), r.Number, n.Revisions[i-1].Number)
		}
		switch {
		case r.State == Completed && r.Size == 0 && r.MD5 != emptyMD5:
			c.problem("%s: revision %d is empty, but its digest is not that of nothing", label(n), r.Number)
		case r.State == Completed && r.Size > 0:
			if err := c.uses.add(blobKey(r.MD5, r.Size), 1); err != nil {
				return err
			}
		case r.State != Completed && r.State != Incomplete && r.State != Corrupt:
			c.problem("%s: revision %d has the unknown state %v", label(n), r.Number, r.State)
		}
		if r.token != "" {
			if u, err := decodeUpload(c.uploads.Get([]byte(r.token))); err != nil || u.node != n.ID {
				c.problem("%s: revision %d waits for an upload that does not exist", label(n), r.Number)
			}
		}
	}
	return nil
}

// hasKey tells whether a key is there, even if its value is empty.
func hasKey(b *bolt.Bucket, key []byte) bool {
	k, _ := b.Cursor().Seek(key)
	return bytes.Equal(k, key)
}

func hasPrefix(b *bolt.Bucket, prefix []byte) bool {
	k, _ := b.Cursor().Seek(prefix)
	return bytes.HasPrefix(k, prefix)
}

func (c *checker) idsStep() error {
	return c.scan(c.ids, func(k, v []byte) error {
		id, ok := parseID(k)
		if !ok || len(v) < 8 || !bytes.Equal(v[len(v)-8:], k) || c.entries.Get(v) == nil {
			c.problem("number %d leads to no entry", id)
		}
		return nil
	})
}

func (c *checker) sizesStep() error {
	return c.scan(c.sizes, func(k, v []byte) error {
		id, ok := parseID(k)
		if !ok || len(v) != 16 || c.ids.Get(k) == nil {
			c.problem("a size is recorded for node %d, which does not exist", id)
		}
		return nil
	})
}

func (c *checker) trashStep() error {
	return c.scan(c.trash, func(k, _ []byte) error {
		if len(k) != 24 {
			c.problem("trash: malformed entry %x", k)
			return nil
		}
		id, when := ID(binary.BigEndian.Uint64(k[16:])), int64(binary.BigEndian.Uint64(k[8:]))
		n, err := c.node(id)
		switch at := c.locate(id); {
		case err != nil:
			c.problem("trash: node %d does not exist", id)
		case !at.removed && (n.Deleted != when || at.user != ID(binary.BigEndian.Uint64(k))):
			c.problem("trash: %s is not trashed, or not then, or not there", label(&n))
		}
		return nil
	})
}

func (c *checker) sharesStep() error {
	return c.scan(c.shares, func(k, v []byte) error {
		id, ok := parseID(v)
		n, err := c.node(id)
		if !ok || err != nil || len(k) < 8 || n.PublicURI != string(k[8:]) {
			c.problem("a link leads to node %d, which does not have it", id)
		}
		return nil
	})
}

func (c *checker) uploadsStep() error {
	return c.scan(c.uploads, func(k, v []byte) error {
		u, err := decodeUpload(v)
		if err == nil && !isToken(string(k)) {
			err = errors.New("that is not the name of one")
		}
		if err != nil {
			c.problem("upload %q: %v", k, err)
			return nil
		}
		n, err := c.node(u.node)
		waits := false
		for i := range n.Revisions {
			waits = waits || n.Revisions[i].token == string(k)
		}
		if err != nil || !waits {
			c.problem("upload %s: no revision waits for it", k)
		}
		fi, err := os.Stat(c.s.uploadFile(string(k)))
		if err == nil && fi.Size() > u.size {
			c.problem("upload %s: holds %d bytes of %d", k, fi.Size(), u.size)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// countsStep compares how often contents are used with how often they are said to be.
func (c *checker) countsStep() error {
	cur := c.blobs.Cursor()
	k, v := cur.First()
	recorded := func() int64 {
		if len(v) != 8 {
			return 0
		}
		return int64(binary.BigEndian.Uint64(v))
	}
	unused := func() {
		c.problem("content %s: recorded as used %d times, but nothing uses it", blobLabel(k), recorded())
		k, v = cur.Next()
	}
	err := c.uses.each(func(key []byte, n int64) error {
		for k != nil && bytes.Compare(k, key) < 0 {
			unused()
		}
		if !bytes.Equal(k, key) {
			c.problem("content %s: used %d times, but not recorded", blobLabel(key), n)
			return nil
		}
		if recorded() != n {
			c.problem("content %s: used %d times, but recorded as used %d times", blobLabel(key), n, recorded())
		}
		k, v = cur.Next()
		return c.ctx.Err()
	})
	for err == nil && k != nil {
		unused()
	}
	return err
}

// holdingsStep compares what accounts hold with what they are said to hold, unless the
// next server counts that anyway.
func (c *checker) holdingsStep() (err error) {
	if last := c.entries.Tx(); !counted(last, last.ID()) {
		return nil
	}
	uses, err := newTally()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, uses.close()) }()
	held, err := c.holdings(uses)
	if err != nil {
		return err
	}
	cur := c.owned.Cursor()
	k, v := cur.First()
	more := func() {
		c.problem("%s: recorded with %d revisions, but has none", ownedLabel(k), parseCount(v))
		k, v = cur.Next()
	}
	err = uses.each(func(key []byte, n int64) error {
		for k != nil && bytes.Compare(k, key) < 0 {
			more()
		}
		recorded := int64(0)
		if bytes.Equal(k, key) {
			recorded = parseCount(v)
			k, v = cur.Next()
		}
		if recorded != n {
			c.problem("%s: has %d revisions, but is recorded with %d", ownedLabel(key), n, recorded)
		}
		return c.ctx.Err()
	})
	for err == nil && k != nil {
		more()
	}
	if err != nil {
		return err
	}
	return c.eachUser(func(user ID) error {
		if is, said := held[user], c.holds(user); is != said {
			c.problem("account %d: holds %d bytes, but is recorded with %d", user, is, said)
		}
		return nil
	})
}

func ownedLabel(k []byte) string {
	if len(k) < 8 {
		return fmt.Sprintf("%x", k)
	}
	return fmt.Sprintf("account %d, content %s", binary.BigEndian.Uint64(k), blobLabel(k[8:]))
}

func blobLabel(k []byte) string {
	m, size, ok := splitBlobKey(k)
	if !ok {
		return fmt.Sprintf("%x", k)
	}
	return fmt.Sprintf("%s of %d bytes", m, size)
}

// garbageStep looks for contents in use that the janitor would throw away.
func (c *checker) garbageStep() error {
	return c.scan(c.garbage, func(k, _ []byte) error {
		if c.blobs.Get(k) != nil {
			c.problem("content %s: in use, but listed to be thrown away", blobLabel(k))
		}
		return nil
	})
}
