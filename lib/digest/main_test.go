package digest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// makeTree writes files, by path and content, long enough ago for the cache, and
// returns their root.
func makeTree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	for path, content := range files {
		put(t, root, path, content)
	}
	return root
}

func put(t testing.TB, root, path, content string) {
	t.Helper()
	name := local.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// list returns the records of a tree, in tree order.
func list(t testing.TB, root string) []*record.Record {
	t.Helper()
	var recs []*record.Record
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		fi, err := local.Lstat(name)
		if err != nil {
			return err
		}
		path, _ := filepath.Rel(root, name)
		rec := &record.Record{Kind: record.KindFile, Root: root, Path: filepath.ToSlash(path)}
		if d.IsDir() {
			rec.Kind = record.KindDir
		}
		local.Fill(rec, fi)
		recs = append(recs, rec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(recs, func(a, b *record.Record) int { return record.Compare(a.Path, b.Path) })
	return recs
}

// encode returns records as a stream; one that is not whole has no end record.
func encode(t testing.TB, recs []*record.Record, whole bool) string {
	t.Helper()
	var buf bytes.Buffer
	w := record.NewWriter(&buf, "test")
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := buf.String()
	if !whole {
		s = s[:strings.LastIndexByte(s[:len(s)-1], '\n')+1]
	}
	return s
}

// outcome is what a run did.
type outcome struct {
	recs   []*record.Record
	err    error
	opened []string // paths relative to the tree, sorted
	warned []string
	said   []string
}

func (o outcome) md5s() map[string]string {
	m := make(map[string]string)
	for _, r := range o.recs {
		if r.Kind == record.KindFile {
			m[r.Path] = r.MD5
		}
	}
	return m
}

// runOptions change how a test runs Records.
type runOptions struct {
	Options
	ctx    context.Context
	hasher func(*hasher)
	out    Output
}

// run runs Records over a stream and checks that the order was kept.
func runStream(t testing.TB, stream string, o runOptions) outcome {
	t.Helper()
	var res outcome
	var mu sync.Mutex
	o.Warn = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		res.warned = append(res.warned, fmt.Sprintf(format, args...))
	}
	o.Info = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		res.said = append(res.said, fmt.Sprintf(format, args...))
	}
	if o.Jobs == 0 {
		o.Jobs = 4
	}
	h := newHasher(o.Options)
	h.wait = func(context.Context, time.Duration) {} // trees of tests are always fresh
	if o.hasher != nil {
		o.hasher(h)
	}
	open := h.open
	h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
		path := local.Path(rec)
		mu.Lock()
		res.opened = append(res.opened, path)
		mu.Unlock()
		return open(rec)
	}
	ctx := cmp.Or[context.Context](o.ctx, t.Context())
	var buf bytes.Buffer
	w := record.NewWriter(&buf, "jhash")
	out := cmp.Or[Output](o.out, w)
	res.err = records(ctx, out, record.NewReader(strings.NewReader(stream)), o.Options, h)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	res.recs = slices.Collect(record.NewReader(&buf).All())
	slices.Sort(res.opened)
	for i, path := range res.opened {
		if at := strings.Index(path, "/tree/"); at >= 0 {
			res.opened[i] = path[at+len("/tree/"):]
		}
	}
	return res
}

func runTree(t testing.TB, root string, o runOptions) outcome {
	t.Helper()
	return runStream(t, encode(t, list(t, root), true), o)
}

func sumOf(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func numbered(n int) map[string]string {
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("d%d/f%04d", i%7, i)] = fmt.Sprintf("content %d", i)
	}
	return files
}

func paths(recs []*record.Record) []string {
	var p []string
	for _, r := range recs {
		p = append(p, r.Path)
	}
	return p
}
