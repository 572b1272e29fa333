package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// all says that an upload arrives as a whole.
func all() (int64, error) { return -1, nil }

func TestUpload(t *testing.T) {
	f, d := newFake(), newTree(t)
	f.known[sum([]byte("known"))] = true
	touched := d.write(t, "touched", "known")
	touched.Action, touched.Reason = record.ActionTouch, record.ReasonTouched
	lost := d.write(t, "lost", "not on the service")
	lost.Action = record.ActionTouch
	born := d.write(t, "born", "has a birthday")
	born.BTime = someDay
	unborn := d.write(t, "unborn", "has none")
	unborn.BTime = time.Time{}
	var progress, expected [2]atomic.Int64
	o := UploadOptions{
		Expect:   func(files, bytes int64) { expected[0].Add(files); expected[1].Add(bytes) },
		Progress: func(files, bytes int64) { progress[0].Add(files); progress[1].Add(bytes) },
	}
	res := uploadPlan(t, f, o,
		mkdir("a"), d.write(t, "a/new", "hello"), born, unborn,
		d.write(t, "dup", "known"), d.write(t, "zero", ""), touched, lost,
	)
	if res.err != nil {
		t.Fatal(res.err)
	}
	want := []string{
		"a done", "a/new done sent 5 from 0", "born done sent 14 from 0", "dup deduplicated sent 0 from 0",
		"lost done sent 18 from 0", "touched done", "unborn done sent 8 from 0", "zero done sent 0 from 0",
	}
	if diff := cmp.Diff(want, res.summary()); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	if got := f.content("a/new"); got != "hello" {
		t.Errorf("the service has %q", got)
	}
	if got := f.files[dest+"/born"].content; !got.Created.Equal(someDay) || !got.Modified.Equal(born.MTime) {
		t.Errorf("times of born are %v, %v", got.Created, got.Modified)
	}
	if got := f.files[dest+"/unborn"].content; !got.Created.Equal(unborn.MTime) {
		t.Errorf("creation time of unborn is %v, want its mtime", got.Created)
	}
	if f.count("upload") != 5 || f.count("customer") != 1 {
		t.Errorf("requests: %v", f.calls)
	}
	// The file of the touch turned out to need sending, which nobody had expected.
	// The folder is no file.
	if progress[0].Load() != 7 || expected[0].Load() != 7 || progress[1].Load() != expected[1].Load()+18 {
		t.Errorf("progress %v of %v files, %v of %v bytes", progress[0].Load(), expected[0].Load(), progress[1].Load(), expected[1].Load())
	}
}

func TestUploadPassesOthers(t *testing.T) {
	lines := []string{
		`{"kind":"file","path":"a","action":"none","reason":"same","later":[1, 2]}`,
		`{"path":"b","kind":"symlink","target":"x","status":"skipped","reason":"symlink"}`,
		`{"kind":"file","path":"c","action":"put","error":{"class":"permission","message":"m","extra":1}}`,
		`{"kind":"file","path":"d","action":"put","status":"skipped","reason":"changing"}`,
		`{"kind":"file","path":"e","action":"get"}`,
		`{"kind":"wonder","path":"f","action":"burn"}`,
		`{"kind":"file","path":"g","action":"delete","remote":"/a/b/g"}`,
	}
	plan := strings.Join(lines, "\n") + "\n" + `{"kind":"end","v":1,"stage":"x","records":7,"bytes":0,"errors":1,"complete":true}` + "\n"
	f := newFake()
	res := carryOut(t, plan, func(in *record.Reader, out *record.Writer) error {
		return Upload(t.Context(), in, out, f, UploadOptions{Jobs: 2})
	})
	var got []string
	for _, r := range res.records {
		got = append(got, r.Raw())
	}
	if diff := cmp.Diff(lines, got); diff != "" || res.err != nil || res.messages != 0 {
		t.Errorf("Upload = %v, %d messages, records differ (-want +got):\n%s", res.err, res.messages, diff)
	}
	if len(f.calls) != 0 {
		t.Errorf("requests: %v", f.calls)
	}
}

