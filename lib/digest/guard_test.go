package digest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// forge replaces the entries of a cache by what change makes of them; nil leaves one out.
func forge(t testing.TB, name string, change func(e *record.Record) *record.Record) {
	t.Helper()
	entries := cached(t, name)
	w, err := createEntries(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e = change(e); e != nil {
			if err := w.add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.finish(); err != nil {
		t.Fatal(err)
	}
}

// guardCase is one state of a file and of its entry in the cache.
type guardCase struct {
	entry       string // none, plain, suspected (kept by the guard), unread (kept since the file could not be read)
	size, mtime bool   // the same in the entry
	ctime       string // of the entry: same, other, none
	ino         bool   // the same in the entry
	md5         bool   // the content is what the entry says
	keeps       bool   // the file system keeps a ctime
	accepted    bool
}

func (c guardCase) path() string {
	return strings.NewReplacer(" ", "-", "{", "", "}", "").Replace(fmt.Sprint(c))
}

func guardCases() []guardCase {
	var cases []guardCase
	both := []bool{false, true}
	for _, md5 := range both {
		for _, keeps := range both {
			for _, accepted := range both {
				cases = append(cases, guardCase{entry: "none", md5: md5, keeps: keeps, accepted: accepted})
				for _, entry := range []string{"plain", "suspected", "unread"} {
					for _, ctime := range []string{"same", "other", "none"} {
						for bits := range 8 {
							cases = append(cases, guardCase{entry, bits&1 > 0, bits&2 > 0, ctime, bits&4 > 0, md5, keeps, accepted})
						}
					}
				}
			}
		}
	}
	return cases
}

// verdict is what becomes of a file in a run.
type verdict struct {
	read   bool
	md5    string // in the record: entry, file, or "" for an error
	fresh  bool
	why    string // of the error
	remain string // what the cache keeps: file (an entry that holds, of what was found), suspected (the old one)
}

const (
	whyDamaged  = "the file is damaged"
	whyUnknown  = "keeps no reliable time of change"
	whyUnseen   = "its ctime was not known before"
	whyIgnored  = "proves nothing with --ignore-ctime"
	whyStill    = "only after the content was found to be another"
	entryDigest = "the entry's"
	fileDigest  = "the file's"
)

// verdict is the rule, stated apart from the code.
func (c guardCase) verdict(o Options, forced bool) verdict {
	holds := c.entry == "plain" && c.size && c.mtime && (c.ctime == "same" || o.IgnoreCTime) && (c.ino || o.IgnoreInode)
	if holds && !forced {
		return verdict{md5: entryDigest, remain: entryDigest}
	}
	taken := verdict{read: true, md5: fileDigest, remain: fileDigest}
	switch comparable := c.entry != "none" && c.size && c.mtime; {
	case !comparable:
		taken.fresh = true
		return taken
	case c.md5 || c.accepted:
		return taken
	}
	refused := verdict{read: true, remain: "suspected"}
	switch {
	case !c.keeps:
		refused.why = whyUnknown
	case c.ctime == "none":
		refused.why = whyUnseen
	case c.ctime == "same":
		refused.why = whyDamaged
	case o.IgnoreCTime:
		refused.why = whyIgnored
	case c.entry == "suspected":
		refused.why = whyStill
	default:
		return taken // somebody wrote to it, and put the mtime back
	}
	return refused
}

// Every combination of what the cache says, what the file is and what was asked for has
// the outcome that the rule gives, keeps what the rule keeps, and is judged so again by
// the next run.
func TestGuard(t *testing.T) {
	cases := guardCases()
	byPath := make(map[string]guardCase)
	files := make(map[string]string)
	for _, c := range cases {
		byPath[c.path()] = c
		files[c.path()] = "new"
	}
	root := makeTree(t, files)
	whole := cacheName(t)
	if got := runTree(t, root, withCache(whole)); got.err != nil {
		t.Fatal(got.err)
	}
	forge(t, whole, func(e *record.Record) *record.Record {
		c := byPath[e.Path]
		if c.entry == "none" {
			return nil
		}
		if !c.size {
			e.Size++
		}
		if !c.mtime {
			e.MTime = e.MTime.Add(1)
		}
		if !c.ino {
			e.Ino++
		}
		if !c.md5 {
			e.MD5 = sumOf("old")
		}
		switch c.ctime {
		case "other":
			e.CTime = e.CTime.Add(-1)
		case "none":
			e.CTime = time.Time{}
		}
		switch c.entry {
		case "suspected":
			e = kept(e, &record.Error{Class: record.ClassCorrupt, Message: "it was damaged"})
		case "unread":
			e = kept(e, &record.Error{Class: record.ClassPermission, Message: "it could not be read"})
		}
		return e
	})
	forged, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	all := make(Paths)
	for path := range files {
		all[path] = struct{}{}
	}
	for bits := range 4 {
		for _, mode := range []string{"plain", "fresh", "again"} {
			name := cacheName(t)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, name, forged)
			o := Options{Cache: name, IgnoreCTime: bits&1 > 0, IgnoreInode: bits&2 > 0, Jobs: 1}
			keeps := func(h *hasher) {
				h.keepsCTime = func(path string, _ *record.Record) bool { return byPath[filepath.Base(path)].keeps }
			}
			first := o
			switch mode {
			case "fresh":
				first.Fresh = true
			case "again":
				first.Again = all
			}
			first.Accept = func(path string) bool { return byPath[path].accepted }
			what := fmt.Sprintf("ignore-ctime %t, ignore-inode %t, %s: ", o.IgnoreCTime, o.IgnoreInode, mode)
			got := runTree(t, root, runOptions{Options: first, hasher: keeps})
			want := make(map[string]verdict)
			for path, c := range byPath {
				want[path] = c.verdict(first, mode != "plain")
			}
			checkGuard(t, what, byPath, want, got, name)

			// The next run meets what the first one has kept.
			next := runTree(t, root, runOptions{Options: o, hasher: keeps})
			again := make(map[string]verdict)
			for path, w := range want {
				switch w.remain {
				case entryDigest, fileDigest:
					again[path] = verdict{md5: w.md5, remain: w.md5}
				default:
					c := byPath[path]
					c.entry, c.accepted = "suspected", false
					again[path] = c.verdict(o, false)
				}
			}
			checkGuard(t, what+"the next run: ", byPath, again, next, name)
		}
	}
}

func checkGuard(t *testing.T, what string, byPath map[string]guardCase, want map[string]verdict, got outcome, name string) {
	t.Helper()
	if got.err != nil || len(got.warned) > 0 {
		t.Fatalf("%s%v, warned %q", what, got.err, got.warned)
	}
	remain := make(map[string]*record.Record)
	for _, e := range cached(t, name) {
		remain[e.Path] = e
	}
	failures := 0
	for _, r := range got.recs {
		c, w := byPath[r.Path], want[r.Path]
		digest := map[string]string{entryDigest: sumOf("old"), fileDigest: sumOf("new"), "": ""}
		if c.md5 {
			digest[entryDigest] = digest[fileDigest]
		}
		_, read := slices.BinarySearch(got.opened, r.Path)
		var wrong []string
		if read != w.read {
			wrong = append(wrong, fmt.Sprintf("read: %t", read))
		}
		if r.MD5 != digest[w.md5] || r.Fresh != w.fresh {
			wrong = append(wrong, "the record is "+r.Raw())
		}
		if w.why == "" && (r.Error != nil || r.Status != "" || r.Reason != "") || w.why != "" && !refusedFor(r, w.why) {
			wrong = append(wrong, "the record is "+r.Raw())
		}
		e := remain[r.Path]
		switch {
		case e == nil:
			wrong = append(wrong, "the cache has nothing")
		case w.remain == "suspected":
			if !suspected(e) || e.MD5 != sumOf("old") {
				wrong = append(wrong, "the cache has "+e.Raw())
			}
		case e.Error != nil || e.MD5 != digest[w.remain]:
			wrong = append(wrong, "the cache has "+e.Raw())
		}
		if len(wrong) > 0 && failures < 5 {
			failures++
			t.Errorf("%s%+v: %s\nwant %+v", what, c, strings.Join(wrong, "; "), w)
		}
	}
}

// refusedFor reports whether a record leaves as damaged, and says why, with both digests,
// and what to do.
func refusedFor(r *record.Record, why string) bool {
	if r.Error == nil || r.Error.Class != record.ClassCorrupt || r.Status != record.StatusFailed || r.Reason != record.ReasonUnreadable {
		return false
	}
	for _, says := range []string{why, sumOf("old"), sumOf("new"), record.LocalTime(r.MTime), "what is stored stays", "--accept-changed"} {
		if !strings.Contains(r.Error.Message, says) {
			return false
		}
	}
	return true
}

// rotten makes files look as they did, with another content, as a disk does.
func rotten(names ...string) func(*hasher) {
	return func(h *hasher) {
		open := h.open
		h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
			path := local.Path(rec)
			f, fi, err := open(rec)
			if err == nil && slices.Contains(names, filepath.Base(path)) {
				f = rottenFile{f}
			}
			return f, fi, err
		}
		h.keepsCTime = func(string, *record.Record) bool { return true }
	}
}

