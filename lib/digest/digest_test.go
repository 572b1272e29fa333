package digest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

func TestRecordsAddMD5InOrder(t *testing.T) {
	files := numbered(60)
	files["empty"] = ""
	files["big"] = strings.Repeat("0123456789", laneSize/5) // several reads
	for _, jobs := range []int{1, 2, 3, 16} {
		root := makeTree(t, files)
		in := list(t, root)
		got := runTree(t, root, runOptions{Options: Options{Jobs: jobs}})
		if got.err != nil {
			t.Fatal(got.err)
		}
		if diff := cmp.Diff(paths(in), paths(got.recs)); diff != "" {
			t.Fatalf("order with %d jobs: %s", jobs, diff)
		}
		for path, content := range files {
			if md5 := got.md5s()[path]; md5 != sumOf(content) {
				t.Errorf("MD5 of %s = %q, want %q", path, md5, sumOf(content))
			}
		}
	}
}

// The first file is done last, and still leaves first.
func TestRecordsKeepOrderWhenTheFirstIsSlow(t *testing.T) {
	root := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"})
	var others sync.WaitGroup
	others.Add(3)
	got := runTree(t, root, runOptions{hasher: func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			if strings.HasSuffix(path, "/a") {
				others.Wait() // ends only if the four are open at once
			} else {
				others.Done()
			}
			return open(rec)
		}
	}})
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, paths(got.recs)); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsPassOthersUnchanged(t *testing.T) {
	for _, line := range []string{
		`{"kind":"dir", "path":"d","odd":1}`,
		`{"kind":"symlink","root":"/r","path":"l","target":"t"}`,
		`{"kind":"special","root":"/r","path":"fifo","reason":"special","status":"skipped"}`,
		`{"kind":"file","root":"/r","path":"has","md5":"D41D8CD98F00B204E9800998ECF8427E","size":0}`,
		`{"kind":"file","root":"/r","path":"ignored","ignored":true,"size":1}`,
		`{"kind":"file","root":"/r","path":"failed","error":{"class":"permission","message":"no"}}`,
		`{"kind":"file","root":"/r","path":"skipped","status":"skipped"}`,
		`{"kind":"file","root":"/r","path":"same","action":"none"}`,
		`{"kind":"file","root":"/r","path":"gone","action":"delete"}`,
		`{"kind":"file","path":"incomplete","remote":"/Jotta/Archive/incomplete","size":3}`,
		`{"kind":"comet","tail":"long"}`,
	} {
		var out strings.Builder
		w := record.NewWriter(&out, "jhash")
		h := newHasher(Options{})
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			t.Errorf("%s: opened %s", line, path)
			return nil, nil, fs.ErrNotExist
		}
		if err := records(t.Context(), w, record.NewReader(strings.NewReader(line+"\n")), Options{}, h); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if got, _, _ := strings.Cut(out.String(), "\n"); got != line {
			t.Errorf("got %s, want %s", got, line)
		}
	}
}

func TestRecordsHashWhatIsToBePut(t *testing.T) {
	root := makeTree(t, map[string]string{"a": "x"})
	recs := list(t, root)
	recs[0].Action, recs[0].Remote = record.ActionPut, "/Jotta/Archive/a"
	got := runStream(t, encode(t, recs, true), runOptions{})
	if got.md5s()["a"] != sumOf("x") || got.recs[0].Remote == "" {
		t.Errorf("got %v", got.recs[0].Raw())
	}
}

// fakeFile is a file that does something when it is read or described again.
type fakeFile struct {
	local.Content
	onRead func() error
	onStat func()
}

func (f *fakeFile) Read(b []byte) (int, error) {
	if f.onRead != nil {
		if err := f.onRead(); err != nil {
			return 0, err
		}
	}
	return f.Content.Read(b)
}

func (f *fakeFile) Stat() (fs.FileInfo, error) {
	if f.onStat != nil {
		f.onStat()
	}
	return f.Content.Stat()
}

// tamper makes f happen when a file is about to be described a second time, the
// first n times.
func tamper(n int32, f func(path string)) func(*hasher) {
	var left atomic.Int32
	left.Store(n)
	return func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			opened, fi, err := open(rec)
			if err != nil {
				return nil, nil, err
			}
			return &fakeFile{Content: opened, onStat: func() {
				if left.Add(-1) >= 0 {
					f(path)
				}
			}}, fi, nil
		}
	}
}

