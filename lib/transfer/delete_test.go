package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// gone returns the record that says to delete an entry; folders end with a slash.
// The MD5 is that of the entry's path.
func gone(path string) *record.Record {
	path, isDir := strings.CutSuffix(path, "/")
	rec := &record.Record{Kind: record.KindFile, Path: path, Size: 1, MD5: sum([]byte(path)), Remote: dest + "/" + path, Action: record.ActionDelete, Reason: record.ReasonGone}
	if isDir {
		rec.Kind, rec.Size, rec.MD5 = record.KindDir, record.SizeUnknown, ""
	}
	return rec
}

func goneAll(paths string) []*record.Record {
	var all []*record.Record
	for _, p := range strings.Fields(paths) {
		all = append(all, gone(p))
	}
	return all
}

// store puts entries onto the service, as gone describes them.
func (f *fake) store(paths string) {
	for _, path := range strings.Fields(paths) {
		if dir, ok := strings.CutSuffix(path, "/"); ok {
			f.folders[jfs.Path(dest+"/"+dir)] = true
			continue
		}
		f.files[jfs.Path(dest+"/"+path)] = &stored{content: jfs.Content{Size: 1, MD5: sum([]byte(path))}, complete: true}
	}
}

// left returns what the service has, in order.
func (f *fake) left() string {
	var all []string
	for p := range f.folders {
		all = append(all, strings.TrimPrefix(string(p), dest+"/")+"/")
	}
	for p := range f.files {
		all = append(all, strings.TrimPrefix(string(p), dest+"/"))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func deletePlan(t testing.TB, service Deleter, o DeleteOptions, plan string) result {
	t.Helper()
	if o.Jobs == 0 {
		o.Jobs = 3
	}
	return carryOut(t, plan, func(in *record.Reader, out *record.Writer) error {
		return Delete(t.Context(), in, out, service, o)
	})
}

// TestDeleteKeepsWhatIsNewer: a plan may be old. What has taken a file's place on
// the service since is not what it means.
func TestDeleteKeepsWhatIsNewer(t *testing.T) {
	f := newFake()
	f.store("newer folder/ same")
	f.files[dest+"/newer"].content.MD5 = sum([]byte("a later version"))
	res := deletePlan(t, f, DeleteOptions{}, stream(t, goneAll("folder newer same")...))
	if got, want := strings.Join(res.summary(), ", "), "folder skipped occupied, newer skipped occupied, same done"; got != want || res.err != nil {
		t.Errorf("Delete = %v: %s, want %s", res.err, got, want)
	}
	if got, want := f.left(), "folder/ newer"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

func TestDelete(t *testing.T) {
	tests := []struct {
		name         string
		stored, plan string
		calls        string // sorted
		left         string
		want         string // records, sorted
		hard         bool
	}{
		{
			name:   "files",
			stored: "a/ a/f g h", plan: "a/f g",
			calls: "dl a/f, dl g", left: "a/ h", want: "a/f done, g done",
		},
		{
			name:   "files for good",
			stored: "a/ a/f g h", plan: "a/f g", hard: true,
			calls: "rm a/f, rm g", left: "a/ h", want: "a/f done, g done",
		},
		{
			name:   "a folder goes in one request",
			stored: "a/ a/b/ a/b/f a/c a-b/ a-b/f", plan: "a/ a/b/ a/b/f a/c",
			calls: "dlDir a, list a", left: "a-b/ a-b/f", want: "a done, a/b done, a/b/f done, a/c done",
		},
		{
			name:   "for good",
			stored: "a/ a/f", plan: "a/ a/f", hard: true,
			calls: "list a, rmDir a", left: "", want: "a done, a/f done",
		},
		{
			name:   "whatever the order",
			stored: "a/ a/b/ a/b/f a/c B", plan: "B a/b/f a/c a/b/ a/",
			calls: "dl B, dlDir a, list a", left: "", want: "B done, a done, a/b done, a/b/f done, a/c done",
		},
		{
			name:   "a folder of which the plan knows too little is kept",
			stored: "a/ a/b/ a/b/f a/b/new a/c/ a/c/g a/h", plan: "a/ a/b/ a/b/f a/c/ a/c/g a/h",
			calls: "dl a/b/f, dl a/c/g, dl a/h, dlDir a/c, list a",
			left:  "a/ a/b/ a/b/new", want: "a skipped occupied, a/b skipped occupied, a/b/f done, a/c done, a/c/g done, a/h done",
		},
		{
			name:   "at its start",
			stored: "a/ a/0 a/b/ a/b/f", plan: "a/ a/b/ a/b/f",
			calls: "dl a/b/f, dlDir a/b, list a", left: "a/ a/0", want: "a skipped occupied, a/b done, a/b/f done",
		},
		{
			name:   "at its end",
			stored: "a/ a/b/ a/b/f a/z", plan: "a/ a/b/ a/b/f",
			calls: "dl a/b/f, dlDir a/b, list a", left: "a/ a/z", want: "a skipped occupied, a/b done, a/b/f done",
		},
		{
			name:   "deep",
			stored: "a/ a/b/ a/b/c/ a/b/c/new", plan: "a/ a/b/ a/b/c/",
			calls: "list a", left: "a/ a/b/ a/b/c/ a/b/c/new", want: "a skipped occupied, a/b skipped occupied, a/b/c skipped occupied",
		},
		{
			name:   "a folder that is not planned is something, too",
			stored: "a/ a/b/ a/f", plan: "a/ a/f",
			calls: "dl a/f, list a", left: "a/ a/b/", want: "a skipped occupied, a/f done",
		},
		{
			name:   "gone already",
			stored: "", plan: "a/ a/f g",
			calls: "list a", left: "", want: "a done, a/f done, g done",
		},
		{
			name:   "partly gone",
			stored: "a/ a/f", plan: "a/ a/b/ a/b/g a/f",
			calls: "dlDir a, list a", left: "", want: "a done, a/b done, a/b/g done, a/f done",
		},
		{
			name:   "twice",
			stored: "a/ a/f", plan: "a/ a/ a/f a/f",
			calls: "dlDir a, list a", left: "", want: "a done, a done, a/f done, a/f done",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			f.store(test.stored)
			res := deletePlan(t, f, DeleteOptions{Hard: test.hard}, stream(t, goneAll(test.plan)...))
			if res.err != nil || res.messages != 0 {
				t.Fatalf("Delete = %v, %d messages", res.err, res.messages)
			}
			f.calls = slices.DeleteFunc(f.calls, func(c string) bool { return c == "customer " })
			slices.Sort(f.calls)
			if got := strings.Join(f.calls, ", "); got != test.calls {
				t.Errorf("requests are %s\nwant %s", got, test.calls)
			}
			if got := f.left(); got != test.left {
				t.Errorf("left is %s\nwant %s", got, test.left)
			}
			if got := strings.Join(res.summary(), ", "); got != test.want {
				t.Errorf("records are %s\nwant %s", got, test.want)
			}
		})
	}
}

// What is on the service by now is not what the plan was made from.
func TestDeleteOtherContent(t *testing.T) {
	f := newFake()
	f.store("a/ a/changed a/folder/ a/foreign a/same")
	f.files[dest+"/a/changed"].content.MD5 = sum([]byte("new content"))
	f.files[dest+"/a/foreign"].foreign = true
	res := deletePlan(t, f, DeleteOptions{}, stream(t, goneAll("a/ a/changed a/folder a/foreign a/same")...))
	want := "a skipped occupied, a/changed skipped occupied, a/folder skipped occupied, a/foreign skipped occupied, a/same done"
	if got := strings.Join(res.summary(), ", "); got != want || res.err != nil {
		t.Errorf("Delete = %v, records are %s\nwant %s", res.err, got, want)
	}
	if got, want := f.left(), "a/ a/changed a/folder/ a/foreign"; got != want {
		t.Errorf("left is %s, want %s", got, want)
	}
}

func TestDeleteListingAgain(t *testing.T) {
	f := newFake()
	f.store("a/ a/f")
	f.before = func(op string, p jfs.Path) error {
		if op == "list" {
			return &jfs.Error{Class: record.ClassServer, Message: "m", Err: jfs.ErrListing}
		}
		return nil
	}
	res := deletePlan(t, f, DeleteOptions{}, stream(t, goneAll("a/ a/f")...))
	if got := f.left(); got != "" || res.err != nil || f.count("walk") != 1 {
		t.Errorf("Delete = %v, left is %s, requests %v", res.err, got, f.calls)
	}
}

// A folder that cannot be listed or deleted fails with all in it, told once.
func TestDeleteFolderFails(t *testing.T) {
	for _, op := range []string{"list", "dlDir"} {
		f := newFake()
		f.store("a/ a/f a/g h")
		f.before = func(o string, p jfs.Path) error {
			if o == op {
				return answer(p, record.ClassForbidden, 403)
			}
			return nil
		}
		res := deletePlan(t, f, DeleteOptions{}, stream(t, goneAll("a/ a/f a/g h")...))
		want := "a failed forbidden, a/f failed forbidden, a/g failed forbidden, h done"
		if got := strings.Join(res.summary(), ", "); got != want || res.messages != 1 || res.err != nil {
			t.Errorf("%s: Delete = %v, %d messages, records are %s\nwant %s", op, res.err, res.messages, got, want)
		}
	}
}

// TestDeleteConflict: a conflict says that a folder is a file by now only if it is one.
func TestDeleteConflict(t *testing.T) {
	for _, test := range []struct{ stored, want, left string }{
		{"a/ a/f a/g", "a failed kind_conflict, a/f failed kind_conflict, a/g failed kind_conflict", "a/ a/f a/g"},
		{"a", "a done, a/f done, a/g done", "a"},
	} {
		f := newFake()
		f.store(test.stored)
		f.before = func(op string, p jfs.Path) error {
			if op == "list" {
				return answer(p, record.ClassKindConflict, 409)
			}
			return nil
		}
		res := deletePlan(t, f, DeleteOptions{}, stream(t, goneAll("a/ a/f a/g")...))
		if got := strings.Join(res.summary(), ", "); got != test.want || f.left() != test.left || res.err != nil {
			t.Errorf("%s: Delete = %v, records are %s, left is %s; want %s", test.stored, res.err, got, f.left(), test.want)
		}
	}
}

func TestDeleteWithheld(t *testing.T) {
	records := goneAll("a/ a/f g")
	whole := stream(t, records...)
	failed := gone("x")
	failed.Action, failed.Error = record.ActionPut, &record.Error{Class: record.ClassQuota, Message: "m"}
	tests := map[string]string{
		"cut short":    whole[:strings.Index(whole, `{"kind":"end"`)],
		"cut in two":   whole[:len(whole)/2],
		"incomplete":   strings.Replace(whole, `"complete":true`, `"complete":false`, 1),
		"miscounted":   strings.Replace(whole, `"records":3`, `"records":4`, 1),
		"malformed":    "{\n" + whole,
		"with errors":  stream(t, append(records, failed)...),
		"after errors": strings.Replace(whole, `"errors":0`, `"errors":2`, 1),
	}
	for name, plan := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.store("a/ a/f g")
			res := deletePlan(t, f, DeleteOptions{}, plan)
			if !errors.Is(res.err, ErrWithheld) || !strings.Contains(res.err.Error(), " because ") || len(f.calls) != 0 {
				t.Errorf("Delete = %v, requests %v", res.err, f.calls)
			}
			for _, rec := range res.records {
				if rec.Action == record.ActionDelete && (rec.Status != record.StatusSkipped || rec.Remote != dest+"/"+rec.Path || rec.Target != "") {
					t.Errorf("a deletion leaves as %+v", rec)
				}
			}
			res = deletePlan(t, f, DeleteOptions{Force: true}, plan)
			if res.err != nil || len(f.calls) == 0 || name != "cut in two" && strings.Contains(f.left(), "f") {
				t.Errorf("with --force: Delete = %v, requests %v", res.err, f.calls)
			}
		})
	}
	// Without deletions there is nothing to withhold; whoever reads the stream
	// hears of its state all the same.
	if res := deletePlan(t, newFake(), DeleteOptions{}, stream(t, failed)); res.err != nil {
		t.Errorf("Delete = %v", res.err)
	}
	f := newFake()
	if res := deletePlan(t, f, DeleteOptions{}, stream(t, gone("a"), failed)); !strings.HasPrefix(res.err.Error(), "1 deletion withheld because ") {
		t.Errorf("Delete = %v", res.err)
	}
}