func TestUploadNonsense(t *testing.T) {
	f, d := newFake(), newTree(t)
	noMD5 := d.write(t, "1", "x")
	noMD5.MD5 = ""
	noRemote := d.write(t, "2", "x")
	noRemote.Remote = ""
	noRoot := d.write(t, "3", "x")
	noRoot.Root = ""
	dots := d.write(t, "4", "x")
	dots.Remote = "/Jotta/Archive/../x"
	shallow := d.write(t, "5", "x")
	shallow.Remote = "/Jotta"
	folder := mkdir("6")
	folder.Action = record.ActionPut
	long := d.write(t, "7", "x")
	long.Remote = dest + "/" + strings.Repeat("x", 256)
	noSize := d.write(t, "8", "x")
	noSize.Size = record.SizeUnknown
	res := uploadPlan(t, f, UploadOptions{}, noMD5, noRemote, noRoot, dots, shallow, folder, long, noSize)
	want := []string{
		"1 failed internal", "2 failed internal", "3 failed internal", "4 failed name_invalid",
		"5 failed name_invalid", "6 failed internal", "7 failed name_too_long", "8 failed internal",
	}
	if diff := cmp.Diff(want, res.summary()); diff != "" || res.err != nil {
		t.Errorf("Upload = %v, records differ (-want +got):\n%s", res.err, diff)
	}
	if !strings.Contains(res.records[0].Error.Message, "run jhash before jput") {
		t.Errorf("the message is %q", res.records[0].Error.Message)
	}
	if len(f.calls) != 0 {
		t.Errorf("requests: %v", f.calls)
	}
}

func TestDryRun(t *testing.T) {
	d := newTree(t)
	res := uploadPlan(t, nil, UploadOptions{DryRun: true}, mkdir("a"), d.write(t, "b", "x"))
	if diff := cmp.Diff([]string{"a skipped new", "b skipped new"}, res.summary()); diff != "" || res.err != nil {
		t.Errorf("Upload = %v, records differ (-want +got):\n%s", res.err, diff)
	}
}

// What the network may do to one upload, and what becomes of it. Each fault is
// one attempt; after them everything works.
func TestUploadFaults(t *testing.T) {
	type attempt struct {
		bytes int64
		err   error
	}
	broken := answer("", record.ClassNetwork, 0)
	repeat := func(n int, a attempt) []attempt { return slices.Repeat([]attempt{a}, n) }
	tests := []struct {
		name     string
		attempts []attempt
		want     string
		took     time.Duration // at least; 0: no pause at all
	}{
		{"none", nil, "f done sent 11 from 0", 0},
		{"connection breaks", []attempt{{4, broken}}, "f done sent 11 from 0", 200 * time.Millisecond},
		{"part by part", []attempt{{2, answer("", record.ClassIncomplete, 420)}, {2, answer("", record.ClassIncomplete, 420)}}, "f done sent 11 from 0", 0},
		{"byte by byte", repeat(10, attempt{1, answer("", record.ClassIncomplete, 420)}), "f done sent 11 from 0", 0},
		{"address expired", []attempt{{0, answer("", record.ClassNotFound, 404)}}, "f done sent 11 from 0", 0},
		{"service had less", []attempt{{0, answer("", record.ClassRange, 416)}}, "f done sent 11 from 0", 200 * time.Millisecond},
		{"damaged once", []attempt{{11, answer("", record.ClassCorrupt, 421)}}, "f done sent 22 from 0", 0},
		{"damaged twice", repeat(2, attempt{11, answer("", record.ClassCorrupt, 421)}), "f failed corrupt sent 22 from 0", 0},
		{"in trouble", repeat(4, attempt{0, answer("", record.ClassServer, 503)}), "f done sent 11 from 0", 3 * time.Second},
		{"stuck", repeat(5, attempt{0, answer("", record.ClassServer, 503)}), "f failed server sent 0 from 0", 3 * time.Second},
		{"asked to wait", []attempt{{0, &jfs.Error{Class: record.ClassRateLimited, Retry: true, RetryAfter: 40 * time.Second}}}, "f done sent 11 from 0", 40 * time.Second},
		{"asked to wait for days", []attempt{{0, &jfs.Error{Class: record.ClassServer, Retry: true, RetryAfter: 72 * time.Hour}}}, "f done sent 11 from 0", 2 * time.Minute},
		{"refused", []attempt{{0, answer("", record.ClassForbidden, 403)}}, "f failed forbidden sent 0 from 0", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newTree(t)
			rec := d.write(t, "f", "hello world")
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.accept = func(jfs.Path) (int64, error) {
					if n := f.count("upload"); n <= len(test.attempts) {
						a := test.attempts[n-1]
						return a.bytes, a.err
					}
					return all()
				}
				start := time.Now()
				res := uploadPlan(t, f, UploadOptions{}, rec)
				if diff := cmp.Diff([]string{test.want}, res.summary()); diff != "" {
					t.Errorf("records differ (-want +got):\n%s", diff)
				}
				if took := time.Since(start); took < test.took || test.took == 0 && took != 0 || took > 10*time.Second+2*test.took {
					t.Errorf("it took %v, want at least %v", took, test.took)
				}
				if strings.Contains(test.want, "done") && f.content("f") != "hello world" {
					t.Errorf("the service has %q", f.content("f"))
				}
			})
		})
	}
}