func TestFilesThatMove(t *testing.T) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	grow := func(path string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		check(err)
		_, err = f.WriteString("+")
		check(errors.Join(err, f.Close()))
	}
	for _, test := range []struct {
		name   string
		before func(path string) // between the listing and the run
		hasher func(*hasher)
		want   string // content whose MD5 is expected; "" for none
		reason record.Reason
		opens  int
	}{
		{"grows once", nil, tamper(1, grow), "old+", "", 2},
		{"grows twice", nil, tamper(2, grow), "old++", "", 3},
		{"grows each time", nil, tamper(9, grow), "", record.ReasonChanging, tries},
		{"shrinks", nil, tamper(1, func(p string) { check(os.Truncate(p, 1)) }), "o", "", 2},
		{"same size, other time", nil, tamper(1, func(p string) { check(os.WriteFile(p, []byte("new"), 0o644)) }), "new", "", 2},
		{"replaced by renaming", nil, tamper(1, func(p string) {
			check(os.WriteFile(p+"~", []byte("other"), 0o644))
			check(os.Rename(p+"~", p))
		}), "other", "", 2},
		{"removed while read", nil, tamper(1, func(p string) { check(os.Remove(p)) }), "", record.ReasonChanging, 2},
		{"changed since the walk", grow, nil, "old+", "", 1},
		{"gone since the walk", func(p string) { check(os.Remove(p)) }, nil, "", record.ReasonChanging, 1},
		{"a folder since the walk", func(p string) { check(os.Remove(p)); check(os.Mkdir(p, 0o755)) }, nil, "", record.ReasonChanging, 1},
		{"a FIFO since the walk", func(p string) { check(os.Remove(p)); check(makeFIFO(p)) }, nil, "", record.ReasonChanging, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := makeTree(t, map[string]string{"f": "old"})
			stream := encode(t, list(t, root), true)
			if test.before != nil {
				test.before(local.Join(root, "f"))
			}
			got := runStream(t, stream, runOptions{hasher: test.hasher})
			rec := got.recs[0]
			want := ""
			if test.want != "" {
				want = sumOf(test.want)
				fi, err := local.Lstat(local.Join(root, "f"))
				check(err)
				if !local.Unchanged(rec, fi) {
					t.Errorf("the record is %s, which is not the file that was hashed", rec.Raw())
				}
			}
			if got.err != nil || rec.MD5 != want || rec.Reason != test.reason || rec.Error != nil || (rec.Status == record.StatusSkipped) != (want == "") {
				t.Errorf("record %s, error %v, want MD5 %q, reason %q", rec.Raw(), got.err, want, test.reason)
			}
			if len(got.opened) != test.opens {
				t.Errorf("opened %d times, want %d", len(got.opened), test.opens)
			}
		})
	}
}

// A file that grows faster than it is read is done with all the same.
func TestFileThatGrowsForEver(t *testing.T) {
	root := makeTree(t, map[string]string{"f": "old"})
	endless := func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			f, fi, err := open(rec)
			return endlessFile{f}, fi, err
		}
	}
	got := runTree(t, root, runOptions{hasher: endless})
	if rec := got.recs[0]; rec.MD5 != "" || rec.Reason != record.ReasonChanging {
		t.Errorf("got %s", rec.Raw())
	}
}

type endlessFile struct{ local.Content }

func (endlessFile) Read(b []byte) (int, error) { return len(b), nil }

func TestFilesThatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		name      string
		open, not error
		class     record.Class
	}{
		{"permission", &fs.PathError{Op: "open", Path: "f", Err: syscall.EACCES}, nil, record.ClassPermission},
		{"bad disk", nil, &fs.PathError{Op: "read", Path: "f", Err: syscall.EIO}, record.ClassInternal},
		{"too many open", &fs.PathError{Op: "open", Path: "f", Err: syscall.EMFILE}, nil, record.ClassInternal},
	} {
		root := makeTree(t, map[string]string{"f": "old", "g": "good"})
		got := runTree(t, root, runOptions{hasher: func(h *hasher) {
			open := h.open
			h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
				path := local.Path(rec)
				if strings.HasSuffix(path, "g") {
					return open(rec)
				}
				if test.open != nil {
					return nil, nil, test.open
				}
				f, fi, err := open(rec)
				return &fakeFile{Content: f, onRead: func() error { return test.not }}, fi, err
			}
		}})
		rec := got.recs[0]
		if got.err != nil || rec.Error == nil || rec.Error.Class != test.class || rec.Reason != record.ReasonUnreadable || rec.MD5 != "" {
			t.Errorf("%s: record %s, error %v", test.name, rec.Raw(), got.err)
		}
		if got.md5s()["g"] != sumOf("good") {
			t.Errorf("%s: the rest did not go on", test.name)
		}
	}
}