func TestDeleteNever(t *testing.T) {
	f := newFake()
	f.store("a")
	bad := func(kind record.Kind, remote string) *record.Record {
		return &record.Record{Kind: kind, Path: "p", Remote: remote, Action: record.ActionDelete}
	}
	res := deletePlan(t, f, DeleteOptions{},
		stream(t, bad(record.KindDir, "/Jotta/Archive"), bad(record.KindDir, "/Jotta"), bad(record.KindDir, "/"), bad(record.KindFile, "/Jotta/Archive/"),
			bad(record.KindFile, ""), bad(record.KindSymlink, dest+"/a"), bad(record.KindFile, "/Jotta/Archive/../../x")))
	want := "p failed forbidden, p failed forbidden, p failed forbidden, p failed forbidden, p failed internal, p failed internal, p failed name_invalid"
	if got := strings.Join(res.summary(), ", "); got != want || len(f.calls) != 0 || res.err != nil {
		t.Errorf("Delete = %v, requests %v, records are %s\nwant %s", res.err, f.calls, got, want)
	}
}

func TestDeletePassesOthers(t *testing.T) {
	const line = `{"kind":"file","path":"a","action":"put","status":"done","later":1}`
	plan := line + "\n" + `{"kind":"file","path":"b","action":"delete","remote":"/x/y/b","status":"done"}` + "\n" + `{"kind":"end","v":1,"stage":"x","records":2,"bytes":0,"errors":0,"complete":true}`
	f := newFake()
	res := deletePlan(t, f, DeleteOptions{}, plan)
	if len(res.records) != 2 || res.records[0].Raw() != line || len(f.calls) != 0 {
		t.Errorf("requests %v, records %+v", f.calls, res.records)
	}
}

