// Package jfstest is a conformance suite for a [jfs.Client] together with the service
// behind it.
//
// The tests of this package run it against jserve. With a login in the environment they
// also run it against the real service. All other tests trust jserve, so this shows that
// jserve behaves like the original. The suite tests no engine and no program.
package jfstest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Options say what a client or a service is known not to do.
type Options struct {
	NoResume bool // an upload that broke off starts from its beginning
	NoEvents bool // nothing tells what happens
}

// Run tests the client in the folder root, which must not exist and is gone
// afterwards. Nothing outside root is touched.
func Run(t *testing.T, c *jfs.Client, root jfs.Path, o Options) {
	s := suite{c, root}
	t.Cleanup(func() {
		if err := c.RemoveDir(context.Background(), root); err != nil && !errors.Is(err, jfs.ErrNotExist) {
			t.Errorf("clean up: %v", err)
		}
	})
	t.Run("Folders", s.folders)
	t.Run("Upload", s.upload)
	if !o.NoResume {
		t.Run("Resume", s.resume)
	}
	t.Run("Damaged", s.damaged)
	t.Run("Touch", s.touch)
	t.Run("Names", s.names)
	t.Run("LetterCase", s.letterCase)
	t.Run("Trees", s.trees)
	t.Run("Trash", s.trash)
	t.Run("Download", s.download)
	t.Run("Missing", s.missing)
	t.Run("Conflicts", s.conflicts)
	t.Run("Move", s.move)
	t.Run("MoveDir", s.moveDir)
	t.Run("Copy", s.copy)
	t.Run("Restore", s.restore)
	t.Run("Revisions", s.revisions)
	t.Run("States", s.states)
	t.Run("ListAll", s.listAll)
	t.Run("Share", s.share)
	t.Run("Thumbnail", s.thumbnail)
	if !o.NoEvents {
		t.Run("Events", s.events)
	}
}

type suite struct {
	c    *jfs.Client
	root jfs.Path
}

var (
	created  = time.Date(2011, 12, 13, 14, 15, 16, 0, time.UTC)
	modified = time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC)
)

func contentOf(text string) jfs.Content {
	h := md5.Sum([]byte(text))
	return jfs.Content{Size: int64(len(text)), MD5: hex.EncodeToString(h[:]), Created: created, Modified: modified.Add(999 * time.Millisecond)}
}

// unique returns text that the service cannot have yet.
func unique(text string) string {
	return fmt.Sprintf("%s %d", text, time.Now().UnixNano())
}

