package store

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// atEnd calls fn when everything has been read.
type atEnd struct {
	io.Reader
	fn func()
}

func (r *atEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF && r.fn != nil {
		r.fn()
		r.fn = nil
	}
	return n, err
}

// TestReplacedWhileSent has another content announced for a file whose bytes are
// just coming in: they have nowhere to go, which the client is told, and nothing
// of them stays behind.
func TestReplacedWhileSent(t *testing.T) {
	for _, size := range []int{10, smallSize + 10} {
		for _, sent := range []int{size, size - 1} {
			s := openTest(t, t.TempDir(), nil)
			text := strings.Repeat("a", size)
			a, err := s.Allocate(user, at("/Jotta/Archive/f"), content(text))
			must(t, err)
			body := &atEnd{strings.NewReader(text[:sent]), func() {
				_, err := s.Allocate(user, at("/Jotta/Archive/f"), content("other"))
				must(t, err)
			}}
			_, _, err = s.Receive(t.Context(), Delivery{User: user, Token: a.Token, Body: body})
			if sent == size && !errors.Is(err, ErrNoUpload) || err == nil {
				t.Errorf("%d of %d bytes for a replaced target: %v", sent, size, err)
			}
			s.verify()
			if _, err := os.Lstat(s.uploadFile(a.Token)); err == nil {
				t.Errorf("%d of %d bytes for a replaced target have been kept", sent, size)
			}
		}
	}
}

// TestFailedSync has the disk refuse to keep what was received. The bytes may be
// gone then, although they can still be read, so none may count.
func TestFailedSync(t *testing.T) {
	broken := errors.New("input/output error")
	text := strings.Repeat("a", smallSize+100)
	for _, end := range []struct {
		name string
		body func(text string) io.Reader
		want error
	}{
		{"whole", func(s string) io.Reader { return strings.NewReader(s) }, broken},
		{"part", func(s string) io.Reader { return strings.NewReader(s[:len(s)-1]) }, broken},
		{"cut", func(s string) io.Reader {
			return io.MultiReader(strings.NewReader(s[:len(s)-1]), iotest.ErrReader(errors.New("reset")))
		}, ErrBroken},
	} {
		s := openTest(t, t.TempDir(), nil)
		a, err := s.Allocate(user, at("/Jotta/Archive/f"), content(text))
		must(t, err)
		if err := s.deliver(a.Token, 0, text[:50]); !errors.Is(err, ErrIncomplete) {
			t.Fatal(err)
		}
		s.syncFile = func(*os.File) error { return broken }
		_, _, err = s.Receive(t.Context(), Delivery{User: user, Token: a.Token, Offset: 50, Body: end.body(text[50:])})
		if !errors.Is(err, end.want) {
			t.Errorf("%s: Receive = %v, want %v", end.name, err, end.want)
		}
		s.syncFile = (*os.File).Sync
		if a, err = s.Allocate(user, at("/Jotta/Archive/f"), content(text)); err != nil || a.Received != 50 {
			t.Errorf("%s: %d bytes count after the sync failed, %v; want the 50 that were safe before", end.name, a.Received, err)
		}
		must(t, s.deliver(a.Token, a.Received, text[a.Received:]))
		s.verify()
	}
}

// TestDevicesAreNotTrashed: nothing could bring one back.
func TestDevicesAreNotTrashed(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	_, err := s.MakeDevice(user, "PC", "")
	must(t, err)
	if _, err := s.Trash(user, at("/PC"), false); !errors.Is(err, ErrInvalid) {
		t.Errorf("Trash of a device = %v, want ErrInvalid", err)
	}
	s.put("/PC/mount/f", "content")
	for _, kind := range []string{strings.Repeat("x", 300), "a\x00b"} {
		if _, err := s.MakeDevice(user, "PC2", kind); !errors.Is(err, ErrInvalid) {
			t.Errorf("a device of type %.10q = %v, want ErrInvalid", kind, err)
		}
	}
	s.verify()
}

// TestJanitorEndsDespiteDamage plants an entry in the index of the trash that
// belongs to nothing.
func TestJanitorEndsDespiteDamage(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	s.put("/Jotta/Archive/f", "content")
	live := s.stat("/Jotta/Archive/f")
	account, err := s.Stat(user, nil)
	must(t, err)
	must(t, s.db.Update(func(b *bolt.Tx) error {
		return errors.Join(
			b.Bucket(bucketTrash).Put(trashKey(account.ID, &Node{ID: 999, Deleted: 1}), nil),
			b.Bucket(bucketTrash).Put(trashKey(account.ID, &Node{ID: live.ID, Deleted: 1}), nil),
		)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Tidy(ctx); err != nil {
		t.Errorf("Tidy = %v; it is still at it", err)
	}
	if now := s.stat("/Jotta/Archive/f"); now.Deleted != 0 {
		t.Error("what is alive was deleted")
	}
	s.verify()
}

// TestChangesAreTold watches while some changes fail, and some do nothing.
func TestChangesAreTold(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	var told []Change
	s.Watch(func(changes []Change) { told = append(told, changes...) })
	s.put("/Jotta/Archive/d/f", "content")
	if _, err := s.Move(user, at("/Jotta/Archive/d"), at("/Jotta/Archive/new/D/d"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Move(user, at("/Jotta/Archive/new"), at("/Jotta/Archive/other/new/new"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Move(user, at("/Jotta/Archive/other"), at("/Jotta/Archive/other/x/y"), true); !errors.Is(err, ErrInvalid) {
		t.Fatal(err) // what it made on the way is not there, and not told
	}
	s.Watch(nil)
	_, err := s.Trash(user, at("/Jotta/Archive/other"), true)
	must(t, err)
	var got []string
	for _, c := range told {
		got = append(got, strings.TrimSpace(string('0'+rune(c.Kind))+" "+c.From+" "+c.Entry.Path()))
	}
	a := "/" + user + "/Jotta/Archive"
	want := []string{
		"1  " + a + "/d", "2  " + a + "/d/f", "1  " + a + "/new", "1  " + a + "/new/D", "6 " + a + "/d " + a + "/new/D/d",
		"1  " + a + "/other", "1  " + a + "/other/new", "6 " + a + "/new " + a + "/other/new/new",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("told of\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
