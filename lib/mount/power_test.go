//go:build linux

package mount

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/mount/spool"
	"jottatools/lib/record"
)

// cloud is a service in memory that can be copied as it is at a moment. The methods
// that it does not have are not asked for here.
type cloud struct {
	Service
	*sync.Mutex                             // guards what follows
	files       map[jfs.Path][]jfs.Revision // the newest first
	contents    map[string][]byte           // by MD5
}

func newCloud() *cloud {
	return &cloud{Mutex: new(sync.Mutex), files: map[jfs.Path][]jfs.Revision{}, contents: map[string][]byte{}}
}

func (c *cloud) clone() *cloud {
	c.Lock()
	defer c.Unlock()
	n := newCloud()
	maps.Copy(n.contents, c.contents)
	for p, revisions := range c.files {
		n.files[p] = slices.Clone(revisions)
	}
	return n
}

// put stores a content. One that is there already gets its times.
func (c *cloud) put(p jfs.Path, content jfs.Content) {
	r := jfs.Revision{Number: 1, State: record.StateCompleted, Size: content.Size, MD5: content.MD5, Created: content.Created, Modified: content.Modified}
	if old := c.files[p]; len(old) > 0 {
		if r.Number = old[0].Number + 1; old[0].MD5 == r.MD5 {
			r.Number, c.files[p] = old[0].Number, old[1:]
		}
	}
	c.files[p] = append([]jfs.Revision{r}, c.files[p]...)
}

// store is put by somebody else.
func (c *cloud) store(p jfs.Path, text string) {
	c.Lock()
	defer c.Unlock()
	c.contents[md5Of([]byte(text))] = []byte(text)
	c.put(p, jfs.Content{Size: int64(len(text)), MD5: md5Of([]byte(text)), Modified: time.Unix(1e9, 0)})
}

// texts returns the contents of a file, the newest first.
func (c *cloud) texts(p jfs.Path) []string {
	c.Lock()
	defer c.Unlock()
	var all []string
	for _, r := range c.files[p] {
		all = append(all, string(c.contents[r.MD5]))
	}
	return all
}

func (c *cloud) Customer(context.Context) (jfs.Customer, error) {
	return jfs.Customer{Username: "tester"}, nil
}

func (c *cloud) Stat(_ context.Context, p jfs.Path) (jfs.Info, error) {
	c.Lock()
	defer c.Unlock()
	all := c.files[p]
	if len(all) == 0 {
		return jfs.Info{}, &jfs.Error{Path: p, Class: record.ClassNotFound}
	}
	return jfs.Info{Entry: jfs.Entry{Path: string(p), Kind: jfs.KindFile, Revision: all[0]}, Older: slices.Clone(all[1:])}, nil
}

func (c *cloud) List(_ context.Context, p jfs.Path) (info jfs.Info, entries []jfs.Entry, err error) {
	c.Lock()
	defer c.Unlock()
	switch p {
	case "/":
		entries = []jfs.Entry{{Path: "Jotta", Kind: jfs.KindDevice}}
	case "/Jotta":
		entries = []jfs.Entry{{Path: "Archive", Kind: jfs.KindMountPoint}}
	default:
		for name, all := range c.files {
			entries = append(entries, jfs.Entry{Path: strings.TrimPrefix(string(name), string(p)+"/"), Kind: jfs.KindFile, Revision: all[0]})
		}
	}
	return info, entries, nil
}

func (c *cloud) OpenRevision(_ context.Context, p jfs.Path, number, offset, length int64) (io.ReadCloser, error) {
	c.Lock()
	defer c.Unlock()
	for _, r := range c.files[p] {
		if r.Number == number {
			return io.NopCloser(bytes.NewReader(c.contents[r.MD5][offset:][:length])), nil
		}
	}
	return nil, &jfs.Error{Path: p, Class: record.ClassNotFound}
}

func (c *cloud) Allocate(_ context.Context, p jfs.Path, content jfs.Content) (*jfs.Allocation, error) {
	c.Lock()
	defer c.Unlock()
	a := &jfs.Allocation{Path: p, Content: content}
	if _, known := c.contents[content.MD5]; known {
		a.Uploaded = true
		c.put(p, content)
	}
	return a, nil
}

// AllocateNew is the same: nobody else stores anything meanwhile.
func (c *cloud) AllocateNew(ctx context.Context, p jfs.Path, content jfs.Content) (*jfs.Allocation, error) {
	return c.Allocate(ctx, p, content)
}

func (c *cloud) Upload(_ context.Context, a *jfs.Allocation, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	c.Lock()
	defer c.Unlock()
	c.contents[a.Content.MD5] = b
	c.put(a.Path, a.Content)
	return nil
}

func (c *cloud) TouchFile(_ context.Context, p jfs.Path, content jfs.Content) error {
	c.Lock()
	defer c.Unlock()
	c.put(p, content)
	return nil
}

func (c *cloud) Trash(_ context.Context, p jfs.Path) error {
	c.Lock()
	defer c.Unlock()
	delete(c.files, p)
	return nil
}