// put stores a file, by upload or because the service has the content.
func (s suite) put(t *testing.T, p jfs.Path, text string) {
	t.Helper()
	a, err := s.c.Allocate(t.Context(), p, contentOf(text))
	if err == nil && !a.Uploaded {
		err = s.c.Upload(t.Context(), a, strings.NewReader(text[a.Offset:]))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s suite) stat(t *testing.T, p jfs.Path) jfs.Info {
	t.Helper()
	info, err := s.c.Stat(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// want fails the test unless err is of the kind.
func want(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) || kind == nil && err != nil {
		t.Errorf("%s = %v, want %v", what, err, kind)
	}
}

// paths returns the sorted paths of a tree, folders with a slash.
func paths(t *testing.T, entries iter.Seq2[jfs.Entry, error]) []string {
	t.Helper()
	var all []string
	for e, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == jfs.KindFolder {
			e.Path += "/"
		}
		all = append(all, e.Path)
	}
	slices.Sort(all)
	return all
}

func (s suite) folders(t *testing.T) {
	ctx := t.Context()
	p := s.root.Join("folders/a/b")
	for range 2 { // the second time it is there
		want(t, "MkDir", s.c.MkDir(ctx, p), nil)
	}
	if info := s.stat(t, p); info.Kind != jfs.KindFolder || !info.Deleted.IsZero() {
		t.Errorf("Stat = %+v, want a folder", info)
	}
	_, entries, err := s.c.List(ctx, s.root.Join("folders"))
	if err != nil || len(entries) != 1 || entries[0].Path != "a" || entries[0].Kind != jfs.KindFolder {
		t.Errorf("List = %+v, %v, want the folder a", entries, err)
	}
	if info := s.stat(t, p.MountPoint()); info.Kind != jfs.KindMountPoint {
		t.Errorf("Stat of the mount point = %+v", info)
	}
	if info := s.stat(t, p.MountPoint().Parent()); info.Kind != jfs.KindDevice {
		t.Errorf("Stat of the device = %+v", info)
	}
	if info := s.stat(t, "/"); info.Kind != jfs.KindAccount {
		t.Errorf("Stat of the account = %+v", info)
	}
}

func (s suite) upload(t *testing.T) {
	p, text := s.root.Join("upload/new folder/f.txt"), unique("upload")
	content := contentOf(text)
	a, err := s.c.Allocate(t.Context(), p, content)
	if err != nil || a.Uploaded || a.Offset != 0 {
		t.Fatalf("Allocate = %+v, %v, want an upload from 0", a, err)
	}
	want(t, "Upload", s.c.Upload(t.Context(), a, strings.NewReader(text)), nil)
	info := s.stat(t, p)
	if info.Kind != jfs.KindFile || !info.Live() || info.MD5 != content.MD5 || info.Size != content.Size || info.Number != 1 {
		t.Errorf("Stat = %+v, want the file", info)
	}
	if !info.Modified.Equal(modified) || !info.Created.Equal(created) {
		t.Errorf("times are %v, %v, want %v, %v", info.Created, info.Modified, created, modified)
	}
	// The same content elsewhere, and nothing at all, need no upload.
	for name, text := range map[string]string{"copy": text, "empty": ""} {
		a, err := s.c.Allocate(t.Context(), s.root.Join("upload/"+name), contentOf(text))
		if err == nil && !a.Uploaded && text == "" {
			err = s.c.Upload(t.Context(), a, strings.NewReader(""))
		} else if err == nil && !a.Uploaded {
			t.Errorf("Allocate(%s) = %+v, want no upload", name, a)
		}
		want(t, "Allocate "+name, err, nil)
	}
	// Other content makes a new revision.
	s.put(t, p, text+"!")
	if info := s.stat(t, p); info.Number != 2 || len(info.Older) != 1 || info.MD5 != contentOf(text+"!").MD5 {
		t.Errorf("Stat = %+v, want revision 2", info)
	}
}

// part gives some bytes and then breaks.
func part(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), brokenReader{})
}

var errBroken = errors.New("broken")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func (s suite) resume(t *testing.T) {
	p := s.root.Join("resume")
	text := unique(strings.Repeat("resume ", 100_000))
	content := contentOf(text)
	a, err := s.c.Allocate(t.Context(), p, content)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.c.Upload(t.Context(), a, part(text[:500_000])); err == nil {
		t.Fatal("Upload of a part = nil")
	}
	// The service may still be busy with the end of the broken connection.
	var info jfs.Info
	for range 1000 {
		if info, err = s.c.Stat(t.Context(), p); err == nil {
			break
		}
	}
	if err != nil || info.Live() || info.State != record.StateIncomplete {
		t.Errorf("Stat = %+v, %v, want state INCOMPLETE", info, err)
	}
	for range 1000 {
		a, err = s.c.Allocate(t.Context(), p, content)
		if err != nil {
			t.Fatal(err)
		}
		if a.Offset > 0 {
			break
		}
	}
	if a.Uploaded || a.Offset == 0 || a.Offset > 500_000 {
		t.Fatalf("Allocate = %+v, want to go on from at most 500000", a)
	}
	err = s.c.Upload(t.Context(), a, strings.NewReader(text[a.Offset:]))
	// With the old API the end of the broken connection can come in between; what
	// helps then is what always does (docs/protocol.md, section 18).
	for try := 0; try < 10 && (errors.Is(err, jfs.ErrIncomplete) || errors.Is(err, jfs.ErrCorrupt)); try++ {
		if a, err = s.c.Allocate(t.Context(), p, content); err == nil {
			err = s.c.Upload(t.Context(), a, strings.NewReader(text[a.Offset:]))
		}
	}
	want(t, "Upload of the rest", err, nil)
	if info := s.stat(t, p); info.MD5 != content.MD5 || !info.Live() {
		t.Errorf("Stat = %+v", info)
	}
}