// A file that says that it is empty, and is not, cannot be stored; one that was empty and
// grows while it is read is only busy.
func TestFilesWithoutASize(t *testing.T) {
	for _, test := range []struct {
		name   string
		wrap   func(path string, f local.Content) local.Content
		reason record.Reason
		class  record.Class
		md5    string
	}{
		{"empty", nil, "", "", sumOf("")},
		{"made up", func(_ string, f local.Content) local.Content { return &madeUp{Content: f, left: 10} }, record.ReasonUnreadable, record.ClassInternal, ""},
		{"made up, long", func(_ string, f local.Content) local.Content { return &madeUp{Content: f, left: 3 * laneSize} }, record.ReasonUnreadable, record.ClassInternal, ""},
		{"a log", func(path string, f local.Content) local.Content {
			return &fakeFile{Content: f, onRead: func() error {
				log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = log.WriteString("line\n")
				return errors.Join(err, log.Close())
			}}
		}, record.ReasonChanging, "", ""},
	} {
		for _, check := range []bool{false, true} {
			root := makeTree(t, map[string]string{"f": ""})
			recs := list(t, root)
			if check {
				recs[0].MD5 = sumOf("")
			}
			got := runStream(t, encode(t, recs, true), runOptions{Options: Options{Check: check}, hasher: func(h *hasher) {
				open := h.open
				h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
					path := local.Path(rec)
					f, fi, err := open(rec)
					if err == nil && test.wrap != nil {
						f = test.wrap(path, f)
					}
					return f, fi, err
				}
			}})
			rec := got.recs[0]
			var class record.Class
			if rec.Error != nil {
				class = rec.Error.Class
			}
			if got.err != nil || rec.Reason != test.reason || class != test.class || !check && rec.MD5 != test.md5 {
				t.Errorf("%s, check %t: %s, error %v", test.name, check, rec.Raw(), got.err)
			}
			if class == record.ClassInternal && !strings.Contains(rec.Error.Message, "size is given as 0") {
				t.Errorf("%s: %s", test.name, rec.Error.Message)
			}
		}
	}
}

// madeUp is a file whose content is made up as it is read.
type madeUp struct {
	local.Content
	left int
}

func (m *madeUp) Read(p []byte) (int, error) {
	n := min(len(p), m.left)
	m.left -= n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestProgressCountsEachByteOnce(t *testing.T) {
	root := makeTree(t, map[string]string{"a": "12345", "b": "1234567"})
	var files, bytes atomic.Int64
	add := func(f, b int64) { files.Add(f); bytes.Add(b) }
	got := runTree(t, root, runOptions{
		Options: Options{Progress: add},
		hasher:  tamper(1, func(path string) { os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }),
	})
	if got.err != nil || files.Load() != 2 || bytes.Load() != 12 {
		t.Errorf("counted %d files, %d bytes, want 2 and 12", files.Load(), bytes.Load())
	}
}

func TestRecordsEndWithTheContext(t *testing.T) {
	root := makeTree(t, numbered(100))
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	got := runTree(t, root, runOptions{ctx: ctx, hasher: func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			if strings.HasSuffix(path, "d3/f0010") {
				cancel(cause)
			}
			return open(rec)
		}
	}})
	if !errors.Is(got.err, cause) {
		t.Errorf("error %v, want %v", got.err, cause)
	}
	if n := len(got.opened); n == 0 || n > 70 {
		t.Errorf("opened %d files", n)
	}
	for _, r := range got.recs {
		if r.Kind == record.KindFile && r.MD5 == "" {
			t.Errorf("left without an MD5: %s", r.Raw())
		}
	}
}