func (c *cloud) Move(_ context.Context, from, to jfs.Path) error {
	c.Lock()
	defer c.Unlock()
	c.files[to] = c.files[from]
	delete(c.files, from)
	return nil
}

// lossy is a disk that knows what would be left of a spool if the power went.
type lossy struct {
	spool.System
	step func() // is called after each change

	mu      sync.Mutex                      // guards what follows
	synced  map[string][]byte               // the last synced content of what is called so now
	lasting map[string][]byte               // what is sure to be found again
	pending []func(names map[string][]byte) // changes of names that may or may not be
}

func newLossy() *lossy {
	return &lossy{step: func() {}, synced: map[string][]byte{}, lasting: map[string][]byte{}}
}

func (l *lossy) Create(name string) (*os.File, error) {
	f, err := l.System.Create(name)
	if err == nil {
		l.change(func(names map[string][]byte) { names[name] = nil }, func() { l.synced[name] = nil })
	}
	return f, err
}

func (l *lossy) Sync(f *os.File) error {
	b, err := os.ReadFile(f.Name())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		l.change(nil, func() {
			l.synced[f.Name()] = b
			if _, ok := l.lasting[f.Name()]; ok {
				l.lasting[f.Name()] = b
			}
		})
	}
	return err
}

func (l *lossy) Rename(from, to string) error {
	err := l.System.Rename(from, to)
	if err == nil {
		b := l.synced[from]
		l.change(func(names map[string][]byte) {
			delete(names, from)
			names[to] = b
		}, func() {
			l.synced[to] = b
			delete(l.synced, from)
		})
	}
	return err
}

func (l *lossy) Remove(name string) error {
	err := l.System.Remove(name)
	l.change(func(names map[string][]byte) { delete(names, name) }, func() { delete(l.synced, name) })
	return err
}

func (l *lossy) SyncDir(dir string) error {
	err := l.System.SyncDir(dir)
	l.change(nil, func() { l.lasting, l.pending = maps.Clone(l.synced), nil })
	return err
}

func (l *lossy) change(pending func(map[string][]byte), now func()) {
	l.mu.Lock()
	if pending != nil {
		l.pending = append(l.pending, pending)
	}
	now()
	l.mu.Unlock()
	l.step()
}

// left returns all that may be in the folder after a power cut: any of the changes of
// names may be lost, and any content that was not synced may be there or not.
func (l *lossy) left() []map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 8 {
		panic("too much is not synced to try all of it")
	}
	var all []map[string][]byte
	for kept := range 1 << len(l.pending) {
		names := maps.Clone(l.lasting)
		for i, change := range l.pending {
			if kept&(1<<i) != 0 {
				change(names)
			}
		}
		all = append(all, names)
		now := maps.Clone(names)
		for name := range now {
			if b, err := os.ReadFile(name); err == nil {
				now[name] = b
			}
		}
		all = append(all, now)
	}
	return all
}

// cut is the moment of a power cut: what is left, what the service has, and what may be
// expected.
type cut struct {
	disk    map[string][]byte
	service *cloud
	closed  string // the last content of the file that a program has closed; "" if none has
	next    string // one that it is about to; "" if it is not
}

const powerPath = jfs.Path("/Jotta/Archive/a.txt")

// powerCase is what programs do to a file. It calls promise before a content is
// written, and again once it is closed.
type powerCase struct {
	name   string
	before string // what the service has in the beginning
	do     func(t *testing.T, f *fileSystem, dir *entry, promise func(closed, next string))
}

var powerCases = []powerCase{
	{"new", "", func(t *testing.T, f *fileSystem, dir *entry, promise func(closed, next string)) {
		promise("", "one")
		save(t, f, dir, "a.txt", "one")
		promise("one", "")
		f.uploads.drain(t.Context())
	}},
	{"changed twice", "zero", func(t *testing.T, f *fileSystem, dir *entry, promise func(closed, next string)) {
		closed := "zero"
		for _, text := range []string{"one", "two"} {
			promise(closed, text)
			rewrite(t, f, dir, text, (*handle).Flush)
			promise(text, "")
			f.uploads.drain(t.Context())
			closed = text
		}
	}},
	{"changed while it is open", "zero", func(t *testing.T, f *fileSystem, dir *entry, promise func(closed, next string)) {
		promise("zero", "one")
		rewrite(t, f, dir, "one", func(h *handle, ctx context.Context) syscall.Errno {
			if errno := h.Fsync(ctx, 0); errno != 0 {
				return errno
			}
			promise("one", "two")
			if _, errno := h.Write(ctx, []byte("two"), 0); errno != 0 {
				return errno
			}
			return h.Flush(ctx)
		})
		promise("two", "")
		f.uploads.drain(t.Context())
	}},
	{"saved by rename", "zero", func(t *testing.T, f *fileSystem, dir *entry, promise func(closed, next string)) {
		promise("zero", "one")
		save(t, f, dir, "a.tmp", "one")
		if err := f.rename(t.Context(), dir, "a.tmp", dir, "a.txt", false); err != nil {
			t.Fatal(err)
		}
		promise("one", "")
		f.uploads.drain(t.Context())
	}},
}