type rottenFile struct{ local.Content }

func (f rottenFile) Read(p []byte) (int, error) {
	n, err := f.Content.Read(p)
	for i := range n {
		p[i] ^= 1
	}
	return n, err
}

func damagedPaths(got outcome) []string {
	var damaged []string
	for _, r := range got.recs {
		if r.Error != nil && r.Error.Class == record.ClassCorrupt {
			damaged = append(damaged, r.Path)
		}
	}
	return damaged
}

// The life of a file that a disk has damaged: found once, it is reported by every run
// until its content is back.
func TestDamageIsReportedUntilItIsMended(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3"}), cacheName(t)
	runTree(t, root, withCache(name))
	step := func(what string, change func(*runOptions), opened, damaged string) outcome {
		t.Helper()
		o := withCache(name)
		o.Jobs = 1
		change(&o)
		got := runTree(t, root, o)
		if got := strings.Join(got.opened, ""); got != opened {
			t.Errorf("%s: opened %q, want %q", what, got, opened)
		}
		if got := strings.Join(damagedPaths(got), ""); got != damaged {
			t.Errorf("%s: damaged %q, want %q", what, got, damaged)
		}
		return got
	}
	bad := func(o *runOptions) { o.hasher = rotten("b") }
	step("nobody looks", bad, "", "")
	step("read anew", func(o *runOptions) { bad(o); o.Fresh = true }, "abc", "b")
	step("the next run", bad, "b", "b")
	step("and the next", bad, "b", "b")
	step("a run that cannot read it", func(o *runOptions) {
		o.hasher = func(h *hasher) {
			h.open = func(*record.Record) (local.Content, fs.FileInfo, error) { return nil, nil, fs.ErrPermission }
		}
	}, "b", "")
	step("which can again", bad, "b", "b")
	step("a run that is cut short", func(o *runOptions) {
		ctx, cancel := context.WithCancel(t.Context())
		o.ctx = ctx
		o.hasher = func(h *hasher) {
			rotten("b")(h)
			open := h.open
			h.open = func(rec *record.Record) (local.Content, fs.FileInfo, error) {
				path := local.Path(rec)
				if filepath.Base(path) == "c" {
					cancel()
				}
				return open(rec)
			}
		}
		o.Again = Paths{"c": {}}
	}, "bc", "b")
	step("after it", bad, "b", "b")
	if err := os.Chmod(filepath.Join(root, "b"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := step("a ctime that changes afterwards proves nothing", bad, "b", "b")
	if !strings.Contains(got.recs[1].Error.Message, whyStill) {
		t.Errorf("message %q", got.recs[1].Error.Message)
	}
	step("nor after a run that cannot read it", func(o *runOptions) {
		o.hasher = func(h *hasher) {
			h.open = func(*record.Record) (local.Content, fs.FileInfo, error) { return nil, nil, fs.ErrPermission }
		}
	}, "b", "")
	step("or meets it while it changes", func(o *runOptions) {
		o.hasher = func(h *hasher) {
			h.open = func(*record.Record) (local.Content, fs.FileInfo, error) { return nil, nil, errChanging }
		}
	}, "b", "")
	step("as the next one knows", bad, "b", "b")
	step("another file is read anew", func(o *runOptions) { bad(o); o.Again = Paths{"a": {}} }, "ab", "b")
	step("mended", func(*runOptions) {}, "b", "")
	step("and known", func(*runOptions) {}, "", "")
}

func TestAcceptedOnce(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2"}), cacheName(t)
	runTree(t, root, withCache(name))
	o := withCache(name)
	o.Fresh, o.hasher = true, rotten("b")
	if got := runTree(t, root, o); len(damagedPaths(got)) != 1 {
		t.Fatalf("damaged: %q", damagedPaths(got))
	}
	o.Fresh, o.Accept = false, func(path string) bool { return path == "b" }
	got := runTree(t, root, o)
	wantOpened(t, got, "b")
	if got.recs[1].MD5 != sumOf("3") || got.recs[1].Fresh { // '2' ^ 1
		t.Errorf("accepted as %s", got.recs[1].Raw())
	}
	o.Accept = nil
	got = runTree(t, root, o)
	wantOpened(t, got)
	if got.recs[1].MD5 != sumOf("3") {
		t.Errorf("known as %s", got.recs[1].Raw())
	}
}

// A killed run leaves what it kept, too, and so does one that sorts.
func TestEvidenceSurvives(t *testing.T) {
	root, name := makeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}), cacheName(t)
	runTree(t, root, withCache(name))
	o := withCache(name)
	o.Fresh, o.hasher = true, rotten("b", "d")
	runTree(t, root, o)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	o.Fresh = false
	for _, suffix := range partSuffixes {
		forge(t, name, func(e *record.Record) *record.Record { e.Error, e.Status = nil, ""; return e }) // as it was before
		write(t, name+suffix, b)
		got := runTree(t, root, o)
		wantOpened(t, got, "b", "d")
		if diff := cmp.Diff([]string{"b", "d"}, damagedPaths(got)); diff != "" {
			t.Error(diff)
		}
	}
	recs := list(t, root)
	slices.Reverse(recs)
	for range 2 {
		got := runStream(t, encode(t, recs, true), o)
		wantOpened(t, got, "b", "d")
		if len(damagedPaths(got)) != 2 {
			t.Errorf("damaged: %q", damagedPaths(got))
		}
	}
	if n := len(cached(t, name)); n != 4 {
		t.Errorf("the cache has %d entries", n)
	}
}

