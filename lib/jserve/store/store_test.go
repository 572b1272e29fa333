package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestRandomChanges does whatever comes, and verifies the store again and again,
// with a restart now and then.
func TestRandomChanges(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			dir := t.TempDir()
			s := openTest(t, dir, nil)
			pick := func(from ...string) string { return from[random.IntN(len(from))] }
			path := func() string {
				p := pick("/Jotta/Archive", "/Jotta/Sync", "/PC/mount")
				for range 1 + random.IntN(3) {
					p += "/" + pick("a", "B", "c d", "Ä")
				}
				return p
			}
			text := func() string {
				return strings.Repeat(pick("x", "y", "z"), pick2(random, 0, 1, 5, 300_000))
			}
			if _, err := s.MakeDevice(user, "PC", ""); err != nil {
				t.Fatal(err)
			}
			for i := range 400 {
				s.clock.Add(int64(random.IntN(3)))
				p := path()
				var err error
				switch random.IntN(18) {
				case 0, 1, 2, 3:
					err = s.tryPut(p, text())
				case 4:
					var a Allocation
					if a, err = s.Allocate(user, at(p), content(text()+"?")); err == nil && a.Token != "" {
						err = s.deliver(a.Token, 0, pick("", "?", "wrong", "x"))
					}
				case 5:
					c := text()
					var a Allocation
					if a, err = s.AllocateRaw(user, at(p), content(c), int64(len(c))); err == nil {
						err = s.deliver(a.Token, a.Received, c)
					}
				case 6, 7:
					_, err = s.MakeFolder(user, at(p))
				case 8, 9, 10:
					_, err = s.Trash(user, at(p), random.IntN(2) == 0)
				case 11:
					_, err = s.Remove(user, at(p), random.IntN(2) == 0)
				case 12, 13:
					_, err = s.Move(user, at(p), at(path()), random.IntN(2) == 0)
				case 14:
					_, err = s.Copy(user, at(p), at(path()), -1)
				case 15:
					_, err = s.Rehash(user, at(p), content(text()))
				case 16:
					if _, err = s.Share(user, at(p)); err == nil && random.IntN(2) == 0 {
						_, err = s.Unshare(user, at(p))
					}
				case 17:
					switch random.IntN(12) {
					case 0:
						_, _, err = s.PurgeTrash(user)
					case 1:
						s.clock.Add(8 * 24 * 3600) // unfinished uploads end
					case 2:
						_, _, err = s.MakeMountPoint(user, at("/PC/mount"))
					case 3:
						_, err = s.Trash(user, at("/PC/mount"), false)
					}
				}
				if err != nil && !expected(err) {
					t.Fatalf("step %d at %s: %v", i, p, err)
				}
				if i%40 == 39 {
					s.tidyUp()
					s.verify()
				}
				if i%100 == 99 {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = openTest(t, dir, s.clock)
					s.tidyUp() // or the janitor, which has just started, is in the middle of it
					s.verify()
				}
				if t.Failed() {
					t.Fatalf("after step %d", i)
				}
			}
			// After everything is purged nothing is left.
			for _, p := range []string{"/Jotta/Archive", "/Jotta/Sync"} {
				e := s.stat(p)
				var names []string
				if err := s.Children(e.ID, 0, func(n *Node) error { names = append(names, n.Name); return nil }); err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					for range 9 { // live and trashed ones of the same name
						s.Remove(user, at(p+"/"+name), true)
						s.Remove(user, at(p+"/"+name), false)
					}
				}
			}
			if _, err := s.Remove(user, at("/PC"), false); err != nil {
				t.Fatal(err)
			}
			s.tidyUp()
			s.verify()
			if got, err := s.Count(); err != nil || got.Blobs != 0 || got.Nodes != 5 { // account, device, three mount points
				t.Errorf("after removing everything: %+v, %v", got, err)
			}
		})
	}
}

func pick2(random *rand.Rand, from ...int) int { return from[random.IntN(len(from))] }