func TestUploadResumesAnEarlierRun(t *testing.T) {
	f, d := newFake(), newTree(t)
	rec := d.write(t, "f", "hello world")
	f.files[dest+"/f"] = &stored{content: contentOf(rec), data: []byte("hello ")}
	res := uploadPlan(t, f, UploadOptions{}, rec)
	if diff := cmp.Diff([]string{"f done sent 5 from 6"}, res.summary()); diff != "" || f.content("f") != "hello world" {
		t.Errorf("the service has %q, records differ (-want +got):\n%s", f.content("f"), diff)
	}
}

func TestUploadChangingFiles(t *testing.T) {
	f, d := newFake(), newTree(t)
	path := func(name string) string { return filepath.Join(string(d), name) }
	grown := d.write(t, "grown", "x")
	d.write(t, "grown", "xy")
	later := d.write(t, "later", "x")
	later.MTime = someDay
	vanished := d.write(t, "vanished", "x")
	os.Remove(path("vanished"))
	replaced := d.write(t, "replaced", "x")
	os.Remove(path("replaced"))
	os.Mkdir(path("replaced"), 0o755)
	under := d.write(t, "folder/under", "x")
	os.RemoveAll(path("folder"))
	d.write(t, "folder", "x")
	truncated := d.write(t, "truncated", "0123456789")
	edited := d.write(t, "edited", "the old text")
	steady := d.write(t, "steady", "x")
	steady.Ino, steady.CTime = 1, someDay // of no account
	f.accept = func(p jfs.Path) (int64, error) {
		switch p.Name() {
		case "truncated":
			os.Truncate(path("truncated"), 4)
		case "edited":
			d.write(t, "edited", "the new text, longer")
			return 3, answer(p, record.ClassNetwork, 0)
		}
		return all()
	}
	res := uploadPlan(t, f, UploadOptions{}, grown, later, vanished, replaced, under, truncated, edited, steady)
	want := []string{
		"edited skipped changing", "folder/under skipped changing", "grown skipped changing", "later skipped changing",
		"replaced skipped changing", "steady done sent 1 from 0", "truncated skipped changing", "vanished skipped changing",
	}
	if diff := cmp.Diff(want, res.summary()); diff != "" || res.err != nil || res.messages != 0 {
		t.Errorf("Upload = %v, records differ (-want +got):\n%s", res.err, diff)
	}
}

// TestUploadWithholdsDeletions: what is gone may have been renamed to the new
// file that could not be sent. A file that the service has a version of is no
// reason.
func TestUploadWithholdsDeletions(t *testing.T) {
	for _, test := range []struct {
		reason record.Reason
		want   string
		held   bool
	}{
		{record.ReasonNew, "f skipped changing, old skipped gone", true},
		{record.ReasonChanged, "f skipped changing, old ", false},
	} {
		f, d := newFake(), newTree(t)
		rec := d.write(t, "f", "x")
		rec.Reason = test.reason
		d.write(t, "f", "xy")
		res := uploadPlan(t, f, UploadOptions{}, rec, gone("old"))
		if got := strings.Join(res.summary(), ", "); got != test.want || errors.Is(res.err, ErrWithheld) != test.held {
			t.Errorf("%s: Upload = %v: %s, want %s", test.reason, res.err, got, test.want)
		}
	}
}