// Files to be read again are, however their names are written, and no others.
func TestAgain(t *testing.T) {
	names := []string{"plain", "b/plain", "pl", "quo\"te", "back\\slash", "new\nline", "é", "\ufffd", "tab\t", "<&>", "z"}
	if f, err := os.Create(filepath.Join(t.TempDir(), "\xff")); err == nil {
		f.Close()
		names = append(names, "\xff", "x\xfe/y")
	}
	files := make(map[string]string)
	for _, n := range names {
		files[n] = n
	}
	root, name := makeTree(t, files), cacheName(t)
	runTree(t, root, withCache(name))
	saved, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		for _, mode := range []string{"lines", "records"} {
			write(t, name, saved)
			o := withCache(name)
			o.Again = Paths{n: {}, "not there": {}}
			recs := list(t, root)
			if mode == "records" { // the cache does not have them line for line
				for _, r := range recs {
					r.Mode = "0600"
				}
			}
			got := runStream(t, encode(t, recs, true), o)
			wantOpened(t, got, n)
			if got.md5s()[n] != sumOf(n) {
				t.Errorf("%q has the MD5 %s", n, got.md5s()[n])
			}
		}
	}
}

func TestFreshReadsAll(t *testing.T) {
	files := numbered(50)
	root, name := makeTree(t, files), cacheName(t)
	if got := runTree(t, root, withCache(name)); countFresh(got) != 50 {
		t.Errorf("%d of the first run are fresh", countFresh(got))
	}
	put(t, root, "d1/f0001", "another content")
	put(t, root, "new", "")
	o := withCache(name)
	o.Fresh = true
	got := runTree(t, root, o)
	wantOpened(t, got, append(slices.Collect(maps.Keys(files)), "new")...)
	if countFresh(got) != 2 {
		t.Errorf("%d are fresh, want the one that changed and the new one", countFresh(got))
	}
	got = runTree(t, root, withCache(name))
	wantOpened(t, got)
	if countFresh(got) != 0 || len(got.md5s()) != 51 {
		t.Errorf("%d of %d are fresh", countFresh(got), len(got.md5s()))
	}
	// Without a cache there is nothing to compare with.
	if got := runTree(t, root, runOptions{}); countFresh(got) != 51 {
		t.Errorf("%d are fresh without a cache", countFresh(got))
	}
	// Of a damaged one, what can be read is compared with.
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, b[:len(b)/3])
	if got := runTree(t, root, o); countFresh(got) == 0 || got.err != nil || len(got.warned) > 0 {
		t.Errorf("with a damaged cache %d are fresh, error %v, warned %q", countFresh(got), got.err, got.warned)
	}
}