func TestDeleteDryRun(t *testing.T) {
	res := deletePlan(t, nil, DeleteOptions{DryRun: true}, stream(t, goneAll("a/ a/f g")...))
	if got, want := strings.Join(res.summary(), ", "), "a skipped gone, a/f skipped gone, g skipped gone"; got != want || res.err != nil {
		t.Errorf("Delete = %v, records are %s, want %s", res.err, got, want)
	}
}

func TestDeleteStops(t *testing.T) {
	for _, at := range []string{"customer", "list", "dlDir"} {
		f := newFake()
		f.store("a/ a/f")
		f.before = func(op string, _ jfs.Path) error {
			if op == at {
				return answer("", record.ClassAuth, 401)
			}
			return nil
		}
		res := deletePlan(t, f, DeleteOptions{Jobs: 1}, stream(t, goneAll("a/ a/f b c d/ d/g")...))
		if !errors.Is(res.err, jfs.ErrAuth) || f.count(at) != 1 || f.count("dl") != 0 || res.messages != 0 {
			t.Errorf("%s: Delete = %v, requests %v, %d messages", at, res.err, f.calls, res.messages)
		}
		for _, rec := range res.records {
			if rec.Error == nil || rec.Error.Class != record.ClassAuth || rec.Target != "" || !strings.HasSuffix(rec.Remote, rec.Path) {
				t.Errorf("%s: %+v leaves with %v", at, rec, rec.Error)
			}
		}
		if len(res.records) != 6 {
			t.Errorf("%s: %d records, want 6", at, len(res.records))
		}
	}
}

