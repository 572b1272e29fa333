package store

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// furnish fills a store with something of everything.
func furnish(t *testing.T, dir string) {
	t.Helper()
	s := openTest(t, dir, nil)
	s.put("/Jotta/Archive/a/one", "content one")
	s.put("/Jotta/Archive/a/one", "content one, changed")
	s.put("/Jotta/Archive/a/twin", "content one")
	s.put("/Jotta/Archive/a/empty", "")
	s.put("/Jotta/Archive/b/c/deep", strings.Repeat("deep", 100_000))
	s.put("/Jotta/Archive/b/trashed", "trashed")
	s.put("/Jotta/Sync/gone/x", "below a trashed folder")
	for _, step := range []func() error{
		func() error { _, err := s.Trash(user, at("/Jotta/Archive/b/trashed"), false); return err },
		func() error { _, err := s.Trash(user, at("/Jotta/Sync/gone"), true); return err },
		func() error { _, err := s.Share(user, at("/Jotta/Archive/a/one")); return err },
		func() error { _, err := s.MakeDevice(user, "pc", "laptop"); return err },
		func() error { _, err := s.MakeFolder(user, at("/pc/home/me")); return err },
		func() error {
			a, err := s.Allocate(user, at("/Jotta/Archive/unfinished"), content("unfinished business"))
			if err == nil && !errors.Is(s.deliver(a.Token, 0, "unfin"), ErrIncomplete) {
				t.Error("part of an upload was not taken as such")
			}
			return err
		},
		func() error {
			a, err := s.Allocate(user, at("/Jotta/Archive/corrupt"), content("right"))
			if err == nil && !errors.Is(s.deliver(a.Token, 0, "wrong"), ErrCorrupt) {
				t.Error("a wrong upload was not taken as such")
			}
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	s.tidyUp()
	s.verify()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// findings checks a store and splits what comes of it.
func findings(t *testing.T, dir string) (problems, harmless []string, sum Summary) {
	t.Helper()
	sum, err := Check(t.Context(), dir, true, func(f Finding) {
		if f.Harmless {
			harmless = append(harmless, f.Text)
		} else {
			problems = append(problems, f.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if int(sum.Problems) != len(problems) || int(sum.Harmless) != len(harmless) {
		t.Errorf("Check counts %d and %d findings, but reports %d and %d", sum.Problems, sum.Harmless, len(problems), len(harmless))
	}
	return problems, harmless, sum
}

func TestCheckGoodStore(t *testing.T) {
	dir := t.TempDir()
	furnish(t, dir)
	problems, harmless, sum := findings(t, dir)
	if len(problems)+len(harmless) > 0 {
		t.Errorf("findings in a good store: %q, %q", problems, harmless)
	}
	if sum.Blobs != 5 || sum.Bytes < 400_000 || sum.Nodes < 15 {
		t.Errorf("sum = %+v", sum)
	}
}

// edit changes the database behind the store's back.
func edit(t *testing.T, dir string, fn func(t *tx) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{db: db, dir: dir, opts: Options{Now: time.Now}}
	err = db.Update(func(b *bolt.Tx) error { return fn(s.newTx(b)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// find loads a node of the store being edited.
func find(t *tx, path string) (Node, error) {
	chain, err := t.resolve(user, at(path))
	if err != nil {
		return Node{}, err
	}
	return t.node(chain[len(chain)-1].ID)
}

// onFile is an edit of one file's content.
func onFile(change func(t *testing.T, file string)) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		c := content("content one, changed")
		change(t, (&Store{dir: dir}).blobFile(c.MD5, c.Size))
	}
}

// onNode is an edit of one node.
func onNode(path string, change func(t *tx, n *Node) error) func(t *testing.T, dir string) {
	return func(tt *testing.T, dir string) {
		edit(tt, dir, func(t *tx) error {
			n, err := find(t, path)
			if err != nil {
				return err
			}
			return change(t, &n)
		})
	}
}

func TestCheckFindsDamage(t *testing.T) {
	one := "/Jotta/Archive/a/one"
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		says   string
	}{
		{"missing file", onFile(func(t *testing.T, f string) { must(t, os.Remove(f)) }), "its file is missing"},
		{"other length", onFile(func(t *testing.T, f string) { must(t, os.Truncate(f, 3)) }), "its file has 3 bytes"},
		{"flipped bit", onFile(func(t *testing.T, f string) { must(t, os.WriteFile(f, []byte("content one. changed"), 0o600)) }), "its file has the digest"},
		{"count too low", func(t *testing.T, dir string) {
			c := content("content one")
			edit(t, dir, func(t *tx) error { return t.unref(0, c.MD5, c.Size) })
		}, "used 2 times, but recorded as used 1 times"},
		{"content unrecorded", func(t *testing.T, dir string) {
			c := content("trashed")
			edit(t, dir, func(t *tx) error { return t.blobs.Delete(blobKey(c.MD5, c.Size)) })
		}, "used 1 times, but not recorded"},
		{"content of nobody", func(t *testing.T, dir string) {
			edit(t, dir, func(t *tx) error { return t.ref(0, MD5{1}, 5) })
		}, "recorded as used 1 times, but nothing uses it"},
		{"garbage in use", func(t *testing.T, dir string) {
			c := content("trashed")
			edit(t, dir, func(t *tx) error { return t.garbage.Put(blobKey(c.MD5, c.Size), nil) })
		}, "listed to be thrown away"},
		{"damaged entry", onNode(one, func(t *tx, n *Node) error {
			return t.entries.Put(entryKey(n.Parent, classFile, n.Name, n.ID), []byte("x"))
		}), "damaged node"},
		{"wrong key", onNode(one, func(t *tx, n *Node) error {
			return t.entries.Put(entryKey(n.Parent, classFile, "elsewhere", n.ID), appendNode(nil, n))
		}), "filed under another name"},
		{"no number", onNode(one, func(t *tx, n *Node) error { return t.ids.Delete(idKey(n.ID)) }), "its number leads elsewhere"},
		{"number of nobody", func(t *testing.T, dir string) {
			edit(t, dir, func(t *tx) error { return t.ids.Put(idKey(9999), entryKey(9, classFile, "x", 9999)) })
		}, "number 9999 leads to no entry"},
		{"no parent", onNode("/Jotta/Archive/b/c", func(t *tx, n *Node) error {
			return errors.Join(t.unlink(n), t.ids.Delete(idKey(n.ID)))
		}), "it is in does not exist"},
		{"inside itself", onNode("/Jotta/Archive/b/c", func(t *tx, n *Node) error {
			err := t.unlink(n)
			n.Parent = n.ID
			return errors.Join(err, t.insert(n))
		}), "leads to no account"},
		{"in a file", onNode("/Jotta/Archive/b/c", func(t *tx, n *Node) error {
			f, err := find(t, one)
			if err != nil {
				return err
			}
			err = t.unlink(n)
			n.Parent = f.ID
			return errors.Join(err, t.insert(n))
		}), "a node of kind 4 is in one of kind 5"},
		{"two of a name", onNode(one, func(t *tx, n *Node) error {
			_, err := t.newChild(n.Parent, KindFile, "ONE")
			return err
		}), "two live entries"},
		{"file and folder of a name", onNode(one, func(t *tx, n *Node) error {
			_, err := t.newChild(n.Parent, KindFolder, "ONE")
			return err
		}), "two live entries"},
		{"wrong sum", onNode("/Jotta/Archive/a", func(t *tx, n *Node) error { return t.putUsage(n.ID, Usage{Bytes: 1}) }), "add up to"},
		{"empty with a sum", onNode("/pc/home/me", func(t *tx, n *Node) error { return t.putUsage(n.ID, Usage{Bytes: 1}) }), "empty, but recorded with 1 bytes"},
		{"sum of nobody", func(t *testing.T, dir string) {
			edit(t, dir, func(t *tx) error { return t.putUsage(9999, Usage{}) })
		}, "a size is recorded for node 9999"},
		{"trashed off the list", onNode("/Jotta/Archive/b/trashed", func(t *tx, n *Node) error {
			u, err := t.user(user)
			return errors.Join(err, t.trash.Delete(trashKey(u.ID, n)))
		}), "not in the list of the trash"},
		{"list with a live one", onNode(one, func(t *tx, n *Node) error {
			u, err := t.user(user)
			n.Deleted = 5
			return errors.Join(err, t.trash.Put(trashKey(u.ID, n), nil))
		}), "is not trashed"},
		{"shared without link", onNode(one, func(t *tx, n *Node) error {
			u, err := t.user(user)
			return errors.Join(err, t.shares.Delete(shareKey(u.ID, n.PublicURI)))
		}), "its link leads elsewhere"},
		{"link of nobody", func(t *testing.T, dir string) {
			edit(t, dir, func(t *tx) error { return t.shares.Put(shareKey(16, "abc"), idKey(9999)) })
		}, "a link leads to node 9999"},
		{"upload gone", onNode("/Jotta/Archive/unfinished", func(t *tx, n *Node) error {
			return t.uploads.Delete([]byte(n.Revisions[0].token))
		}), "waits for an upload that does not exist"},
		{"upload of nobody", func(t *testing.T, dir string) {
			edit(t, dir, func(t *tx) error { return t.uploads.Put([]byte(newToken()), appendUpload(nil, &upload{node: 9999})) })
		}, "no revision waits for it"},
		{"upload outside of the store", onNode("/Jotta/Archive/unfinished", func(t *tx, n *Node) error {
			v := t.uploads.Get([]byte(n.Revisions[0].token))
			n.Revisions[0].token = "../../elsewhere"
			return errors.Join(t.put(n), t.uploads.Put([]byte(n.Revisions[0].token), v))
		}), `upload "../../elsewhere": that is not the name of one`},
		{"name that is a path", onNode(one, func(t *tx, n *Node) error {
			err := t.unlink(n)
			n.Name = "../one"
			return errors.Join(err, t.insert(n))
		}), "character '/' in name"},
		{"upload too long", onNode("/Jotta/Archive/unfinished", func(t *tx, n *Node) error {
			return os.WriteFile(t.s.uploadFile(n.Revisions[0].token), make([]byte, 100), 0o600)
		}), "holds 100 bytes of 19"},
		{"revisions out of order", onNode(one, func(t *tx, n *Node) error {
			n.Revisions[0].Number = 1
			return t.put(n)
		}), "revision 1 follows 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			furnish(t, dir)
			tt.damage(t, dir)
			if problems, _, _ := findings(t, dir); !strings.Contains(strings.Join(problems, "\n"), tt.says) {
				t.Errorf("findings = %q, want one with %q", problems, tt.says)
			}
		})
	}
}

func TestCheckTellsLeftoversFromDamage(t *testing.T) {
	dir := t.TempDir()
	furnish(t, dir)
	s := &Store{dir: dir}
	must(t, os.WriteFile(s.uploadFile("left"), nil, 0o600))
	must(t, os.MkdirAll(s.shardDir(0x0a), 0o700))
	must(t, os.WriteFile(s.blobFile(MD5{0x0a}, 4), []byte("left"), 0o600))
	must(t, os.WriteFile(filepath.Join(s.shardDir(0x0a), "notes.txt"), nil, 0o600))
	problems, harmless, _ := findings(t, dir)
	if len(problems) > 0 || len(harmless) != 3 {
		t.Errorf("findings = %q, and %q; want three harmless ones", problems, harmless)
	}
}

func TestCheckRefuses(t *testing.T) {
	nothing := func(Finding) {}
	dir := t.TempDir()
	if _, err := Check(t.Context(), dir, true, nothing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Check of an empty directory = %v, want ErrNotExist", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("Check left %v behind, %v", names, err)
	}
	s := openTest(t, dir, nil)
	if _, err := Check(t.Context(), dir, true, nothing); !errors.Is(err, ErrInUse) {
		t.Errorf("Check under a running server = %v, want ErrInUse", err)
	}
	must(t, s.Close())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ended, dir, true, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("Check with an ended context = %v", err)
	}
	db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	must(t, err)
	must(t, db.Update(func(b *bolt.Tx) error {
		return b.Bucket(bucketMeta).Put(keyVersion, binary.BigEndian.AppendUint64(nil, 99))
	}))
	must(t, db.Close())
	if _, err := Check(t.Context(), dir, true, nothing); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("Check of another version = %v", err)
	}
}

// TestCheckOfBrokenDatabase overwrites pages; whatever comes, it must not be a panic.
func TestCheckOfBrokenDatabase(t *testing.T) {
	good := t.TempDir()
	furnish(t, good)
	data, err := os.ReadFile(filepath.Join(good, "meta.db"))
	must(t, err)
	for page := 0; page*4096 < len(data); page++ {
		dir := t.TempDir()
		broken := append([]byte(nil), data...)
		for i := page * 4096; i < min((page+1)*4096, len(data)); i++ {
			broken[i] ^= byte(0x55 + i)
		}
		must(t, os.WriteFile(filepath.Join(dir, "meta.db"), broken, 0o600))
		if _, err := Check(t.Context(), dir, false, func(Finding) {}); err != nil && !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "version") {
			t.Errorf("page %d: %v", page, err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
