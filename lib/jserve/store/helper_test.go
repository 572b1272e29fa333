package store

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "u"

// testStore is a store with a clock that tests move.
type testStore struct {
	*Store
	t     testing.TB
	clock *atomic.Int64
}

func openTest(t testing.TB, dir string, clock *atomic.Int64) *testStore {
	t.Helper()
	if clock == nil {
		clock = new(atomic.Int64)
		clock.Store(1_700_000_000)
	}
	s, err := Open(dir, Options{Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.EnsureUser(user); err != nil {
		t.Fatal(err)
	}
	return &testStore{s, t, clock}
}

func at(path string) Path { return NewPath(strings.Split(strings.Trim(path, "/"), "/")...) }

func content(text string) Content {
	return Content{Size: int64(len(text)), MD5: md5.Sum([]byte(text)), Quota: -1}
}

func (s *testStore) put(path, text string) {
	s.t.Helper()
	if err := s.tryPut(path, text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *testStore) tryPut(path, text string) error {
	a, err := s.Allocate(user, at(path), content(text))
	if err != nil || a.State == Completed {
		return err
	}
	return s.deliver(a.Token, 0, text)
}

func (s *testStore) deliver(token string, offset int64, text string) error {
	_, _, err := s.Receive(s.t.Context(), Delivery{User: user, Token: token, Offset: offset, Body: strings.NewReader(text)})
	return err
}

func (s *testStore) stat(path string) Entry {
	s.t.Helper()
	e, err := s.Stat(user, at(path))
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *testStore) tidyUp() {
	s.t.Helper()
	if err := s.Tidy(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// verify holds the whole database and the directories against the rules that
// connect them. It must be called when nothing else is going on.
func (s *testStore) verify() {
	s.t.Helper()
	err := s.db.View(func(b *bolt.Tx) error {
		t := s.newTx(b)
		nodes := make(map[ID]Node)
		c := t.entries.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			var n Node
			if err := decodeNode(k, v, &n); err != nil {
				s.t.Errorf("entry %x: %v", k, err)
				continue
			}
			nodes[n.ID] = n.Clone()
			if !bytes.Equal(k, entryKey(n.Parent, n.Kind.class(), n.Name, n.ID)) || !bytes.Equal(t.ids.Get(idKey(n.ID)), k) {
				s.t.Errorf("node %d %q: its key or its number is wrong", n.ID, n.Name)
			}
		}
		if got := t.ids.Stats().KeyN; got != len(nodes) {
			s.t.Errorf("%d numbers for %d nodes", got, len(nodes))
		}
		s.verifyTree(t, nodes)
		s.verifyContents(t, nodes)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *testStore) verifyTree(t *tx, nodes map[ID]Node) {
	s.t.Helper()
	live := make(map[string]bool)
	sums := make(map[ID]int64)
	marked, shared := 0, 0
	for id, n := range nodes {
		if n.Parent != usersID && n.Parent != limboID {
			if p, ok := nodes[n.Parent]; !ok || p.Kind == KindFile {
				s.t.Errorf("node %d %q has no folder", id, n.Name)
			}
		}
		name := string(nameKey(n.Parent, classDir, n.Name))
		if n.Deleted == 0 && n.Parent != limboID {
			if live[name] {
				s.t.Errorf("two live nodes are called %q in folder %d", n.Name, n.Parent)
			}
			live[name] = true
		}
		if n.Deleted != 0 {
			marked++
			if t.trash.Get(trashKey(accountOf(nodes, n), &n)) == nil {
				s.t.Errorf("node %d %q is missing in the trash index", id, n.Name)
			}
		}
		if n.PublicURI != "" {
			shared++
			if !bytes.Equal(t.shares.Get(shareKey(accountOf(nodes, n), n.PublicURI)), idKey(id)) {
				s.t.Errorf("node %d %q is missing in the share index", id, n.Name)
			}
		}
		// A file counts in every folder up to the first that is trashed, which still counts it.
		if n.Kind == KindFile && n.Deleted == 0 {
			for p := n.Parent; p != usersID && p != limboID; p = nodes[p].Parent {
				sums[p] += n.currentSize()
				if nodes[p].Deleted != 0 {
					break
				}
			}
		}
	}
	if got := keys(t.trash); got != marked {
		s.t.Errorf("the trash index has %d entries, want %d", got, marked)
	}
	if got := keys(t.shares); got != shared {
		s.t.Errorf("the share index has %d entries, want %d", got, shared)
	}
	for id, n := range nodes {
		if n.Kind != KindFile && t.usage(id).Bytes != sums[id] {
			s.t.Errorf("folder %d %q: size %d, want %d", id, n.Name, t.usage(id).Bytes, sums[id])
		}
	}
}

func keys(b *bolt.Bucket) (n int) {
	_ = b.ForEach(func(_, _ []byte) error { n++; return nil })
	return n
}

func accountOf(nodes map[ID]Node, n Node) ID {
	for n.Parent != usersID && n.Parent != limboID {
		n = nodes[n.Parent]
	}
	return n.ID
}

func (s *testStore) verifyContents(t *tx, nodes map[ID]Node) {
	s.t.Helper()
	refs := make(map[string]uint64)
	tokens := 0
	for id, n := range nodes {
		if older := n.Older(); len(older) > maxOlder {
			s.t.Errorf("file %d %q has %d older revisions", id, n.Name, len(older))
		}
		for i, r := range n.Revisions {
			if i > 0 && n.Revisions[i-1].Number <= r.Number {
				s.t.Errorf("file %d %q: revision %d comes after %d", id, n.Name, r.Number, n.Revisions[i-1].Number)
			}
			if r.State == Completed && r.Size > 0 {
				refs[string(blobKey(r.MD5, r.Size))]++
			}
			if r.token != "" {
				tokens++
				if i > 0 || r.State != Incomplete || t.uploads.Get([]byte(r.token)) == nil {
					s.t.Errorf("file %d %q: revision %d must have no target", id, n.Name, r.Number)
				}
			}
		}
	}
	if got := keys(t.uploads); got != tokens {
		s.t.Errorf("%d upload targets, want %d", got, tokens)
	}
	if got := keys(t.blobs); got != len(refs) {
		s.t.Errorf("%d blobs, want %d", got, len(refs))
	}
	for k, n := range refs {
		if v := t.blobs.Get([]byte(k)); len(v) != 8 || binary.BigEndian.Uint64(v) != n {
			s.t.Errorf("blob %x is counted %x times, want %d", k, v, n)
		}
		m, size, _ := splitBlobKey([]byte(k))
		data, err := os.ReadFile(s.blobFile(m, size))
		if err != nil || md5.Sum(data) != m {
			s.t.Errorf("blob %s: %d bytes, %v", m, len(data), err)
		}
	}
	s.verifyFiles(t, len(refs))
	s.verifyHoldings(t)
}

// verifyHoldings counts what the accounts hold and compares it with what was kept up to
// date, change by change.
func (s *testStore) verifyHoldings(t *tx) {
	s.t.Helper()
	uses, err := newTally()
	if err != nil {
		s.t.Fatal(err)
	}
	defer uses.close()
	held, err := t.holdings(uses)
	if err != nil {
		s.t.Fatal(err)
	}
	owned := 0
	err = uses.each(func(key []byte, n int64) error {
		owned++
		if got := parseCount(t.owned.Get(key)); got != n {
			s.t.Errorf("%s is counted %d times, want %d", ownedLabel(key), got, n)
		}
		return nil
	})
	if got := keys(t.owned); err != nil || got != owned {
		s.t.Errorf("%d contents are owned, want %d; %v", got, owned, err)
	}
	for id, want := range held {
		if got := t.holds(id); got != want {
			s.t.Errorf("account %d holds %d bytes, want %d", id, got, want)
		}
	}
	for k := range limbo(t.removed) {
		if t.ids.Get([]byte(k)) == nil {
			s.t.Errorf("node %x is gone, but its account is remembered", k)
		}
	}
}

func limbo(b *bolt.Bucket) map[string]bool {
	ids := make(map[string]bool)
	_ = b.ForEach(func(k, _ []byte) error { ids[string(k)] = true; return nil })
	return ids
}

// verifyFiles looks for files that nothing needs.
func (s *testStore) verifyFiles(t *tx, blobs int) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "blobs", "*", "*"))
	if err != nil || len(files) != blobs+keys(t.garbage) {
		s.t.Errorf("%d blob files, %v, want %d and %d to be collected", len(files), err, blobs, keys(t.garbage))
	}
	partial, err := os.ReadDir(s.uploadDir())
	if err != nil {
		s.t.Error(err)
	}
	for _, p := range partial {
		if t.uploads.Get([]byte(p.Name())) == nil {
			s.t.Errorf("bytes received for %s are left over", p.Name())
		}
	}
}