func countFresh(got outcome) int {
	n := 0
	for _, r := range got.recs {
		if r.Fresh {
			n++
		}
	}
	return n
}

// What is known though its ctime or inode number is another is known by the new ones
// afterwards.
func TestIgnoredFieldsAreLearned(t *testing.T) {
	root, name := makeTree(t, numbered(20)), cacheName(t)
	runTree(t, root, withCache(name))
	change := func(ctime, ino bool) string {
		recs := list(t, root)
		for _, r := range recs {
			if ctime {
				r.CTime = r.CTime.Add(1)
			}
			if ino {
				r.Ino += 1000
			}
		}
		return encode(t, recs, true)
	}
	for _, test := range []struct {
		ctime, ino             bool
		ignoreCTime, ignoreIno bool
		hit                    bool
	}{
		{true, false, true, false, true}, {true, false, false, true, false},
		{false, true, false, true, true}, {false, true, true, false, false},
		{true, true, true, true, true}, {true, true, true, false, false}, {true, true, false, true, false},
	} {
		saved, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		stream := change(test.ctime, test.ino)
		o := withCache(name)
		o.IgnoreCTime, o.IgnoreInode = test.ignoreCTime, test.ignoreIno
		got := runStream(t, stream, o)
		if hit := len(got.opened) == 0; hit != test.hit || got.err != nil {
			t.Errorf("%+v: opened %d, error %v", test, len(got.opened), got.err)
		}
		if test.hit {
			wantOpened(t, runStream(t, stream, withCache(name)))
		}
		write(t, name, saved)
	}
}