// A big file is left in the middle.
func TestReadingEndsWithTheContext(t *testing.T) {
	root := makeTree(t, map[string]string{"f": strings.Repeat("x", 8*laneSize)})
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	got := runTree(t, root, runOptions{ctx: ctx, hasher: func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			f, fi, err := open(rec)
			return &fakeFile{Content: f, onRead: func() error { reads++; cancel(); return nil }}, fi, err
		}
	}})
	if reads != 1 || len(got.recs) != 0 || !errors.Is(got.err, context.Canceled) {
		t.Errorf("%d reads, %d records, error %v, want 1, 0 and canceled", reads, len(got.recs), got.err)
	}
}

type brokenOutput struct{ err error }

func (b brokenOutput) Write(*record.Record) error { return b.err }
func (b brokenOutput) Pass(*record.Record) error  { return b.err }

func TestRecordsEndWithTheOutput(t *testing.T) {
	root := makeTree(t, numbered(100))
	got := runTree(t, root, runOptions{out: brokenOutput{syscall.EPIPE}})
	if !errors.Is(got.err, syscall.EPIPE) {
		t.Errorf("error %v, want EPIPE", got.err)
	}
	if len(got.opened) > 50 {
		t.Errorf("opened %d files for nobody", len(got.opened))
	}
}

func TestRecordsWithBrokenInput(t *testing.T) {
	in := record.NewReader(io.MultiReader(strings.NewReader(`{"kind":"dir","path":"a"}`+"\n"), iotest.ErrReader(io.ErrClosedPipe)))
	var out strings.Builder
	w := record.NewWriter(&out, "jhash")
	if err := Records(t.Context(), w, in, Options{}); err != nil {
		t.Errorf("error %v; the caller judges the input", err)
	}
	if in.Whole() == nil {
		t.Error("the input counts as whole")
	}
	w.Close()
}

func TestCheck(t *testing.T) {
	root := makeTree(t, map[string]string{"good": "1", "bad": "2", "bad, ctime moved": "2", "bad, ctime unknown": "2", "edited": "3", "gone": "4", "busy": "5"})
	recs := list(t, root)
	for _, r := range recs {
		content, err := os.ReadFile(local.Path(r))
		if err != nil {
			t.Fatal(err)
		}
		r.MD5 = sumOf(string(content))
		if strings.HasPrefix(r.Path, "bad") {
			r.MD5 = sumOf("rot")
		}
		switch r.Path {
		case "bad, ctime moved":
			r.CTime = r.CTime.Add(-1)
		case "bad, ctime unknown":
			r.CTime = time.Time{}
		}
	}
	recs = append(recs, &record.Record{Kind: record.KindFile, Root: root, Path: "unhashed"})
	put(t, root, "edited", "three")
	os.Remove(local.Join(root, "gone"))
	got := runStream(t, encode(t, recs, true), runOptions{
		Options: Options{Check: true},
		hasher: func(h *hasher) {
			h.keepsCTime = func(string, *record.Record) bool { return true }
			open := h.open
			h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
				path := local.Path(rec)
				f, fi, err := open(rec)
				if strings.HasSuffix(path, "busy") {
					f = endlessFile{f}
				}
				return f, fi, err
			}
		},
	})
	type found struct {
		Status record.Status
		Class  record.Class
		Says   string
	}
	want := map[string]found{
		"good": {record.StatusDone, "", ""},
		"bad":  {record.StatusFailed, record.ClassCorrupt, "size, mtime and ctime are as recorded: it is damaged"},

		"bad, ctime moved":   {record.StatusFailed, record.ClassCorrupt, "its ctime is not, so either it was written to since"},
		"bad, ctime unknown": {record.StatusFailed, record.ClassCorrupt, "it is damaged, or was written to and its mtime put back"},

		"edited":   {record.StatusFailed, record.ClassCorrupt, "modified since"},
		"gone":     {record.StatusFailed, record.ClassVanished, "no such file"},
		"busy":     {record.StatusSkipped, "", ""},
		"unhashed": {},
	}
	for i, r := range got.recs {
		v := found{Status: r.Status}
		if r.Error != nil {
			v.Class, v.Says = r.Error.Class, want[r.Path].Says
			if !strings.Contains(r.Error.Message, v.Says) {
				v.Says = r.Error.Message
			}
		}
		if v != want[r.Path] {
			t.Errorf("%s: %+v, want %+v", r.Path, v, want[r.Path])
		}
		if r.MD5 != recs[i].MD5 {
			t.Errorf("%s: the MD5 became %q", r.Path, r.MD5)
		}
	}
}