// rewrite replaces the content of the file.
func rewrite(t *testing.T, f *fileSystem, dir *entry, text string, end func(*handle, context.Context) syscall.Errno) {
	t.Helper()
	e, err := f.lookup(t.Context(), dir, "a.txt")
	if err != nil || e == nil {
		t.Fatalf("look up: %v, %v", e, err)
	}
	f.tree.mu.Lock()
	h := f.newHandle(e, true)
	f.tree.mu.Unlock()
	if err := f.truncate(t.Context(), e, 0); err != nil {
		t.Fatal(err)
	}
	if _, errno := h.Write(t.Context(), []byte(text), 0); errno != 0 {
		t.Fatal(errno)
	}
	if errno := end(h, t.Context()); errno != 0 {
		t.Fatal(errno)
	}
	if errno := h.Release(t.Context()); errno != 0 {
		t.Fatal(errno)
	}
}

// TestPowerCuts cuts the power after each change that the spool makes to the disk, with
// each combination of what was not synced by then, and has the next mount go on, with
// and without somebody else having stored another version meanwhile.
func TestPowerCuts(t *testing.T) {
	for _, c := range powerCases {
		t.Run(c.name, func(t *testing.T) {
			cuts := powerCuts(t, c)
			for i, cut := range cuts {
				for _, other := range []bool{false, true} {
					checkCut(t, fmt.Sprintf("cut %d, somebody else %v", i, other), cut, other)
				}
			}
			t.Logf("%d power cuts", len(cuts))
		})
	}
}

func powerCuts(t *testing.T, c powerCase) []cut {
	service, disk := newCloud(), newLossy()
	if c.before != "" {
		service.store(powerPath, c.before)
	}
	f, found, err := newFileSystem(service, Options{SpoolDir: filepath.Join(t.TempDir(), "spool"), CacheDir: t.TempDir(), CacheSize: 1 << 20,
		DirTTL: time.Hour, Timeout: time.Minute, Warn: t.Logf, Info: t.Logf, started: time.Now(), disk: disk})
	if err != nil {
		t.Fatal(err)
	}
	f.takeUp(found)
	f.uploads.start(1)
	var mu sync.Mutex // guards cuts and now
	var cuts []cut
	now := cut{closed: c.before}
	disk.step = func() {
		mu.Lock()
		defer mu.Unlock()
		at := now
		at.service = service.clone()
		for _, at.disk = range disk.left() {
			cuts = append(cuts, at)
		}
	}
	dir := f.tree.root
	for _, name := range []string{"Jotta", "Archive"} {
		if dir, err = f.lookup(t.Context(), dir, name); err != nil {
			t.Fatal(err)
		}
	}
	c.do(t, f, dir, func(closed, next string) {
		mu.Lock()
		now.closed, now.next = closed, next
		mu.Unlock()
		disk.step()
	})
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	return cuts
}

// checkCut mounts after a power cut and looks at what becomes of it.
func checkCut(t *testing.T, what string, c cut, other bool) {
	t.Helper()
	service := c.service.clone()
	if other {
		service.store(powerPath, "somebody else's")
	}
	top, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range c.disk {
		if err := os.WriteFile(filepath.Join(top, "spool", filepath.Base(name)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log []string
	say := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	f, found, err := newFileSystem(service, Options{SpoolDir: filepath.Join(top, "spool"), CacheDir: filepath.Join(top, "cache"), CacheSize: 1 << 20,
		DirTTL: time.Hour, Timeout: time.Minute, Warn: say, Info: say, started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	f.takeUp(found)
	f.uploads.start(1)
	f.uploads.drain(t.Context())
	if err := f.close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	texts := service.texts(powerPath)
	everywhere := slices.Clone(texts)
	for p := range service.files {
		everywhere = append(everywhere, service.texts(p)...)
	}
	for _, name := range []string{"spool/*.data", "spool/unreadable/*.data"} { // what is left for people, or the next mount
		left, _ := filepath.Glob(filepath.Join(top, name))
		for _, l := range left {
			b, _ := os.ReadFile(l)
			everywhere = append(everywhere, string(b))
		}
	}
	report := func(problem string) {
		t.Errorf("%s: %s\nclosed %q, next %q\nfrom %q and %q\nbecame %q\n%s", what, problem, c.closed, c.next, c.disk, c.service.texts(powerPath), everywhere, strings.Join(log, "\n"))
	}
	switch {
	case other && texts[0] != "somebody else's":
		report("what somebody else has stored is covered")
	case c.closed != "" && !slices.Contains(everywhere, c.closed):
		report("what was closed is lost")
	case !other && c.next == "" && c.closed != "" && (len(texts) == 0 || texts[0] != c.closed):
		report("what was closed is not what is there")
	}
}
