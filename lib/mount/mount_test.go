//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jserve"
	"jottatools/lib/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newService(t *testing.T) *jfs.Client {
	t.Helper()
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	transport := jfs.NewTransport("")
	t.Cleanup(func() {
		transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		listener.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	login, err := auth.NewBasic("tester", "secret")
	if err != nil {
		t.Fatal(err)
	}
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newTestFS returns what is behind a mount, without the kernel, and the entry of a
// mount point.
func newTestFS(t *testing.T, service Service) (*fileSystem, *entry) {
	t.Helper()
	f, at := openTestFS(t, service, t.TempDir(), 0)
	t.Cleanup(func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	})
	return f, at
}

// openTestFS is newTestFS with spool and cache in dir, to be closed by the caller.
func openTestFS(t *testing.T, service Service, dir string, writeBack time.Duration) (*fileSystem, *entry) {
	t.Helper()
	f, found, err := newFileSystem(service, Options{
		SpoolDir: filepath.Join(dir, "spool"), CacheDir: filepath.Join(dir, "cache"), DirTTL: time.Hour, Timeout: time.Minute,
		WriteBack: writeBack, Warn: t.Logf, Info: t.Logf, started: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.takeUp(found)
	f.uploads.start(2)
	at := f.tree.root
	for _, name := range []string{"Jotta", "Archive"} {
		if at, err = f.lookup(t.Context(), at, name); err != nil || at == nil {
			t.Fatalf("look up %s: %v, %v", name, at, err)
		}
	}
	return f, at
}

// save writes a file as a program does, up to its close.
func save(t *testing.T, f *fileSystem, dir *entry, name, text string) *entry {
	t.Helper()
	e, err := f.create(t.Context(), dir, name)
	if err != nil {
		t.Fatal(err)
	}
	f.tree.mu.Lock()
	h := f.newHandle(e, true)
	f.tree.mu.Unlock()
	if _, errno := h.Write(t.Context(), []byte(text), 0); errno != 0 {
		t.Fatal(errno)
	}
	if errno := h.Flush(t.Context()); errno != 0 {
		t.Fatal(errno)
	}
	if errno := h.Release(t.Context()); errno != 0 {
		t.Fatal(errno)
	}
	return e
}

func content(t *testing.T, f *fileSystem, e *entry) string {
	t.Helper()
	f.tree.mu.Lock()
	h := f.newHandle(e, false)
	f.tree.mu.Unlock()
	defer h.Release(t.Context())
	b := make([]byte, 1000)
	n, err := f.readEntry(t.Context(), h, b, 0)
	if err != nil && n == 0 {
		return err.Error()
	}
	return string(b[:n])
}

// TestNothingIsLeft: what was stored leaves the spool, and what is closed leaves no
// goroutine behind.
func TestNothingIsLeft(t *testing.T) {
	client := newService(t)
	f, dir := newTestFS(t, client)
	for i := range 20 {
		save(t, f, dir, fmt.Sprint(i), strings.Repeat("x", i))
	}
	f.uploads.drain(t.Context())
	for i := range 20 {
		info, err := client.Stat(t.Context(), jfs.Path(fmt.Sprint("/Jotta/Archive/", i)))
		if err != nil || info.Size != int64(i) {
			t.Errorf("%d: %d bytes, %v", i, info.Size, err)
		}
	}
	if left, _ := filepath.Glob(f.o.SpoolDir + "/*.*"); len(left) > 0 {
		t.Errorf("left in the spool: %q", left)
	}
	for range 100 {
		e, err := f.lookup(t.Context(), dir, "7")
		if err != nil || content(t, f, e) != "xxxxxxx" {
			t.Fatalf("read again: %v", err)
		}
	}
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.files) > 0 {
		t.Errorf("%d contents are still open", len(f.files))
	}
}

// late is a service whose listings can be held up after they have been made.
type late struct {
	*jfs.Client
	made, release chan struct{}
}

func (l *late) List(ctx context.Context, p jfs.Path) (jfs.Info, []jfs.Entry, error) {
	info, entries, err := l.Client.List(ctx, p)
	if l.made != nil && p == "/Jotta/Archive" {
		made, release := l.made, l.release
		l.made = nil
		close(made)
		<-release
	}
	return info, entries, err
}

// TestOldListing: an answer that was made before something was changed here does not
// undo the change.
func TestOldListing(t *testing.T) {
	service := &late{Client: newService(t)}
	f, dir := newTestFS(t, service)
	if _, err := f.lookup(t.Context(), dir, "x"); err != nil {
		t.Fatal(err)
	}
	doomed, err := f.mkdir(t.Context(), dir, "doomed")
	if err != nil {
		t.Fatal(err)
	}
	made, release := make(chan struct{}), make(chan struct{})
	service.made, service.release = made, release
	f.tree.mu.Lock()
	dir.listed = time.Time{}
	f.tree.mu.Unlock()
	listed := make(chan error)
	go func() { listed <- f.list(context.Background(), dir) }()
	<-made
	if err := f.rmdir(doomed); err != nil {
		t.Fatal(err)
	}
	f.tree.mu.Lock()
	f.tree.add(dir, "new", kindFolder)
	f.tree.mu.Unlock()
	if err := service.MkDir(t.Context(), "/Jotta/Archive/new"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := <-listed; err != nil {
		t.Fatal(err)
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if f.child(dir, "doomed") != nil || f.child(dir, "new") == nil {
		t.Errorf("after an old listing: doomed %v, new %v", f.child(dir, "doomed"), f.child(dir, "new"))
	}
}

// TestErrnos: every class of the record has an errno, and words for people do not
// hide it.
func TestErrnos(t *testing.T) {
	f := &fileSystem{o: Options{Info: t.Logf}}
	for _, test := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{&jfs.Error{Class: record.ClassNotFound}, syscall.ENOENT},
		{fmt.Errorf("x: %w", &jfs.Error{Class: record.ClassQuota}), syscall.EDQUOT},
		{&jfs.Error{Class: record.ClassNetwork, Err: syscall.ECONNREFUSED}, syscall.EIO},
		{&jfs.Error{Class: record.ClassServer}, syscall.EIO},
		{&record.Error{Class: record.ClassPermission}, syscall.EACCES},
		{fmt.Errorf("no: %w", syscall.EPERM), syscall.EPERM},
		{&os.PathError{Op: "write", Err: syscall.ENOSPC}, syscall.ENOSPC},
		{errInterrupted, syscall.EINTR},
		{context.Canceled, syscall.EINTR},
		{errors.New("anything"), syscall.EIO},
	} {
		if got := f.errno(test.err); got != test.want {
			t.Errorf("errno(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}

func TestRetry(t *testing.T) {
	for _, test := range []struct {
		class    record.Class
		after    time.Duration
		tries    int
		want     time.Duration
		hopeless bool
	}{
		{record.ClassNetwork, 0, 1, firstRetry, false},
		{record.ClassNetwork, 0, 2, 2 * firstRetry, false},
		{record.ClassNetwork, 0, 100, lastRetry, false},
		{record.ClassRateLimited, time.Hour, 1, time.Hour, false},
		{record.ClassQuota, 0, 1, needyRetry, false},
		{record.ClassNameInvalid, 0, 1, 0, true},
		{record.ClassKindConflict, 0, 3, 0, true},
	} {
		got, hopeless := retry(&jfs.Error{Class: test.class, RetryAfter: test.after}, test.tries)
		if got != test.want || hopeless != test.hopeless {
			t.Errorf("retry(%s, %d) = %v, %v; want %v, %v", test.class, test.tries, got, hopeless, test.want, test.hopeless)
		}
	}
	if _, hopeless := retry(errors.New("the disk"), 1); hopeless {
		t.Error("an error of the disk is hopeless")
	}
}

// TestOwnerIsAFile: what is in the place of the spool's owner, and is no file, is neither
// waited for nor replaced.
func TestOwnerIsAFile(t *testing.T) {
	dir := t.TempDir()
	f := &fileSystem{o: Options{SpoolDir: dir}}
	for range 2 {
		if owner, err := f.readOwner("ola"); owner != "ola" || err != nil {
			t.Fatalf("readOwner() = %q, %v", owner, err)
		}
	}
	name := filepath.Join(dir, ownerName)
	if err := errors.Join(os.Remove(name), syscall.Mkfifo(name, 0o600)); err != nil {
		t.Fatal(err)
	}
	if owner, err := f.readOwner("ola"); err == nil {
		t.Errorf("with a FIFO there, readOwner() = %q", owner)
	}
	if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the FIFO is %v, %v", info, err)
	}
}
