//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

func TestJudge(t *testing.T) {
	a, b, c := spool.Content{MD5: "a", Size: 1}, spool.Content{MD5: "b", Size: 1}, spool.Content{MD5: "c", Size: 1}
	for _, test := range []struct {
		name   string
		stored []spool.Content // the newest first
		before []spool.Content
		want   verdict
	}{
		{"what was there", []spool.Content{b}, []spool.Content{b}, mayGo},
		{"one of what may have been there", []spool.Content{b}, []spool.Content{c, b}, mayGo},
		{"the same", []spool.Content{a, b}, []spool.Content{b}, mayGo},
		{"back to what it was once", []spool.Content{b, a}, []spool.Content{b}, mayGo},
		{"somebody else", []spool.Content{c, b}, []spool.Content{b}, inTheWay},
		{"somebody else, where nothing was", []spool.Content{c}, nil, inTheWay},
		{"somebody else, after ours", []spool.Content{c, a, b}, []spool.Content{b}, hadIt},
		{"somebody else, after ours, where nothing was", []spool.Content{c, a}, nil, hadIt},
		{"somebody else, after another that was ours long ago", []spool.Content{c, b, a}, []spool.Content{b}, inTheWay},
	} {
		var all []jfs.Revision
		for _, s := range test.stored {
			all = append(all, jfs.Revision{State: record.StateCompleted, MD5: s.MD5, Size: s.Size})
		}
		info := jfs.Info{Entry: jfs.Entry{Kind: jfs.KindFile, Revision: all[0]}, Older: all[1:]}
		if got := judge(&info, test.before, a); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
		for _, change := range []func(*jfs.Info){
			func(i *jfs.Info) { i.Deleted = time.Now() },
			func(i *jfs.Info) { i.State = record.StateIncomplete },
			func(i *jfs.Info) { i.Kind = jfs.KindFolder },
		} {
			other := info
			change(&other)
			if got := judge(&other, test.before, a); got != mayGo {
				t.Errorf("%s, but not a file that is there: %d", test.name, got)
			}
		}
	}
}

// gated is a service that says what is at a path only after a while.
type gated struct {
	*cloud
	asked, answer chan struct{}
}

func (g *gated) Stat(ctx context.Context, p jfs.Path) (jfs.Info, error) {
	select {
	case g.asked <- struct{}{}:
	default:
	}
	<-g.answer
	return g.cloud.Stat(ctx, p)
}

func (g *gated) Account(context.Context) (jfs.Account, error) {
	return jfs.Account{}, errors.New("none")
}