func (s suite) damaged(t *testing.T) {
	p, text := s.root.Join("damaged"), unique("damaged")
	content := contentOf(text)
	a, err := s.c.Allocate(t.Context(), p, content)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Repeat([]byte("x"), len(text))
	want(t, "Upload of other content", s.c.Upload(t.Context(), a, bytes.NewReader(bad)), jfs.ErrCorrupt)
	a, err = s.c.Allocate(t.Context(), p, content)
	if err != nil || a.Uploaded || a.Offset != 0 {
		t.Fatalf("Allocate = %+v, %v, want to start anew", a, err)
	}
	want(t, "Upload", s.c.Upload(t.Context(), a, strings.NewReader(text)), nil)
	if info := s.stat(t, p); !info.Live() || info.Newer != nil {
		t.Errorf("Stat = %+v", info)
	}
}

func (s suite) touch(t *testing.T) {
	p, text := s.root.Join("touch/f"), unique("touch")
	s.put(t, p, text)
	content := contentOf(text)
	content.Modified = modified.Add(time.Hour)
	want(t, "TouchFile", s.c.TouchFile(t.Context(), p, content), nil)
	if info := s.stat(t, p); !info.Modified.Equal(modified.Add(time.Hour)) || info.Number != 1 {
		t.Errorf("Stat = %+v, want the new time and revision 1", info)
	}
	want(t, "TouchFile elsewhere", s.c.TouchFile(t.Context(), s.root.Join("touch/new"), content), nil)
	want(t, "TouchFile with unknown content", s.c.TouchFile(t.Context(), p, contentOf(unique("unknown"))), jfs.ErrNotExist)
	if info := s.stat(t, p); info.MD5 != content.MD5 {
		t.Errorf("Stat = %+v, want it unchanged", info)
	}
	want(t, "Trash", s.c.Trash(t.Context(), p), nil)
	want(t, "TouchFile in the trash", s.c.TouchFile(t.Context(), p, content), nil)
	if info := s.stat(t, p); !info.Live() {
		t.Errorf("Stat = %+v, want it back", info)
	}
}

// names are local file names that have to survive the round trip.
func names() []string {
	all := []string{
		" leading space", "trailing space ", ".leading dot", "trailing dot.", "...", "a+b", "a b", "a%20b", "100%", "#1", "a;b&c=d,e@f$",
		`back\slash`, `"quoted"`, "'quoted'", "<a>|b?*:", "~tilde", "tab\tnew\nline\x01\x7f", "blåbær", "e\u0301", "\u00e9", "🎞", "日本語",
		"invalid \xff\xfe", "full／width％", "symbols ␀ ␡", "．", "．．", strings.Repeat("n", 255), strings.Repeat("é", 127),
	}
	slices.Sort(all)
	return all
}

func (s suite) names(t *testing.T) {
	dir := s.root.Join("names")
	for _, name := range names() {
		s.put(t, dir.Join(name), name)
		if info := s.stat(t, dir.Join(name)); info.MD5 != contentOf(name).MD5 {
			t.Errorf("%q: Stat = %+v", name, info)
		}
	}
	for what, tree := range map[string]iter.Seq2[jfs.Entry, error]{"ListTree": s.c.ListTree(t.Context(), dir), "WalkTree": s.c.WalkTree(t.Context(), dir)} {
		if got := paths(t, tree); !slices.Equal(got, names()) {
			t.Errorf("%s = %q\nwant %q", what, got, names())
		}
	}
	for _, name := range names() {
		want(t, "Trash", s.c.Trash(t.Context(), dir.Join(name)), nil)
	}
	if got := paths(t, s.c.ListTree(t.Context(), dir)); len(got) != 0 {
		t.Errorf("left in the folder: %q", got)
	}
}