// The same size and mtime, but other content than was hashed: the service finds
// out.
func TestUploadStaleHash(t *testing.T) {
	f, d := newFake(), newTree(t)
	rec := d.write(t, "f", "good")
	os.WriteFile(filepath.Join(string(d), "f"), []byte("evil"), 0o644)
	os.Chtimes(filepath.Join(string(d), "f"), rec.MTime, rec.MTime)
	res := uploadPlan(t, f, UploadOptions{}, rec)
	if diff := cmp.Diff([]string{"f failed corrupt sent 8 from 0"}, res.summary()); diff != "" || f.content("f") != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
}

func TestUploadUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	f, d := newFake(), newTree(t)
	rec := d.write(t, "f", "x")
	os.Chmod(filepath.Join(string(d), "f"), 0)
	res := uploadPlan(t, f, UploadOptions{}, rec)
	if diff := cmp.Diff([]string{"f failed permission"}, res.summary()); diff != "" || res.err != nil {
		t.Errorf("Upload = %v, records differ (-want +got):\n%s", res.err, diff)
	}
}

// many returns files with different contents.
func many(t testing.TB, d tree, n int) []*record.Record {
	var all []*record.Record
	for i := range n {
		all = append(all, d.write(t, fmt.Sprintf("%02d", i), fmt.Sprint(i)))
	}
	return all
}

// Trouble that concerns every entry ends the run: at once if it is for good.
func TestUploadStops(t *testing.T) {
	tests := []struct {
		name     string
		trouble  func(n int, op string) error // n counts the requests of the kind
		locked   bool
		class    record.Class
		allocate int // requests
		done     int
	}{
		{"quota", func(n int, op string) error {
			if op == "allocate" && n > 4 {
				return answer("", record.ClassQuota, 460)
			}
			return nil
		}, false, record.ClassQuota, 5, 4},
		{"quota at the upload", func(n int, op string) error {
			if op == "upload" {
				return answer("", record.ClassQuota, 460)
			}
			return nil
		}, false, record.ClassQuota, 1, 0},
		{"locked", nil, true, record.ClassLocked, 0, 0},
		{"not logged in", func(_ int, op string) error {
			if op == "customer" {
				return answer("", record.ClassAuth, 401)
			}
			return nil
		}, false, record.ClassAuth, 0, 0},
		{"out of reach from the start", func(int, string) error { return answer("", record.ClassNetwork, 0) }, false, record.ClassNetwork, 0, 0},
		{"goes down", func(n int, op string) error {
			if op == "allocate" && n > 4 {
				return answer("", record.ClassServer, 503)
			}
			return nil
		}, false, record.ClassServer, 7, 4},
		{"some fail", func(n int, op string) error {
			if op == "allocate" && n%3 != 0 {
				return answer("", record.ClassServer, 503)
			}
			return nil
		}, false, "", 20, 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, d := newFake(), newTree(t)
			f.locked = test.locked
			f.before = func(op string, _ jfs.Path) error {
				if test.trouble == nil {
					return nil
				}
				return test.trouble(f.count(op), op)
			}
			res := uploadPlan(t, f, UploadOptions{Jobs: 1}, many(t, d, 20)...)
			done, failed := 0, 0
			for _, rec := range res.records {
				switch {
				case rec.Status == record.StatusDone:
					done++
				case rec.Status == record.StatusFailed && (test.class == "" || rec.Error.Class == test.class):
					failed++
				}
			}
			if done != test.done || failed != 20-test.done || f.count("allocate") != test.allocate {
				t.Errorf("%d done, %d failed, %d asked for; want %d, %d, %d", done, failed, f.count("allocate"), test.done, 20-test.done, test.allocate)
			}
			var e *jfs.Error
			switch {
			case test.class == "":
				if res.err != nil {
					t.Errorf("Upload = %v", res.err)
				}
			case !errors.As(res.err, &e) || e.Class != test.class:
				t.Errorf("Upload = %v, want class %s", res.err, test.class)
			case !strings.Contains(res.err.Error(), fmt.Sprintf("%d entries were not tried", 20-test.allocate)):
				t.Errorf("Upload = %v", res.err)
			}
			if tried := test.allocate - test.done; res.messages != tried {
				t.Errorf("%d messages for %d entries that were tried", res.messages, tried)
			}
		})
	}
}