func TestParsePaths(t *testing.T) {
	long := strings.Repeat("x", 1023) + "\x00"
	for _, test := range []struct {
		list  string
		want  int
		wrong string
	}{
		{"", 0, ""},
		{"a\x00", 1, ""},
		{"a/b\x00c\nd\x00\xff\x00", 3, ""},
		{"a\x00a\x00", 1, ""},
		{strings.Repeat(long, maxPaths/len(long)), 1, ""},
		{strings.Repeat(long, maxPaths/len(long)) + "a\x00", 0, "longer than 1048576 bytes; to hash that much anew, use --fresh"},
		{"a", 0, "path 1 has no NUL byte after it"},
		{"a\x00b\n", 0, "path 2 has no NUL byte after it"},
		{"a\nb\n", 0, "path 1 has no NUL byte after it"},
		{"\x00", 0, "path 1: "},
		{"a\x00/b\x00", 0, "path 2: "},
		{"../a\x00", 0, "path 1: "},
	} {
		got, err := parsePaths(test.list)
		if len(got) != test.want || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("parsePaths(%.20q) = %d paths, %v, want %d, %q", test.list, len(got), err, test.want, test.wrong)
		}
		name := filepath.Join(t.TempDir(), "list")
		write(t, name, []byte(test.list))
		read, readErr := ReadPaths(name)
		if !maps.Equal(read, got) || (readErr == nil) != (err == nil) || readErr != nil && !strings.Contains(readErr.Error(), test.wrong) {
			t.Errorf("ReadPaths of %.20q = %d paths, %v", test.list, len(read), readErr)
		}
	}
	if _, err := ReadPaths(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a list that is not there was read")
	}
}

// FuzzAgain: a file to be read again does not slip by as a line, however its record is
// written.
func FuzzAgain(f *testing.F) {
	for _, path := range []string{"a", "a/b", `q"uote`, `\`, "\xff", "\ufffd", "\x00", `x","path":"y`, "<"} {
		f.Add("/r", path)
		f.Add(path, path)
	}
	f.Fuzz(func(t *testing.T, root, path string) {
		r := record.Record{Kind: record.KindFile, Root: root, Path: path, Size: 1}
		line, err := r.MarshalJSON()
		if err != nil || path == "" {
			return
		}
		if !(Paths{path: {}}).mayHave(line) {
			t.Errorf("%s slips by", line)
		}
	})
}