func (s suite) letterCase(t *testing.T) {
	p := s.root.Join("Case/File")
	s.put(t, p, "case")
	if info := s.stat(t, s.root.Join("cASE/fILE")); info.MD5 != contentOf("case").MD5 {
		t.Errorf("Stat = %+v", info)
	}
	s.put(t, s.root.Join("case/file"), "other")
	if got := paths(t, s.c.ListTree(t.Context(), s.root.Join("Case"))); !slices.Equal(got, []string{"File"}) {
		t.Errorf("ListTree = %q, want one file with its first spelling", got)
	}
	if got := paths(t, s.c.ListTree(t.Context(), s.root.Join("cASE"))); !slices.Equal(got, []string{"File"}) {
		t.Errorf("ListTree by another spelling = %q", got)
	}

	// What comes back from the trash may have its old spelling; whatever it has, it can be
	// given the new one.
	upper := s.root.Join("case/FILE")
	respell := func(how string, move func(ctx context.Context, from, to jfs.Path) error, to jfs.Path) {
		t.Helper()
		info := s.stat(t, to)
		if !info.Live() || record.Fold(string(info.Spelled())) != record.Fold(string(to)) {
			t.Errorf("%s: Stat = %+v, spelled %s", how, info, info.Spelled())
		}
		t.Logf("%s: asked for %s, it is called %s", how, to.Name(), info.Spelled().Name())
		if info.Spelled() != to {
			want(t, how+", then move", move(t.Context(), info.Spelled(), to), nil)
		}
		if info = s.stat(t, to); info.Spelled() != to {
			t.Errorf("%s: it is called %s, want %s", how, info.Spelled().Name(), to.Name())
		}
	}
	want(t, "Trash", s.c.Trash(t.Context(), p), nil)
	s.put(t, upper, unique("case"))
	respell("upload onto the trash", s.c.Move, upper)
	want(t, "Trash", s.c.Trash(t.Context(), p), nil)
	s.put(t, p, "case")
	respell("allocate known content onto the trash", s.c.Move, p)
	want(t, "Trash", s.c.Trash(t.Context(), p), nil)
	want(t, "TouchFile", s.c.TouchFile(t.Context(), upper, contentOf("case")), nil)
	if info := s.stat(t, upper); info.Spelled() != s.root.Join("case/File") { // docs/protocol.md, section 7.8
		t.Errorf("TouchFile of a file in the trash leaves it as %s, want its old spelling", info.Spelled())
	}
	respell("TouchFile onto the trash", s.c.Move, upper)
	want(t, "TrashDir", s.c.TrashDir(t.Context(), s.root.Join("Case")), nil)
	want(t, "MkDir", s.c.MkDir(t.Context(), s.root.Join("CASE")), nil)
	respell("MkDir onto the trash", s.c.MoveDir, s.root.Join("CASE"))
}

func (s suite) trees(t *testing.T) {
	dir := s.root.Join("trees")
	for _, p := range []string{"f", "a/b/c/deep", "a/f", "a b/f", "a-b/f", "trashed", "trash/f", "z/only"} {
		s.put(t, dir.Join(p), p)
	}
	want(t, "MkDir", s.c.MkDir(t.Context(), dir.Join("empty/very")), nil)
	want(t, "Trash", s.c.Trash(t.Context(), dir.Join("trashed")), nil)
	want(t, "TrashDir", s.c.TrashDir(t.Context(), dir.Join("trash")), nil)
	if _, err := s.c.Allocate(t.Context(), dir.Join("begun"), contentOf(unique("begun"))); err != nil {
		t.Error(err)
	}
	all := []string{"a b/", "a b/f", "a-b/", "a-b/f", "a/", "a/b/", "a/b/c/", "a/b/c/deep", "a/f", "empty/", "empty/very/", "f", "z/", "z/only"}
	for what, tree := range map[string]iter.Seq2[jfs.Entry, error]{"ListTree": s.c.ListTree(t.Context(), dir), "WalkTree": s.c.WalkTree(t.Context(), dir)} {
		if got := paths(t, tree); !slices.Equal(got, all) {
			t.Errorf("%s = %q\nwant %q", what, got, all)
		}
		for e, err := range tree {
			if err == nil && e.Kind == jfs.KindFile && (e.MD5 != contentOf(e.Path).MD5 || e.Size != int64(len(e.Path)) || !e.Modified.Equal(modified) || e.State != record.StateCompleted) {
				t.Errorf("%s has %+v", what, e)
			}
		}
	}
	if got := paths(t, s.c.ListTree(t.Context(), dir.Join("a"))); !slices.Equal(got, []string{"b/", "b/c/", "b/c/deep", "f"}) {
		t.Errorf("ListTree(a) = %q", got)
	}
	if got := paths(t, s.c.ListTree(t.Context(), dir.Join("empty/very"))); len(got) != 0 {
		t.Errorf("ListTree of an empty folder = %q", got)
	}
}