// A run too short to call it an outage is still no success.
func TestUploadOneFileServiceDown(t *testing.T) {
	f, d := newFake(), newTree(t)
	f.before = func(op string, _ jfs.Path) error {
		if op == "allocate" {
			return answer("", record.ClassNetwork, 0)
		}
		return nil
	}
	if res := uploadPlan(t, f, UploadOptions{}, d.write(t, "f", "x")); !errors.Is(res.err, jfs.ErrNetwork) {
		t.Errorf("Upload = %v, want ErrNetwork", res.err)
	}
}

// When a run stops, uploads under way are cut off rather than waited for.
func TestUploadStopCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := newFake(), newTree(t)
		slow, _ := ParseBandwidth("1k")
		big := d.write(t, "a", strings.Repeat("x", 1<<20)) // needs 17 minutes
		f.before = func(op string, p jfs.Path) error {
			if op == "allocate" && p.Name() == "b" {
				time.Sleep(10 * time.Second)
				return answer(p, record.ClassQuota, 460)
			}
			return nil
		}
		start := time.Now()
		res := uploadPlan(t, f, UploadOptions{Jobs: 2, Bandwidth: slow}, big, d.write(t, "b", "y"), d.write(t, "c", "z"))
		if time.Since(start) > time.Minute || !errors.Is(res.err, jfs.ErrQuota) {
			t.Errorf("Upload = %v after %v", res.err, time.Since(start))
		}
		for _, rec := range res.records {
			if rec.Status != record.StatusFailed || rec.Error.Class != record.ClassQuota {
				t.Errorf("%s: %s, %v", rec.Path, rec.Status, rec.Error)
			}
		}
	})
}

func TestUploadInterrupted(t *testing.T) {
	f, d := newFake(), newTree(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("signal")
	f.before = func(op string, p jfs.Path) error {
		if op == "upload" && p.Name() == "05" {
			cancel(why)
			return why
		}
		return nil
	}
	records := many(t, d, 20)
	res := carryOut(t, stream(t, records...), func(in *record.Reader, out *record.Writer) error {
		return Upload(ctx, in, out, f, UploadOptions{Jobs: 1})
	})
	if res.err != why {
		t.Errorf("Upload = %v, want %v", res.err, why)
	}
	for _, rec := range res.records {
		if rec.Error != nil || rec.Path > "04" && rec.Status != "" {
			t.Errorf("%s leaves as %s with %v", rec.Path, rec.Status, rec.Error)
		}
	}
	if n := f.count("allocate"); n != 6 {
		t.Errorf("%d files were taken up, want 6", n)
	}
}

// Nothing is deleted before what comes before it is done.
func TestUploadBeforeDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := newFake(), newTree(t)
		f.before = func(op string, p jfs.Path) error {
			if op == "upload" {
				time.Sleep(time.Duration(10-len(p.Name())) * time.Second)
			}
			return nil
		}
		gone := &record.Record{Kind: record.KindFile, Path: "gone", Remote: dest + "/gone", Action: record.ActionDelete}
		res := uploadPlan(t, f, UploadOptions{}, d.write(t, "a", "1"), d.write(t, "bb", "2"), gone, gone, d.write(t, "ccc", "3"))
		var got []string
		for _, rec := range res.records {
			got = append(got, rec.Path)
		}
		if diff := cmp.Diff([]string{"bb", "a", "gone", "gone", "ccc"}, got); diff != "" {
			t.Errorf("order differs (-want +got):\n%s", diff)
		}
	})
}

// Folders come before what is in them; neighbours are made at the same time.
func TestFoldersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := newFake(), newTree(t)
		var mu sync.Mutex
		made := map[string]time.Duration{}
		start := time.Now()
		f.before = func(op string, p jfs.Path) error {
			if op == "mkdir" {
				time.Sleep(time.Second)
			}
			mu.Lock()
			made[p.Name()] = time.Since(start)
			mu.Unlock()
			return nil
		}
		res := uploadPlan(t, f, UploadOptions{Jobs: 8}, mkdir("a"), mkdir("a/b"), d.write(t, "a/b/f", "1"), mkdir("c"), d.write(t, "c/g", "2"), d.write(t, "h", "3"))
		if res.err != nil {
			t.Fatal(res.err)
		}
		want := map[string]time.Duration{"": 0, "a": 1 * time.Second, "b": 2 * time.Second, "f": 2 * time.Second, "c": 1 * time.Second, "g": 1 * time.Second, "h": 0}
		delete(made, "")
		delete(want, "")
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("times differ (-want +got):\n%s", diff)
		}
	})
}

