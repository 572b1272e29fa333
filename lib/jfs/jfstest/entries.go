package jfstest

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// read returns the content of a file.
func (s suite) read(t *testing.T, p jfs.Path) string {
	t.Helper()
	body, err := s.c.Open(t.Context(), p, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s suite) move(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("move")
	from, to := dir.Join("from + %"), dir.Join("new folder/to & \"é\"")
	s.put(t, from, "one")
	s.put(t, from, "two")
	before := s.stat(t, from)
	want(t, "Move", s.c.Move(ctx, from, to), nil)
	after := s.stat(t, to)
	if after.UUID != before.UUID || after.Number != 2 || len(after.Older) != 1 || !after.Modified.Equal(before.Modified) || after.MD5 != before.MD5 {
		t.Errorf("Stat = %+v, want all of %+v", after, before)
	}
	_, err := s.c.Stat(ctx, from)
	want(t, "Stat of the old place", err, jfs.ErrNotExist)
	want(t, "Move again", s.c.Move(ctx, from, to), jfs.ErrNotExist)

	upper := to.Parent().Join("TO & \"é\"")
	want(t, "Move to other letter case", s.c.Move(ctx, to, upper), nil)
	if got := paths(t, s.c.ListTree(ctx, to.Parent())); !slices.Equal(got, []string{upper.Name()}) {
		t.Errorf("ListTree = %q, want the new spelling", got)
	}
	s.put(t, dir.Join("other"), "other")
	want(t, "Move onto a file", s.c.Move(ctx, upper, dir.Join("other")), jfs.ErrExist)
	want(t, "Move onto a folder", s.c.Move(ctx, dir.Join("other"), to.Parent()), jfs.ErrExist)
	want(t, "Move of a folder", s.c.Move(ctx, to.Parent(), dir.Join("x")), jfs.ErrExist)
	want(t, "Trash", s.c.Trash(ctx, dir.Join("other")), nil)
	want(t, "Move from the trash", s.c.Move(ctx, dir.Join("other"), dir.Join("x")), jfs.ErrNotExist)
	want(t, "Move onto something in the trash", s.c.Move(ctx, upper, dir.Join("other")), nil)
	if got := s.read(t, dir.Join("other")); got != "two" {
		t.Errorf("content = %q", got)
	}
	want(t, "Move of a mount point", s.c.Move(ctx, s.root.MountPoint(), dir.Join("x")), jfs.ErrForbidden)
	want(t, "Move to a mount point", s.c.Move(ctx, dir.Join("other"), s.root.MountPoint()), jfs.ErrForbidden)
}

func (s suite) moveDir(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("move dir")
	s.put(t, dir.Join("a/b/f"), "f")
	want(t, "MoveDir", s.c.MoveDir(ctx, dir.Join("a"), dir.Join("new/c")), nil)
	if got := paths(t, s.c.ListTree(ctx, dir)); !slices.Equal(got, []string{"new/", "new/c/", "new/c/b/", "new/c/b/f"}) {
		t.Errorf("ListTree = %q", got)
	}
	want(t, "MoveDir again", s.c.MoveDir(ctx, dir.Join("a"), dir.Join("new/c")), jfs.ErrNotExist)
	want(t, "MoveDir to other letter case", s.c.MoveDir(ctx, dir.Join("new"), dir.Join("NEW")), nil)
	want(t, "MkDir", s.c.MkDir(ctx, dir.Join("there")), nil)
	want(t, "MoveDir onto a folder", s.c.MoveDir(ctx, dir.Join("NEW"), dir.Join("there")), jfs.ErrExist)
	want(t, "MoveDir of a file", s.c.MoveDir(ctx, dir.Join("NEW/c/b/f"), dir.Join("x")), jfs.ErrExist)
	want(t, "MoveDir into itself", s.c.MoveDir(ctx, dir.Join("NEW"), dir.Join("new/c/x")), jfs.ErrForbidden)
	want(t, "TrashDir", s.c.TrashDir(ctx, dir.Join("there")), nil)
	want(t, "MoveDir onto something in the trash", s.c.MoveDir(ctx, dir.Join("NEW"), dir.Join("there")), nil)
	if got := paths(t, s.c.ListTree(ctx, dir)); !slices.Equal(got, []string{"there/", "there/c/", "there/c/b/", "there/c/b/f"}) {
		t.Errorf("ListTree = %q", got)
	}
}

func (s suite) copy(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("copy")
	s.put(t, dir.Join("f"), "copied")
	f := s.stat(t, dir.Join("f"))
	info, err := s.c.Copy(ctx, dir.Join("f"), dir.Join("new/g"))
	if err != nil || info.UUID == f.UUID || info.MD5 != f.MD5 || !info.Modified.Equal(f.Modified) || !info.Created.Equal(f.Created) {
		t.Errorf("Copy = %+v, %v, want another file like %+v", info, err, f)
	}
	s.put(t, dir.Join("h"), "before")
	if info, err := s.c.Copy(ctx, dir.Join("f"), dir.Join("h")); err != nil || info.Number != 2 || s.read(t, dir.Join("h")) != "copied" {
		t.Errorf("Copy onto a file = %+v, %v", info, err)
	}
	want(t, "Trash", s.c.Trash(ctx, dir.Join("h")), nil)
	if info, err := s.c.Copy(ctx, dir.Join("f"), dir.Join("h")); err != nil || !info.Live() {
		t.Errorf("Copy onto a file in the trash = %+v, %v", info, err)
	}
	if info := s.stat(t, dir.Join("h")); !info.Live() || info.MD5 != f.MD5 {
		t.Errorf("Stat = %+v, want it out of the trash", info)
	}
	_, err = s.c.Copy(ctx, dir.Join("nothing"), dir.Join("x"))
	want(t, "Copy of nothing", err, jfs.ErrNotExist)
	_, err = s.c.Copy(ctx, dir.Join("f"), dir.Join("new"))
	want(t, "Copy onto a folder", err, jfs.ErrExist)
}

func (s suite) restore(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("restore")
	for _, p := range []string{"f", "d/g", "d/e/h", "d/earlier"} {
		s.put(t, dir.Join(p), p)
	}
	want(t, "Trash", s.c.Trash(ctx, dir.Join("f")), nil)
	for range 2 { // the second time it is alive
		want(t, "Restore", s.c.Restore(ctx, dir.Join("f")), nil)
	}
	if info := s.stat(t, dir.Join("f")); !info.Live() || info.Number != 1 || !info.Modified.Equal(modified) || !info.Created.Equal(created) {
		t.Errorf("Stat = %+v, want it as it was", info)
	}
	want(t, "Restore of a folder", s.c.Restore(ctx, dir.Join("d")), jfs.ErrExist)
	want(t, "Restore of nothing", s.c.Restore(ctx, dir.Join("nothing")), jfs.ErrNotExist)

	want(t, "Trash", s.c.Trash(ctx, dir.Join("d/earlier")), nil)
	earlier := s.stat(t, dir.Join("d/earlier")).Deleted
	var deleted time.Time
	for { // times are in seconds
		want(t, "TrashDir", s.c.TrashDir(ctx, dir.Join("d")), nil)
		if deleted = s.stat(t, dir.Join("d")).Deleted; !deleted.Equal(earlier) {
			break
		}
		if _, err := s.c.RestoreDir(ctx, dir.Join("d"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		want(t, "Trash", s.c.Trash(ctx, dir.Join("d/earlier")), nil)
		earlier = s.stat(t, dir.Join("d/earlier")).Deleted
		wait(t, ctx, time.Until(earlier.Add(time.Second)))
	}
	n, err := s.c.RestoreDir(ctx, dir.Join("d"), deleted)
	if n != 2 || err != nil {
		t.Errorf("RestoreDir = %d, %v, want 2 files", n, err)
	}
	all := []string{"d/", "d/e/", "d/e/h", "d/g", "f"}
	if got := paths(t, s.c.ListTree(ctx, dir)); !slices.Equal(got, all) {
		t.Errorf("ListTree = %q, want %q", got, all)
	}
	if n, err := s.c.RestoreDir(ctx, dir.Join("d"), time.Time{}); n != 1 || err != nil {
		t.Errorf("RestoreDir of the rest = %d, %v, want 1 file", n, err)
	}
	_, err = s.c.RestoreDir(ctx, dir.Join("f"), time.Time{})
	want(t, "RestoreDir of a file", err, jfs.ErrExist)
	_, err = s.c.RestoreDir(ctx, dir.Join("nothing"), time.Time{})
	want(t, "RestoreDir of nothing", err, jfs.ErrNotExist)
}

// wait lets the service's clock go on: it is no way to wait for its work.
func wait(t *testing.T, ctx context.Context, d time.Duration) {
	select {
	case <-time.After(max(d, time.Millisecond)):
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
}

func (s suite) revisions(t *testing.T) {
	p := s.root.Join("revisions")
	texts := []string{"one", "two", "three", "four", "five", "six", "seven"}
	for _, text := range texts {
		s.put(t, p, text)
	}
	info := s.stat(t, p)
	if info.Number != 7 || len(info.Older) != 4 || info.Older[0].Number != 6 || info.Older[3].Number != 3 {
		t.Fatalf("Stat = %+v, want revisions 7 to 3", info)
	}
	for _, r := range append(info.Older, info.Revision) {
		body, err := s.c.OpenRevision(t.Context(), p, r.Number, 1, -1)
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := io.ReadAll(body)
		body.Close()
		if string(text) != texts[r.Number-1][1:] || err != nil {
			t.Errorf("OpenRevision(%d) = %q, %v, want %q", r.Number, text, err, texts[r.Number-1][1:])
		}
	}
	for _, number := range []int64{2, 8} {
		_, err := s.c.OpenRevision(t.Context(), p, number, 0, -1)
		want(t, "OpenRevision of what is not there", err, jfs.ErrNotExist)
	}
}

// states: what is unfinished, damaged, trashed and missing are four things.
func (s suite) states(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("states")
	text := unique("states")
	for name, kind := range map[string]error{"unfinished": jfs.ErrIncomplete, "damaged": jfs.ErrCorrupt} {
		p := dir.Join(name)
		content := contentOf(text + name)
		a, err := s.c.Allocate(ctx, p, content)
		if err != nil {
			t.Fatal(err)
		}
		if name == "damaged" {
			err = s.c.Upload(ctx, a, strings.NewReader(strings.Repeat("x", int(content.Size))))
		} else {
			err = s.c.Upload(ctx, a, part(text[:5]))
		}
		if err == nil {
			t.Fatalf("Upload of %s = nil", name)
		}
		var info jfs.Info
		for range 1000 { // the service may still be busy with the broken connection
			if info, err = s.c.Stat(ctx, p); err == nil {
				break
			}
		}
		want(t, name+" Problem", info.Problem(), kind)
		if info.Live() {
			t.Errorf("%s is alive: %+v", name, info)
		}
		_, err = s.c.Open(ctx, p, 0, -1)
		want(t, "Open of "+name, err, kind)
		want(t, "Restore of "+name, s.c.Restore(ctx, p), kind)
	}
	// A file that had content keeps it.
	p := dir.Join("good")
	s.put(t, p, "good")
	a, err := s.c.Allocate(ctx, p, contentOf(text+"bad"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Upload", s.c.Upload(ctx, a, strings.NewReader(strings.Repeat("x", len(text)+3))), jfs.ErrCorrupt)
	if info := s.stat(t, p); info.Problem() != nil || info.Newer == nil || info.Newer.State != record.StateCorrupt || s.read(t, p) != "good" {
		t.Errorf("Stat = %+v, want it alive with a damaged newer revision", info)
	}
	want(t, "Trash", s.c.Trash(ctx, p), nil)
	info := s.stat(t, p)
	want(t, "Problem in the trash", info.Problem(), jfs.ErrNotExist)
	_, err = s.c.Open(ctx, dir.Join("missing"), 0, -1)
	want(t, "Open of nothing", err, jfs.ErrNotExist)
	_, err = s.c.Open(ctx, dir, 0, -1)
	want(t, "Open of a folder", err, jfs.ErrNotExist)

	s.put(t, dir.Join("new"), "new")
	_, err = s.c.AllocateNew(ctx, dir.Join("new"), contentOf(unique("other")))
	want(t, "AllocateNew onto a file", err, jfs.ErrExist)
	_, err = s.c.AllocateNew(ctx, dir.Join("new"), contentOf("new"))
	want(t, "AllocateNew of the same", err, nil)
}

func (s suite) listAll(t *testing.T) {
	ctx, dir := t.Context(), s.root.Join("list all")
	for _, p := range []string{"a/f 100%", "a/b/g", "h", "gone/i", "trashed"} {
		s.put(t, dir.Join(p), p)
	}
	want(t, "MkDir", s.c.MkDir(ctx, dir.Join("empty")), nil)
	want(t, "Trash", s.c.Trash(ctx, dir.Join("trashed")), nil)
	want(t, "TrashDir", s.c.TrashDir(ctx, dir.Join("gone")), nil)
	var got []string
	met := map[string]bool{"": true}
	for e, err := range s.c.ListAll(ctx, dir) {
		if err != nil {
			t.Fatal(err)
		}
		if up := e.Path[:max(0, strings.LastIndexByte(e.Path, '/'))]; !met[up] {
			t.Errorf("%s comes before its folder", e.Path)
		}
		line := e.Path
		if e.Kind == jfs.KindFolder {
			met[e.Path] = true
			line += "/"
		} else if e.MD5 != contentOf(e.Path).MD5 {
			t.Errorf("entry %+v", e)
		}
		if !e.Deleted.IsZero() {
			line += " deleted"
		}
		got = append(got, line)
	}
	slices.Sort(got)
	all := []string{"a/", "a/b/", "a/b/g", "a/f 100%", "empty/", "gone/ deleted", "gone/i deleted", "h", "trashed deleted"}
	if !slices.Equal(got, all) {
		t.Errorf("ListAll = %q\nwant %q", got, all)
	}
	_, err := first(s.c.ListAll(ctx, dir.Join("nothing")))
	want(t, "ListAll of nothing", err, jfs.ErrNotExist)
	_, err = first(s.c.ListAll(ctx, dir.Join("h")))
	want(t, "ListAll of a file", err, jfs.ErrExist)
}

// fetch gets an address without a login.
func fetch(t *testing.T, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s suite) share(t *testing.T) {
	ctx, p := t.Context(), s.root.Join("share/shared é.txt")
	s.put(t, p, "shared")
	want(t, "Unshare of what is not shared", s.c.Unshare(ctx, p), nil)
	link, err := s.c.Share(ctx, p)
	if err != nil || len(link.URI) != 32 || link.Page == "" {
		t.Fatalf("Share = %+v, %v", link, err)
	}
	if again, err := s.c.Share(ctx, p); again != link || err != nil {
		t.Errorf("Share again = %+v, %v, want %+v", again, err, link)
	}
	if status, body := fetch(t, link.Download); status != 200 || body != "shared" {
		t.Errorf("GET of the link = %d %q", status, body)
	}
	info := s.stat(t, p)
	if other, err := s.c.LinkTo(ctx, info); other.Download != link.Download || err != nil {
		t.Errorf("LinkTo = %+v, %v, want %+v", other, err, link)
	}
	found := false
	for info, err := range s.c.Links(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		found = found || info.Path == string(p) && info.PublicURI == link.URI && info.MD5 == contentOf("shared").MD5
	}
	if !found {
		t.Errorf("Links lacks %s", p)
	}
	want(t, "Unshare", s.c.Unshare(ctx, p), nil)
	if status, _ := fetch(t, link.Download); status != 404 {
		t.Errorf("GET of the dead link = %d, want 404", status)
	}
	if link, err := s.c.Share(ctx, p.Parent()); err != nil || link.URI == "" {
		t.Errorf("Share of a folder = %+v, %v", link, err)
	}
	want(t, "Unshare of a folder", s.c.Unshare(ctx, p.Parent()), nil)
	_, err = s.c.Share(ctx, s.root.Join("nothing"))
	want(t, "Share of nothing", err, jfs.ErrNotExist)
}

// thumbnail: the service need not have any, but what it has is a picture.
func (s suite) thumbnail(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for i := range 120 {
		picture.Set(i, i, color.White)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	p := s.root.Join("thumbnail/picture.png")
	s.put(t, p, b.String())
	for _, size := range []jfs.ThumbSize{jfs.ThumbSmall, jfs.ThumbMedium, jfs.ThumbLarge, jfs.ThumbExtraLarge} {
		body, err := s.c.Thumbnail(t.Context(), p, size)
		if err != nil {
			want(t, "Thumbnail", err, jfs.ErrNotExist)
			continue
		}
		if config, err := jpeg.DecodeConfig(body); err != nil || config.Width > 1024 || config.Height > 1024 {
			t.Errorf("Thumbnail(%s) = %+v, %v, want a small JPEG", size, config, err)
		}
		body.Close()
	}
	s.put(t, s.root.Join("thumbnail/text.txt"), "no picture")
	_, err := s.c.Thumbnail(t.Context(), s.root.Join("thumbnail/text.txt"), jfs.ThumbSmall)
	want(t, "Thumbnail of a text", err, jfs.ErrNotExist)
	_, err = s.c.Thumbnail(t.Context(), s.root.Join("thumbnail/nothing"), jfs.ThumbSmall)
	want(t, "Thumbnail of nothing", err, jfs.ErrNotExist)
}
