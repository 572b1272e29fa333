package store

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// fillHoldings has two accounts hold the same and different contents, in all the places there
// are.
func fillHoldings(s *testStore) {
	s.t.Helper()
	must(s.t, s.EnsureUser("v"))
	for i, text := range []string{"one", "two", "three", "four", "five", "six", "seven"} {
		s.put("/Jotta/Archive/f", text) // more than are kept
		s.put("/Jotta/Archive/d/"+text, strings.Repeat(text, i))
	}
	s.put("/Jotta/Archive/g", "one") // of an old revision
	for _, p := range []string{"/Jotta/Archive/f", "/Jotta/Archive/d"} {
		if _, err := s.Trash(user, at(p), strings.HasSuffix(p, "d")); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, u := range []string{user, "v"} {
		for _, text := range []string{"pending of " + u, "never sent"} {
			if _, err := s.Allocate(u, at("/Jotta/Archive/p/"+text), content(text)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	a, err := s.Allocate("v", at("/Jotta/Archive/x"), content("six"))
	if err != nil || a.State != Incomplete {
		s.t.Fatalf("the digest of another account's content: %v, %v", a.State, err)
	}
	_, _, err = s.Receive(s.t.Context(), Delivery{User: "v", Token: a.Token, Body: strings.NewReader("six")})
	must(s.t, err)
}

// A store from before accounts were kept apart, one that was moved, and one that an older
// program has changed are counted when they are opened: what an account has, it has
// proven to have.
func TestHoldingsOfOlderStores(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	fillHoldings(s)
	s.verify()
	want := make(map[string]int64)
	for _, u := range []string{user, "v"} {
		n, err := s.Held(u)
		must(t, err)
		want[u] = n
	}
	if want["v"] != int64(len("pending of v")+len("never sent")+len("six")) {
		t.Errorf("v holds %d bytes", want["v"])
	}
	check := func(what, dir string) {
		t.Helper()
		s := openTest(t, dir, s.clock)
		s.verify()
		for _, u := range []string{user, "v"} {
			if got, err := s.Held(u); err != nil || got != want[u] {
				t.Errorf("%s: %s holds %d bytes, want %d; %v", what, u, got, want[u], err)
			}
		}
		for u, known := range map[string]State{user: Completed, "v": Incomplete} {
			if a, err := s.Allocate(u, at("/Jotta/Archive/again"), content("four")); err != nil || a.State != known {
				t.Errorf("%s: %s gets the content of an old revision of u: %v, %v, want %v", what, u, a.State, err, known)
			}
			if _, err := s.Remove(u, at("/Jotta/Archive/again"), false); err != nil {
				t.Fatal(err)
			}
		}
		s.tidyUp()
		s.verify()
		must(t, s.Close())
	}
	upToDate := func() {
		t.Helper()
		must(t, s.db.View(func(b *bolt.Tx) error {
			if !counted(b, b.ID()) {
				t.Error("the store would be counted again")
			}
			return nil
		}))
		must(t, s.Close())
	}
	upToDate()
	s = openTest(t, dir, s.clock)
	upToDate() // nothing but opening it has happened
	check("as it is", dir)

	var stream bytes.Buffer
	_, _, err := Export(t.Context(), dir, &stream)
	must(t, err)
	moved := filepath.Join(t.TempDir(), "moved")
	_, _, err = Import(t.Context(), moved, &stream)
	must(t, err)
	check("moved", moved)

	change := func(fn func(*bolt.Tx) error) {
		t.Helper()
		db, err := bolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
		must(t, err)
		must(t, db.Update(fn))
		must(t, db.Close())
	}
	change(func(b *bolt.Tx) error {
		for _, name := range holdings {
			must(t, b.DeleteBucket(name))
		}
		return nil
	})
	check("of an older program", dir)
	change(func(b *bolt.Tx) error { // which does not know of holdings
		return b.Bucket(bucketOwned).ForEach(func(k, _ []byte) error { return b.Bucket(bucketOwned).Delete(k) })
	})
	check("changed by an older program", dir)
}

func TestCheckFindsWrongHoldings(t *testing.T) {
	for what, harm := range map[string]func(t *tx) error{
		"has 1 revisions, but is recorded with 0": func(t *tx) error {
			k, _ := t.owned.Cursor().First()
			return t.owned.Delete(k)
		},
		"recorded with 1 revisions, but has none": func(t *tx) error { return putCount(t.owned, ownedKey(77, MD5{}, 5), 1) },
		"bytes, but is recorded with":             func(t *tx) error { return t.hold(firstFreeID+1, 1) },
	} {
		dir := t.TempDir()
		s := openTest(t, dir, nil)
		s.put("/Jotta/Archive/f", "content")
		must(t, s.update(harm))
		must(t, s.Close())
		var found []string
		_, err := Check(t.Context(), dir, true, func(f Finding) { found = append(found, f.Text) })
		must(t, err)
		if len(found) != 1 || !strings.Contains(found[0], what) {
			t.Errorf("found %q, want what contains %q", found, what)
		}
	}
}

// What was removed makes room at once, even if nobody has got round to freeing it.
func TestRemovedMakesRoomAtOnce(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	s.stop() // the janitor
	for _, name := range []string{"1", "2", "3"} {
		s.put("/Jotta/Archive/d/e/"+name, "five"+name)
	}
	if _, err := s.Remove(user, at("/Jotta/Archive/d"), true); err != nil {
		t.Fatal(err)
	}
	limited := func(text string) Content {
		c := content(text)
		c.Quota = 15
		return c
	}
	if held, err := s.Held(user); err != nil || held != 15 {
		t.Errorf("held before it is freed: %d, %v", held, err)
	}
	if _, err := s.Allocate(user, at("/Jotta/Archive/f"), limited("fifteen bytes..")); err != nil {
		t.Error(err)
	}
	if held, err := s.Held(user); err != nil || held != 15 {
		t.Errorf("held afterwards: %d, %v", held, err)
	}
	if _, err := s.Allocate(user, at("/Jotta/Archive/g"), limited("x")); !errors.Is(err, ErrQuota) {
		t.Errorf("beyond the quota: %v", err)
	}
	s.verify()
}