// An interrupted run deletes nothing that it has not begun, least of all because
// its input ended with it.
func TestDeleteInterrupted(t *testing.T) {
	f := newFake()
	f.store("a b c")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res := carryOut(t, stream(t, goneAll("a b c")...), func(in *record.Reader, out *record.Writer) error {
		return Delete(ctx, in, out, f, DeleteOptions{Jobs: 1, Force: true})
	})
	if !errors.Is(res.err, context.Canceled) || f.count("dl") != 0 {
		t.Errorf("Delete = %v, requests %v", res.err, f.calls)
	}
	ctx, cancel = context.WithCancel(t.Context())
	f.before = func(op string, p jfs.Path) error {
		if p.Name() == "b" {
			cancel()
			return context.Canceled
		}
		return nil
	}
	res = carryOut(t, stream(t, goneAll("a b c")...), func(in *record.Reader, out *record.Writer) error {
		return Delete(ctx, in, out, f, DeleteOptions{Jobs: 1})
	})
	if !errors.Is(res.err, context.Canceled) || f.left() != "b c" {
		t.Errorf("Delete = %v, left %s", res.err, f.left())
	}
	for _, rec := range res.records {
		if rec.Error != nil || rec.Target != "" || rec.Path != strings.TrimPrefix(rec.Remote, dest+"/") {
			t.Errorf("%+v", rec)
		}
	}
}

func TestDeleteMany(t *testing.T) {
	f := newFake()
	var records []*record.Record
	for i := range 20 {
		dir := fmt.Sprintf("d%02d/", i)
		paths := []string{dir}
		for j := range 100 {
			paths = append(paths, fmt.Sprintf("%sf%d", dir, j))
		}
		f.store(strings.Join(paths, " "))
		records = append(records, goneAll(strings.Join(paths, " "))...)
	}
	slices.Reverse(records)
	res := deletePlan(t, f, DeleteOptions{Jobs: 6}, stream(t, records...))
	if f.left() != "" || f.count("dlDir") != 20 || f.count("dl") != 0 || len(res.records) != 2020 || res.err != nil {
		t.Errorf("Delete = %v, left %s, %d records", res.err, f.left(), len(res.records))
	}
	if diff := cmp.Diff(20, f.count("list")); diff != "" {
		t.Errorf("listings (-want +got):\n%s", diff)
	}
}