// expected are errors of changes that make no sense where they fall.
func expected(err error) bool {
	for _, e := range []error{ErrNoPath, ErrNoFile, ErrNoMountPoint, ErrNoContent, ErrConflict, ErrInvalid, ErrForbidden, ErrIncomplete, ErrCorrupt} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func TestFailureLeavesNeighboursAlone(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	boom := errors.New("boom")
	// All are queued while the committer is held up, so they share one commit.
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.update(func(*tx) error { close(held); <-hold; return nil })
	})
	<-held
	results := make([]error, 20)
	for i := range results {
		wg.Go(func() {
			results[i] = s.update(func(t *tx) error {
				id, err := t.user(user)
				if err != nil {
					return err
				}
				if _, err := t.newChild(id.ID, KindDevice, fmt.Sprint("device ", i)); err != nil {
					return err
				}
				if i%3 == 0 {
					return boom // after it has changed something
				}
				return nil
			})
		})
	}
	for len(s.queue) < len(results) {
		time.Sleep(time.Millisecond) // only until all are queued; nothing is assumed about how long
	}
	close(hold)
	wg.Wait()
	for i, err := range results {
		_, statErr := s.Stat(user, NewPath(fmt.Sprint("device ", i)))
		if i%3 == 0 && (err != boom || !errors.Is(statErr, ErrNoMountPoint)) || i%3 != 0 && (err != nil || statErr != nil) {
			t.Errorf("change %d: %v, afterwards %v", i, err, statErr)
		}
	}
	s.verify()
}

// TestErrorIsNotFromANeighbour has a change fail because of one before it that
// is then undone: it must be tried again by itself.
func TestErrorIsNotFromANeighbour(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	taken := errors.New("taken")
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.update(func(*tx) error { close(held); <-hold; return nil })
	})
	<-held
	queue := func(fn func(t *tx, u ID) error) (result chan error) {
		result = make(chan error, 1)
		before := len(s.queue)
		wg.Go(func() {
			result <- s.update(func(t *tx) error {
				u, err := t.user(user)
				if err != nil {
					return err
				}
				return fn(t, u.ID)
			})
		})
		for len(s.queue) == before {
			time.Sleep(time.Millisecond) // only until it is queued
		}
		return result
	}
	make := func(t *tx, u ID) error {
		if _, ok, err := t.lookup(u, "device", classDir); ok || err != nil {
			return errors.Join(taken, err)
		}
		_, err := t.newChild(u, KindDevice, "device")
		return err
	}
	runs := 0
	queue(func(t *tx, u ID) error {
		if runs++; runs > 1 {
			return errors.New("thought better of it")
		}
		return make(t, u)
	})
	second := queue(make)
	close(hold)
	wg.Wait()
	if err := <-second; err != nil {
		t.Errorf("the second change: %v, though the first did not stay", err)
	}
}

func TestBrokenBodyKeepsBytes(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	broken := errors.New("connection reset")
	for _, size := range []int{100, 400_000} {
		text := strings.Repeat(fmt.Sprint(size%7), size)
		path := fmt.Sprint("/Jotta/Archive/", size)
		a, err := s.Allocate(user, at(path), content(text))
		if err != nil {
			t.Fatal(err)
		}
		body := io.MultiReader(strings.NewReader(text[:size/2]), iotest.ErrReader(broken))
		if _, _, err = s.Receive(t.Context(), Delivery{User: user, Token: a.Token, Body: body}); !errors.Is(err, broken) {
			t.Fatalf("Receive = %v, want the reader's error", err)
		}
		again, err := s.Allocate(user, at(path), content(text))
		if err != nil || again.Token != a.Token || again.Received != int64(size/2) {
			t.Fatalf("Allocate again = %+v, %v, want %d bytes held", again, err, size/2)
		}
		if err := s.deliver(a.Token, again.Received, text[size/2:]); err != nil {
			t.Fatal(err)
		}
	}
	s.verify()
}