func (s suite) trash(t *testing.T) {
	dir := s.root.Join("trash")
	for _, p := range []string{"f", "dir/g", "h", "gone/i"} {
		s.put(t, dir.Join(p), p)
	}
	want(t, "Trash", s.c.Trash(t.Context(), dir.Join("f")), nil)
	want(t, "TrashDir", s.c.TrashDir(t.Context(), dir.Join("dir")), nil)
	for _, p := range []string{"f", "dir", "dir/g"} {
		if info := s.stat(t, dir.Join(p)); info.Deleted.IsZero() {
			t.Errorf("%s is not in the trash", p)
		}
	}
	if got := paths(t, s.c.ListTree(t.Context(), dir)); !slices.Equal(got, []string{"gone/", "gone/i", "h"}) {
		t.Errorf("ListTree = %q", got)
	}
	_, err := first(s.c.ListTree(t.Context(), dir.Join("dir")))
	want(t, "ListTree in the trash", err, jfs.ErrNotExist)
	want(t, "Trash again", s.c.Trash(t.Context(), dir.Join("f")), nil)
	want(t, "Trash of nothing", s.c.Trash(t.Context(), dir.Join("nothing")), nil)
	want(t, "TrashDir of nothing", s.c.TrashDir(t.Context(), dir.Join("nothing")), jfs.ErrNotExist)
	want(t, "Trash of a folder", s.c.Trash(t.Context(), dir.Join("gone")), jfs.ErrNotExist)
	want(t, "TrashDir of a file", s.c.TrashDir(t.Context(), dir.Join("h")), jfs.ErrNotExist)
	want(t, "Remove", s.c.Remove(t.Context(), dir.Join("h")), nil)
	want(t, "Remove again", s.c.Remove(t.Context(), dir.Join("h")), jfs.ErrNotExist)
	want(t, "Remove of a folder", s.c.Remove(t.Context(), dir.Join("gone")), jfs.ErrNotExist)
	want(t, "RemoveDir", s.c.RemoveDir(t.Context(), dir.Join("gone")), nil)
	for _, p := range []string{"h", "gone", "gone/i"} {
		_, err := s.c.Stat(t.Context(), dir.Join(p))
		want(t, "Stat of "+p, err, jfs.ErrNotExist)
	}
}

func first(entries iter.Seq2[jfs.Entry, error]) (jfs.Entry, error) {
	for e, err := range entries {
		return e, err
	}
	return jfs.Entry{}, nil
}

func (s suite) download(t *testing.T) {
	p, text := s.root.Join("download"), "hello, world"
	s.put(t, p, text)
	for _, part := range []struct{ offset, length int64 }{{0, -1}, {0, 5}, {7, -1}, {7, 3}, {0, 12}, {11, 1}, {3, 0}} {
		body, err := s.c.Open(t.Context(), p, part.offset, part.length)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := io.ReadAll(body)
		body.Close()
		end := part.offset + part.length
		if part.length < 0 {
			end = int64(len(text))
		}
		if string(got) != text[part.offset:end] || err != nil {
			t.Errorf("Open(%d, %d) = %q, %v, want %q", part.offset, part.length, got, err, text[part.offset:end])
		}
	}
	_, err := s.c.Open(t.Context(), p, 12, -1)
	want(t, "Open at the end", err, jfs.ErrRange)
	_, err = s.c.Open(t.Context(), s.root.Join("nothing"), 0, -1)
	want(t, "Open of nothing", err, jfs.ErrNotExist)
}

func (s suite) missing(t *testing.T) {
	p := s.root.Join("missing/x")
	_, err := s.c.Stat(t.Context(), p)
	want(t, "Stat", err, jfs.ErrNotExist)
	_, _, err = s.c.List(t.Context(), p)
	want(t, "List", err, jfs.ErrNotExist)
	_, err = first(s.c.ListTree(t.Context(), p))
	want(t, "ListTree", err, jfs.ErrNotExist)
	_, err = first(s.c.WalkTree(t.Context(), p))
	want(t, "WalkTree", err, jfs.ErrNotExist)
	_, err = s.c.Stat(t.Context(), "/No such device/x/y")
	want(t, "Stat of a missing device", err, jfs.ErrNotExist)
}

func (s suite) conflicts(t *testing.T) {
	p := s.root.Join("conflicts/f")
	s.put(t, p, "conflicts")
	want(t, "MkDir at a file", s.c.MkDir(t.Context(), p), jfs.ErrExist)
	_, err := s.c.Allocate(t.Context(), p.Parent(), contentOf(unique("conflict")))
	want(t, "Allocate at a folder", err, jfs.ErrExist)
	_, err = first(s.c.ListTree(t.Context(), p))
	want(t, "ListTree of a file", err, jfs.ErrExist)
	_, err = first(s.c.WalkTree(t.Context(), p))
	want(t, "WalkTree of a file", err, jfs.ErrExist)
}
