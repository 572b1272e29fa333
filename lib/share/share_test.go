package share

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// fake has one file, and shares whatever it is asked for.
type fake struct {
	at     jfs.Path
	info   jfs.Info
	listed []jfs.Info
}

func (f *fake) Stat(_ context.Context, p jfs.Path) (jfs.Info, error) {
	if p != f.at {
		return jfs.Info{}, &jfs.Error{Op: "look at", Path: p, Class: record.ClassNotFound, Status: 404, Message: "not found"}
	}
	return f.info, nil
}

func (f *fake) Share(_ context.Context, p jfs.Path) (jfs.Link, error) {
	return jfs.Link{Page: "page of " + string(p), Download: "content of " + string(p)}, nil
}

func (f *fake) LinkTo(ctx context.Context, info jfs.Info) (jfs.Link, error) {
	return f.Share(ctx, jfs.Path(info.Path))
}

func (f *fake) Unshare(context.Context, jfs.Path) error { return nil }

func (f *fake) Links(context.Context) iter.Seq2[jfs.Info, error] {
	return func(yield func(jfs.Info, error) bool) {
		for _, info := range f.listed {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// through runs a stage over records and returns what comes out.
func through(t *testing.T, stage func(in *record.Reader, out *record.Writer) error, records ...*record.Record) (all []*record.Record) {
	t.Helper()
	var given, written bytes.Buffer
	w := record.NewWriter(&given, "test")
	for _, r := range records {
		w.Write(r)
	}
	w.Close()
	out := record.NewWriter(&written, "test")
	if err := stage(record.NewReader(&given), out); err != nil {
		t.Fatal(err)
	}
	out.Close()
	in := record.NewReader(&written)
	for r := range in.All() {
		all = append(all, r)
	}
	if err := in.Whole(); err != nil {
		t.Error(err)
	}
	return all
}

const md5a, md5b = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"

func TestPlace(t *testing.T) {
	file := func(md5 string) jfs.Info {
		return jfs.Info{Entry: jfs.Entry{Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCompleted, Size: 1, MD5: md5}}}
	}
	trashed := file(md5b)
	trashed.Deleted = time.Unix(1, 0)
	unfinished := file(md5b)
	unfinished.State = record.StateIncomplete
	for _, tt := range []struct {
		name    string
		at      jfs.Path
		there   jfs.Info
		replace bool
		want    string // action and reason, or class of the error
	}{
		{"nothing", "/Jotta/Archive/x/other", file(md5a), false, "put new"},
		{"the same", "/Jotta/Archive/x/f", file(md5a), false, "none same"},
		{"other content", "/Jotta/Archive/x/f", file(md5b), false, "limit"},
		{"other content, to be replaced", "/Jotta/Archive/x/f", file(md5b), true, "put changed"},
		{"in the trash", "/Jotta/Archive/x/f", trashed, false, "put new"},
		{"not complete", "/Jotta/Archive/x/f", unfinished, false, "put new"},
		{"a folder", "/Jotta/Archive/x/f", jfs.Info{Entry: jfs.Entry{Kind: jfs.KindFolder}}, true, "kind_conflict"},
	} {
		got := through(t, func(in *record.Reader, out *record.Writer) error {
			return Place(t.Context(), in, out, &fake{at: tt.at, info: tt.there}, Options{To: "/Jotta/Archive/x", Replace: tt.replace})
		}, &record.Record{Kind: record.KindFile, Path: "f", Size: 1, MD5: md5a})[0]
		word := string(got.Action) + " " + string(got.Reason)
		if got.Error != nil {
			word = string(got.Error.Class)
		}
		if word != tt.want || got.Remote != "/Jotta/Archive/x/f" {
			t.Errorf("%s: %s to %s, want %s", tt.name, word, got.Remote, tt.want)
		}
	}
}

func TestLinks(t *testing.T) {
	rec := func(path string, change func(*record.Record)) *record.Record {
		r := &record.Record{Kind: record.KindFile, Path: path, Size: 1, MD5: md5a, Remote: "/Jotta/Archive/x/" + path, Action: record.ActionPut, Reason: record.ReasonNew}
		change(r)
		return r
	}
	for _, direct := range []bool{false, true} {
		heard := 0
		var got []string
		for _, r := range through(t, func(in *record.Reader, out *record.Writer) error {
			return Links(t.Context(), in, out, &fake{}, Options{Direct: direct, Linked: func(*record.Record) { heard++ }})
		},
			rec("done", func(r *record.Record) { r.Status = record.StatusDone }),
			rec("known", func(r *record.Record) { r.Status = record.StatusDeduplicated }),
			rec("same", func(r *record.Record) { r.Action, r.Reason = record.ActionNone, record.ReasonSame }),
			rec("failed", func(r *record.Record) {
				r.Status, r.Error = record.StatusFailed, &record.Error{Class: record.ClassQuota, Message: "full"}
			}),
			rec("changing", func(r *record.Record) { r.Status, r.Reason = record.StatusSkipped, record.ReasonChanging }),
			rec("untouched", func(*record.Record) {}),
		) {
			word := r.Path + " " + r.Link
			if r.Error != nil {
				word = r.Path + " " + string(r.Error.Class)
			}
			got = append(got, strings.TrimSpace(word))
		}
		what := map[bool]string{false: "page of", true: "content of"}[direct]
		want := strings.ReplaceAll("done W /Jotta/Archive/x/done|known W /Jotta/Archive/x/known|same W /Jotta/Archive/x/same|failed quota|changing changing|untouched", "W", what)
		if line := strings.Join(got, "|"); line != want || heard != 3 {
			t.Errorf("%s, want %s; heard of %d", line, want, heard)
		}
	}
}

func TestListLeavesOutDeadLinks(t *testing.T) {
	live := jfs.Info{Entry: jfs.Entry{Path: "/Jotta/Archive/a", Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCompleted, Size: 1}}}
	dead := live
	dead.Path, dead.Deleted = "/Jotta/Archive/b", time.Unix(1, 0)
	notes := live // of these programs
	notes.Path = "/Jotta/Archive/.jottatools/jobs/a"
	got := through(t, func(_ *record.Reader, out *record.Writer) error {
		return List(t.Context(), out, &fake{listed: []jfs.Info{dead, notes, live}}, Options{})
	})
	if len(got) != 1 || got[0].Path != "Jotta/Archive/a" || got[0].Link != "page of /Jotta/Archive/a" {
		t.Errorf("listed %+v", got)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	got := through(t, func(_ *record.Reader, out *record.Writer) error {
		return Files([]string{filepath.Join(dir, "f"), filepath.Join(dir, "link"), dir, "/", filepath.Join(dir, "f", "g")}, out)
	})
	for i, want := range []string{"f 1 ", "link 1 ", filepath.Base(dir) + " -1 kind_conflict", "- -1 kind_conflict", "g -1 vanished"} {
		class := record.Class("")
		if got[i].Error != nil {
			class = got[i].Error.Class
		}
		if line := got[i].Path + " " + map[bool]string{true: "-1", false: "1"}[got[i].Size < 0] + " " + string(class); line != want {
			t.Errorf("%s, want %s", line, want)
		}
	}
}

// down is a service that is down, or refuses the login, from some request on.
type down struct {
	fake
	class record.Class
	left  int // requests that go well
	asked int
}

func (d *down) fail() error {
	if d.asked++; d.asked <= d.left {
		return nil
	}
	return &jfs.Error{Op: "ask", Class: d.class, Message: "down", Retry: true}
}

func (d *down) Stat(ctx context.Context, p jfs.Path) (jfs.Info, error) {
	if err := d.fail(); err != nil {
		return jfs.Info{}, err
	}
	return d.fake.Stat(ctx, p)
}

func (d *down) Share(ctx context.Context, p jfs.Path) (jfs.Link, error) {
	if err := d.fail(); err != nil {
		return jfs.Link{}, err
	}
	return d.fake.Share(ctx, p)
}

// TestOutage: a service that is down ends each stage after few requests, and every
// entry has a record that says why it has no link.
func TestOutage(t *testing.T) {
	const entries = 20
	stages := map[string]func(context.Context, *record.Reader, *record.Writer, Service) error{
		"place": func(ctx context.Context, in *record.Reader, out *record.Writer, s Service) error {
			return Place(ctx, in, out, s, Options{To: "/Jotta/Archive/x"})
		},
		"links": func(ctx context.Context, in *record.Reader, out *record.Writer, s Service) error {
			return Links(ctx, in, out, s, Options{})
		},
		"remote": func(ctx context.Context, in *record.Reader, out *record.Writer, s Service) error {
			var paths []jfs.Path
			for rec := range in.All() {
				paths = append(paths, jfs.Path(rec.Remote))
			}
			return Remote(ctx, paths, out, s, Options{})
		},
	}
	for name, stage := range stages {
		for _, tt := range []struct {
			class             record.Class
			left, given       int
			asked, told, hush int // requests, messages, records that say that they were not tried
			ends              bool
		}{
			{record.ClassServer, 0, entries, 3, 2, entries - 3, true},
			{record.ClassNetwork, 4, entries, 7, 2, entries - 7, true},
			{record.ClassRateLimited, 0, entries, 3, 2, entries - 3, true},
			{record.ClassAuth, 1, entries, 2, 0, entries - 2, true},
			{record.ClassForbidden, 0, entries, entries, entries, 0, false},
			{record.ClassServer, 0, 1, 1, 1, 0, true},
			{record.ClassServer, 1, 2, 2, 1, 0, false},
		} {
			if name == "remote" && tt.left > 0 {
				continue // it makes two requests for an entry
			}
			service := &down{class: tt.class, left: tt.left}
			told, hushed, failed := 0, 0, 0
			var err error
			var records []*record.Record
			for i := range tt.given {
				path := strings.Repeat("f", i+1)
				r := &record.Record{Kind: record.KindFile, Path: path, Size: 1, MD5: md5a, Remote: "/Jotta/Archive/x/" + path}
				if name == "links" {
					r.Action, r.Status = record.ActionPut, record.StatusDone
				}
				records = append(records, r)
			}
			got := through(t, func(in *record.Reader, out *record.Writer) error {
				out.OnError = func(*record.Record) { told++ }
				err = stage(t.Context(), in, out, service)
				return nil
			}, records...)
			for _, r := range got {
				if r.Error != nil {
					failed++
				}
				if r.Error != nil && strings.HasPrefix(r.Error.Message, "not tried: ") {
					hushed++
				}
			}
			if len(got) != tt.given || service.asked != tt.asked || told != tt.told || hushed != tt.hush || failed != tt.given-tt.left || (err != nil) != tt.ends {
				t.Errorf("%s, %s after %d of %d: %d records, %d requests, %d messages, %d not tried, %d failed: %v", name, tt.class, tt.left, tt.given, len(got), service.asked, told, hushed, failed, err)
			}
		}
	}
}