// TestSpoolBeforeMount: nothing can be seen of a mount before the spool has been taken
// up, however long that takes.
func TestSpoolBeforeMount(t *testing.T) {
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		t.Skipf("FUSE is not here: %v", err)
	} else {
		f.Close()
	}
	top := t.TempDir()
	s, _, err := spool.Open(filepath.Join(top, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := s.Create()
	if err == nil {
		err = errors.Join(file.Place("/Jotta/Archive/old", time.Now(), nil), file.Commit(nil), file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Intend("/Jotta/Archive/old", "/Jotta/Archive/new"); err != nil { // and died
		t.Fatal(err)
	}
	s.Close()
	mnt := filepath.Join(top, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	service := &gated{newCloud(), make(chan struct{}, 1), make(chan struct{})} // the question may come before anybody waits for it
	type mounted struct {
		m   *Mounted
		err error
	}
	done := make(chan mounted, 1)
	go func() {
		m, err := Mount(service, Options{Dir: mnt, SpoolDir: filepath.Join(top, "spool"), CacheDir: filepath.Join(top, "cache"), CacheSize: 1 << 20,
			DirTTL: time.Minute, Timeout: time.Minute, WriteBack: time.Hour, Jobs: 1, Warn: t.Logf, Info: t.Logf})
		done <- mounted{m, err}
	}()
	<-service.asked
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), mnt) {
		t.Errorf("it is mounted already: %v", err)
	}
	close(service.answer)
	got := <-done
	if got.err != nil {
		t.Skipf("nothing can be mounted here: %v", got.err)
	}
	if out, err := exec.Command("ls", filepath.Join(mnt, "Jotta", "Archive", "new")).CombinedOutput(); err != nil {
		t.Errorf("the first look: %s, %v", out, err)
	}
	if err := got.m.Close(time.Minute); err != nil {
		t.Error(err)
	}
}

// odd is a service whose contents are not as long as it says.
type odd struct {
	*cloud
	more int64
}

func (o *odd) OpenRevision(context.Context, jfs.Path, int64, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(strings.Repeat("x", int(100+o.more)))), nil
}

// TestOddSizes: a content that is shorter than its size is an error, and one that is
// longer is not read beyond it.
func TestOddSizes(t *testing.T) {
	for _, more := range []int64{-100, -1, 1, 100} {
		service := &odd{newCloud(), more}
		service.store("/Jotta/Archive/a", strings.Repeat("x", 100))
		f, dir := newTestFS(t, service)
		e, err := f.lookup(t.Context(), dir, "a")
		if err != nil || e == nil {
			t.Fatalf("look up: %v, %v", e, err)
		}
		f.tree.mu.Lock()
		h := f.newHandle(e, true)
		f.tree.mu.Unlock()
		_, errno := h.Read(t.Context(), make([]byte, 1000), 0)
		_, writeErrno := h.Write(t.Context(), []byte("y"), 50)
		want := syscall.Errno(0)
		if more < 0 {
			want = syscall.EIO
		}
		if errno != want || writeErrno != want {
			t.Errorf("%d bytes more: read %v, write %v, want %v", more, errno, writeErrno, want)
		}
		h.Release(t.Context())
		f.uploads.drain(t.Context())
	}
}

// moody is a service that may refuse the login.
type moody struct {
	*cloud
	refuses bool // guarded by the mutex
}

func (m *moody) err() error {
	m.Lock()
	defer m.Unlock()
	if m.refuses {
		return &jfs.Error{Op: "ask", Class: record.ClassAuth, Message: "not this login"}
	}
	return nil
}

func (m *moody) refuse(does bool) {
	m.Lock()
	defer m.Unlock()
	m.refuses = does
}

func (m *moody) Customer(ctx context.Context) (jfs.Customer, error) {
	return jfs.Customer{Username: "tester"}, m.err()
}

func (m *moody) Account(context.Context) (jfs.Account, error) { return jfs.Account{}, m.err() }

func (m *moody) Allocate(ctx context.Context, p jfs.Path, c jfs.Content) (*jfs.Allocation, error) {
	if err := m.err(); err != nil {
		return nil, err
	}
	return m.cloud.Allocate(ctx, p, c)
}

func (m *moody) AllocateNew(ctx context.Context, p jfs.Path, c jfs.Content) (*jfs.Allocation, error) {
	return m.Allocate(ctx, p, c)
}

// TestLoginAgain: a login that is refused is no mount; one that is refused later keeps
// what was written, is in the status, and goes on once it is good again.
func TestLoginAgain(t *testing.T) {
	old := loginPause
	loginPause = 10 * time.Millisecond
	t.Cleanup(func() { loginPause = old })
	service := &moody{cloud: newCloud()}
	f, dir := newTestFS(t, service)
	service.refuse(true)
	if err := f.greet(); !errors.Is(err, jfs.ErrAuth) {
		t.Errorf("at the start: %v", err)
	}
	e := save(t, f, dir, "a.txt", "kept")
	f.uploads.drain(t.Context())
	if s := f.status(); s.LoginError == "" || s.Pending != 1 || s.SpoolBytes != 4 || content(t, f, e) != "kept" {
		t.Errorf("while it is refused: %+v", s)
	}
	service.refuse(false)
	for i := 0; len(service.texts(powerPath)) == 0; i++ {
		if i > 3000 {
			t.Fatalf("it does not go on: %+v", f.status())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s := f.status(); s.LoginError != "" {
		t.Errorf("afterwards: %+v", s)
	}
}

// TestSentByTheDead: what a mount sent as it died, before it knew that it had arrived,
// is not taken for somebody else's by the next one, in which the file is changed at
// once; and what is somebody else's is not covered.
func TestSentByTheDead(t *testing.T) {
	for _, test := range []struct {
		name   string
		by     func(t *testing.T, f *fileSystem, dir *entry) error // changes what was found
		stored string                                              // by the dead, or by somebody else
		want   []string
	}{
		{"changed", changeFound, "mine", []string{"mINe", "mine", "old"}},
		{"changed, and nothing had arrived", changeFound, "", []string{"mINe", "old"}},
		{"changed, and somebody else was there", changeFound, "theirs", []string{"theirs", "old"}},
		{"replaced", replaceFound, "mine", []string{"other", "mine", "old"}},
		{"replaced, and somebody else was there", replaceFound, "theirs", []string{"theirs", "old"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := newCloud()
			service.store(powerPath, "old")
			o := Options{SpoolDir: t.TempDir(), CacheDir: t.TempDir(), DirTTL: time.Hour, Timeout: time.Minute, WriteBack: time.Hour,
				Warn: t.Logf, Info: t.Logf, started: time.Now()}
			life := func() (*fileSystem, *entry) { // in which nothing is sent but by an fsync
				f, found, err := newFileSystem(service, o)
				if err != nil {
					t.Fatal(err)
				}
				f.takeUp(found)
				dir := f.tree.root
				for _, name := range []string{"Jotta", "Archive"} {
					if dir, err = f.lookup(t.Context(), dir, name); err != nil || dir == nil {
						t.Fatalf("look up %s: %v, %v", name, dir, err)
					}
				}
				return f, dir
			}
			die := func(f *fileSystem) {
				if left := (*LeftError)(nil); !errors.As(f.close(), &left) {
					t.Error("nothing was left")
				}
			}
			f, dir := life()
			e, err := f.lookup(t.Context(), dir, "a.txt")
			if err == nil {
				err = f.truncate(t.Context(), e, 0)
			}
			if err == nil {
				err = writeFound(t, f, dir, "mine", 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			die(f)
			if test.stored != "" {
				service.store(powerPath, test.stored)
			}
			f, dir = life()
			if err := test.by(t, f, dir); err != nil {
				t.Fatal(err)
			}
			die(f) // and nothing that was noted is in the next one's memory
			f, _ = life()
			f.uploads.start(1)
			f.uploads.drain(t.Context())
			if err := f.close(); err != nil {
				t.Error(err)
			}
			if got := service.texts(powerPath); !slices.Equal(got, test.want) {
				t.Errorf("stored %q, want %q", got, test.want)
			}
		})
	}
}

// writeFound writes into a.txt as a program does, up to its close.
func writeFound(t *testing.T, f *fileSystem, dir *entry, text string, offset int64) error {
	e, err := f.lookup(t.Context(), dir, "a.txt")
	if err != nil {
		return err
	}
	f.tree.mu.Lock()
	h := f.newHandle(e, true)
	f.tree.mu.Unlock()
	_, errno := h.Write(t.Context(), []byte(text), offset)
	if errno == 0 {
		errno = h.Flush(t.Context())
	}
	h.Release(t.Context())
	if errno != 0 {
		return errno
	}
	return nil
}

func changeFound(t *testing.T, f *fileSystem, dir *entry) error {
	return writeFound(t, f, dir, "IN", 1)
}

func replaceFound(t *testing.T, f *fileSystem, dir *entry) error {
	save(t, f, dir, "new", "other")
	return f.rename(t.Context(), dir, "new", dir, "a.txt", false)
}

// TestTwoOfOnePlace: of two files of the spool that belong to one place the one noted
// last goes there, and the other is put aside, once.
func TestTwoOfOnePlace(t *testing.T) {
	service := newCloud()
	top := t.TempDir()
	s, _, err := spool.Open(filepath.Join(top, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"older", "newer"} {
		file, err := s.Create()
		if err == nil {
			_, err = file.WriteAt([]byte(text), 0)
		}
		if err == nil {
			err = errors.Join(file.Place(string(powerPath), time.Now(), nil), file.Commit(nil), file.Close())
		}
		note := strings.TrimSuffix(file.Name(), ".data") + ".json"
		at := time.Now().Add(time.Duration(i-5) * time.Second)
		if err = errors.Join(err, os.Chtimes(note, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	for range 2 {
		var said []string
		f, found, err := newFileSystem(service, Options{SpoolDir: filepath.Join(top, "spool"), CacheDir: filepath.Join(top, "cache"), DirTTL: time.Hour,
			Timeout: time.Minute, Warn: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }, Info: t.Logf, started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		f.takeUp(found)
		f.uploads.start(1)
		f.uploads.drain(t.Context())
		if err := f.close(); err != nil {
			t.Error(err)
		}
		kept, _ := filepath.Glob(filepath.Join(top, "spool", "unreadable", "*.data"))
		if len(kept) != 1 {
			t.Fatalf("kept %q", kept)
		}
		if b, err := os.ReadFile(kept[0]); err != nil || string(b) != "older" {
			t.Errorf("kept %q, %v", b, err)
		}
		if got := service.texts(powerPath); !slices.Equal(got, []string{"newer"}) {
			t.Errorf("stored %q", got)
		}
		if len(found.Files) == 2 && (len(said) != 1 || !strings.Contains(said[0], kept[0])) || len(found.Files) == 0 && len(said) > 0 {
			t.Errorf("said %q", said)
		}
	}
}