// Of files with the same content, one is sent.
func TestSameContentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := newFake(), newTree(t)
		f.before = func(op string, _ jfs.Path) error {
			if op == "upload" {
				time.Sleep(time.Second)
			}
			return nil
		}
		var records []*record.Record
		for i := range 9 {
			records = append(records, d.write(t, fmt.Sprint(i), "the same"))
		}
		res := uploadPlan(t, f, UploadOptions{Jobs: 4}, records...)
		if f.count("upload") != 1 || res.err != nil {
			t.Errorf("%d uploads, want 1; %v", f.count("upload"), res.err)
		}
	})
}

func TestUploadWriteError(t *testing.T) {
	f, d := newFake(), newTree(t)
	out := record.NewWriter(failingWriter{}, "test")
	var plan []*record.Record
	rec := d.write(t, "f", "x")
	rec.Action = record.ActionNone
	for range 3000 { // more than the Writer keeps back
		plan = append(plan, rec)
	}
	err := Upload(t.Context(), record.NewReader(strings.NewReader(stream(t, plan...))), out, f, UploadOptions{Jobs: 2})
	if !errors.Is(err, errFull) {
		t.Errorf("Upload = %v, want %v", err, errFull)
	}
}

var errFull = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

// TestUploadCutByRefusal: an upload that the service refuses in the middle, because
// the login has reached its end and was renewed, goes on at once where it was. Each
// byte is sent once.
func TestUploadCutByRefusal(t *testing.T) {
	f, d := newFake(), newTree(t)
	rec := d.write(t, "f", strings.Repeat("0123456789", 100))
	cuts := 0
	f.accept = func(p jfs.Path) (int64, error) {
		if cuts++; cuts > 20 {
			return -1, nil
		}
		return 47, &jfs.Error{Path: p, Class: record.ClassAuth, Status: 401, Retry: true, Message: "renewed"}
	}
	res := uploadPlan(t, f, UploadOptions{firstPause: time.Hour, stuckAfter: 3}, rec)
	if res.err != nil || f.content("f") != strings.Repeat("0123456789", 100) || f.count("allocate") != 21 {
		t.Errorf("Upload = %v, %v, %d allocations", res.err, res.summary(), f.count("allocate"))
	}

	// One that never gets anywhere is given up, and told of once.
	f.accept = func(p jfs.Path) (int64, error) {
		return 0, &jfs.Error{Path: p, Class: record.ClassAuth, Status: 401, Retry: true, Message: "renewed"}
	}
	res = uploadPlan(t, f, UploadOptions{stuckAfter: 3, firstPause: time.Hour}, d.write(t, "g", "g"), d.write(t, "h", "h"))
	if !errors.Is(res.err, jfs.ErrAuth) || res.messages != 0 {
		t.Errorf("Upload = %v with %d messages, want ErrAuth and none", res.err, res.messages)
	}
}

// readAts notes where a file is read.
type readAts struct {
	io.ReaderAt
	lowest int64
}

func (r *readAts) ReadAt(p []byte, off int64) (int, error) {
	r.lowest = min(r.lowest, off)
	return r.ReaderAt.ReadAt(p, off)
}

// An upload that is taken up does not read again what the service has.
func TestResumeSeeks(t *testing.T) {
	f, d := newFake(), newTree(t)
	rec := d.write(t, "f", "hello world")
	f.files[dest+"/f"] = &stored{content: contentOf(rec), data: []byte("hello ")}
	source := &readAts{strings.NewReader("hello world"), rec.Size}
	sent, err := (&Sender{Service: f}).Send(t.Context(), dest+"/f", contentOf(rec), Source{ReaderAt: source})
	if err != nil || sent.Bytes != 5 || sent.ResumedAt != 6 || source.lowest != 6 {
		t.Errorf("Send = %+v, %v, and read from %d on, want from 6", sent, err, source.lowest)
	}
}