func TestConcurrentUploadsOfOneContent(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	text := strings.Repeat("same", 100_000)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			path := fmt.Sprint("/Jotta/Archive/d/", i)
			if err := s.tryPut(path, text); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if _, err := s.Remove(user, at(path), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.tidyUp()
	s.verify()
	if got, err := s.Count(); err != nil || got.Blobs != 1 {
		t.Errorf("%+v, %v, want one blob", got, err)
	}
}

// TestContentComesBack removes and uploads the same content while the janitor runs.
// TestDamagedBlobIsSentAgain: a content whose file is not what it was is not
// known, not even where it is, and the next upload puts it right for all.
func TestDamagedBlobIsSentAgain(t *testing.T) {
	for name, damage := range map[string]func(blob string) error{
		"removed":   os.Remove,
		"cut short": func(blob string) error { return os.Truncate(blob, 3) },
	} {
		s := openTest(t, t.TempDir(), nil)
		s.put("/Jotta/Archive/a", "content")
		c := content("content")
		if err := damage(s.blobFile(c.MD5, c.Size)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Rehash(user, at("/Jotta/Archive/b"), c); !errors.Is(err, ErrNoContent) {
			t.Errorf("%s: Rehash = %v, want ErrNoContent", name, err)
		}
		for _, path := range []string{"/Jotta/Archive/a", "/Jotta/Archive/b"} {
			if a, err := s.Allocate(user, at(path), c); err != nil || a.State == Completed {
				t.Errorf("%s: Allocate %s = %v, %v; want an upload", name, path, a.State, err)
			}
		}
		s.put("/Jotta/Archive/b", "content")
		for _, path := range []string{"/Jotta/Archive/a", "/Jotta/Archive/b"} {
			e := s.stat(path)
			f, err := s.OpenBlob(e.Current())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(f); err != nil || string(b) != "content" {
				t.Errorf("%s: %s holds %q, %v", name, path, b, err)
			}
			f.Close()
		}
		s.verify()
	}
}

func TestContentComesBack(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := s.Tidy(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 60 {
		s.put("/Jotta/Archive/f", "content")
		e := s.stat("/Jotta/Archive/f")
		f, err := s.OpenBlob(e.Current())
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if _, err := s.Remove(user, at("/Jotta/Archive/f"), false); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
	s.tidyUp()
	s.verify()
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	s.put("/Jotta/Archive/f", "kept")
	a, err := s.Allocate(user, at("/Jotta/Archive/g"), content("unfinished"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.deliver(a.Token, 0, "unfin"); !errors.Is(err, ErrIncomplete) {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open = %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.EnsureUser("late"); !errors.Is(err, ErrClosed) {
		t.Errorf("change after Close = %v, want ErrClosed", err)
	}
	if _, err := s.Stat(user, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Stat after Close = %v, want ErrClosed", err)
	}

	// What a crash may leave: bytes of no target, and a blob whose commit did not come.
	if err := os.WriteFile(s.uploadFile("0123"), []byte("stale"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := func() (Allocation, error) {
		s = openTest(t, dir, s.clock)
		return s.Allocate(user, at("/Jotta/Archive/h"), content("orphan"))
	}()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.uploadFile("0123")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stale bytes after Open: %v", err)
	}
	orphan := s.blobFile(content("orphan").MD5, 6)
	if err := s.placeBlob(content("orphan").MD5, 6, func(blob string) error { return writeFile(blob, []byte("orp")) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openTest(t, dir, s.clock)
	s.tidyUp()
	if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("orphaned blob after Open: %v", err)
	}
	if err := s.deliver(b.Token, 0, "orphan"); err != nil {
		t.Error(err)
	}
	g := s.stat("/Jotta/Archive/g")
	if got := s.Received(g.Latest()); got != 5 {
		t.Errorf("%d bytes held after a restart, want 5", got)
	}
	s.verify()
}

func TestOtherVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	if err := s.db.Update(func(b *bolt.Tx) error { return b.Bucket(bucketMeta).Put(keyVersion, []byte("12345678")) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if other, err := Open(dir, Options{}); err == nil {
		other.Close()
		t.Error("Open took a store of another version")
	}
}

func TestUploadsExpire(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	s.put("/Jotta/Archive/f", "old")
	for _, path := range []string{"/Jotta/Archive/f", "/Jotta/Archive/new"} {
		a, err := s.Allocate(user, at(path), content("unfinished "+path))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.deliver(a.Token, 0, "unf"); !errors.Is(err, ErrIncomplete) {
			t.Fatal(err)
		}
	}
	s.clock.Add(7*24*3600 + 1)
	s.tidyUp()
	e := s.stat("/Jotta/Archive/f")
	if e.Latest() != nil || e.Current() == nil {
		t.Errorf("after 7 days: %+v", e.Revisions)
	}
	if _, err := s.Stat(user, at("/Jotta/Archive/new")); !errors.Is(err, ErrNoPath) {
		t.Errorf("a file that never had content: %v", err)
	}
	s.verify()
}

// TestWalkWhileChanging makes a folder anew under the same name in the middle of a walk.
func TestWalkWhileChanging(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	for _, name := range []string{"a", "b", "c"} {
		s.put("/Jotta/Archive/"+name+"/f", name)
	}
	e := s.stat("/Jotta/Archive")
	var seen []string
	w := s.Walk(&e.Node, "", true)
	w.Enter = func(f *Folder) { seen = append(seen, f.Path()+"/") }
	w.File = func(f *Folder, n *Node) { seen = append(seen, f.Path()+"/"+n.Name) }
	for {
		more, err := w.Next(1)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		if len(seen) > 0 && seen[len(seen)-1] == "/Archive/b/f" {
			if _, err := s.Remove(user, at("/Jotta/Archive/b"), true); err != nil {
				t.Fatal(err)
			}
			s.put("/Jotta/Archive/b/f", "again")
			seen = append(seen, "!")
		}
	}
	if got, want := strings.Join(seen, " "), "/Archive/ /Archive/a/ /Archive/a/f /Archive/b/ /Archive/b/f ! /Archive/c/ /Archive/c/f"; got != want {
		t.Errorf("walk = %s\nwant   %s", got, want)
	}
}

func TestChildrenPages(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	const files = 600
	for i := range files {
		s.put(fmt.Sprintf("/Jotta/Archive/%04d", i), "")
	}
	e := s.stat("/Jotta/Archive")
	n, last := 0, ""
	err := s.Children(e.ID, 0, func(c *Node) error {
		if c.Name <= last {
			t.Errorf("%s comes after %s", c.Name, last)
		}
		n, last = n+1, c.Name
		return nil
	})
	if err != nil || n != files {
		t.Errorf("Children visited %d, %v, want %d", n, err, files)
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"abc", "ABC", true}, {"Äé", "äÉ", true}, {"σ", "ς", true}, {"K", "k", true}, {"ſ", "S", true},
		{"ß", "ss", false}, {"é", "e", false}, {"é", "e\u0301", false}, {"İ", "i", false}, {"\xff", "\xfe", false}, {"a\xffB", "A\xffb", true},
	} {
		if got := Fold(tt.a) == Fold(tt.b); got != tt.same {
			t.Errorf("Fold(%q) == Fold(%q) is %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"abc", "ÄÖ", "\xff", "ﬀ", "ǅ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := Fold(s)
		if Fold(folded) != folded {
			t.Errorf("Fold(%q) = %q, folded again %q", s, folded, Fold(folded))
		}
		if !strings.EqualFold(s, folded) {
			t.Errorf("Fold(%q) = %q, which strings.EqualFold denies", s, folded)
		}
	})
}

func FuzzDecodeNode(f *testing.F) {
	n := Node{ID: 7, Parent: 3, Kind: KindFile, Name: "ä", Deleted: 5, PublicURI: "x", Revisions: []Revision{{Number: 2, State: Completed, Size: 9, Created: -1, token: "t"}, {Number: 1}}}
	f.Add(entryKey(3, classFile, "ä", 7), appendNode(nil, &n))
	f.Add([]byte("short"), []byte{1})
	f.Add(make([]byte, 18), []byte{1, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		var n, again Node
		if decodeNode(key, value, &n) != nil {
			return
		}
		encoded := appendNode(nil, &n)
		if err := decodeNode(key, encoded, &again); err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !bytes.Equal(encoded, appendNode(nil, &again)) {
			t.Errorf("%x decoded and encoded is %x", value, encoded)
		}
	})
}

func FuzzDecodeUpload(f *testing.F) {
	f.Add(appendUpload(nil, &upload{node: 1, user: 2, size: 3, allocated: 4, echo: "/jfs/x"}))
	f.Fuzz(func(t *testing.T, value []byte) {
		u, err := decodeUpload(value)
		if err != nil {
			return
		}
		if again, err := decodeUpload(appendUpload(nil, &u)); err != nil || again != u {
			t.Errorf("%+v encoded and decoded is %+v, %v", u, again, err)
		}
	})
}

// FuzzParseBlobName: a name that is taken for a blob is the one that the blob has.
func FuzzParseBlobName(f *testing.F) {
	for _, s := range []string{"0cc175b9c0f1b6a831c399e269772661-1", "0CC175B9C0F1B6A831C399E269772661-1", "0cc175b9c0f1b6a831c399e269772661-01", "0cc175b9c0f1b6a831c399e269772661--1", "0cc175b9c0f1b6a831c399e269772661", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m, size, ok := parseBlobName(name)
		if ok && (size <= 0 || filepath.Base((&Store{}).blobFile(m, size)) != name) {
			t.Fatalf("parseBlobName(%q) = %v, %d", name, m, size)
		}
	})
}
