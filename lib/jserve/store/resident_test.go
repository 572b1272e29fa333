package store

import (
	"fmt"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// TestReleaseWhileChanging gives pages back at every step of a walk, while
// changes are committed.
func TestReleaseWhileChanging(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	for i := range 300 {
		s.put(fmt.Sprintf("/Jotta/Archive/d%d/f%d", i%10, i), "content")
	}
	ended := make(chan error)
	go func() {
		for i := range 100 {
			if err := s.tryPut(fmt.Sprintf("/Jotta/Sync/g%d", i), fmt.Sprint(i)); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	e := s.stat("/Jotta/Archive")
	for range 5 {
		files := 0
		w := s.Walk(&e.Node, e.Dir, true)
		w.File = func(*Folder, *Node) { files++ }
		for more := true; more; {
			w.seen = releaseAfter
			var err error
			if more, err = w.Next(7); err != nil {
				t.Fatal(err)
			}
			if w.seen != 0 {
				t.Fatal("no pages were given back")
			}
		}
		if files != 300 {
			t.Errorf("walked over %d files, want 300", files)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	must(t, s.db.Update(func(b *bolt.Tx) error { release(b); return nil }))
	s.verify()
}
