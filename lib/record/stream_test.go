package record

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream = `{"kind":"dir","path":"a"}
{"kind":"file","path":"a/b","size":6}
{"kind":"end","v":1,"stage":"jwalk","records":2,"bytes":6,"errors":0,"complete":true}
`

func readAll(r io.Reader) (paths []string, malformed []string, in *Reader) {
	in = NewReader(r)
	in.Malformed = func(err error) { malformed = append(malformed, err.Error()) }
	for rec := range in.All() {
		paths = append(paths, rec.Path)
	}
	return paths, malformed, in
}

func zstdOf(s string) string {
	var b bytes.Buffer
	z, _ := zstd.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func gzipOf(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func TestWhole(t *testing.T) {
	lines := strings.SplitAfter(stream, "\n")
	for _, test := range []struct {
		name, stream string
		paths        int
		want         error
	}{
		{"whole", stream, 2, nil},
		{"blank lines", "\n" + lines[0] + "\r\n" + lines[1] + lines[2], 2, nil},
		{"no newline at the end", strings.TrimSpace(stream), 2, nil},
		{"zstd", zstdOf(stream), 2, nil},
		{"zstd, as pzstd writes it", "\x50\x2a\x4d\x18\x04\x00\x00\x00size" + zstdOf(stream[:50]) + "\x5f\x2a\x4d\x18\x00\x00\x00\x00" + zstdOf(stream[50:]), 2, nil},
		{"gzip", gzipOf(stream), 2, nil},
		{"packed with xz", "\xfd7zXZ\x00\n" + stream, 0, ErrTruncated},
		{"packed with bzip2", "BZh9", 0, ErrTruncated},
		{"packed with lz4", "\x04\x22\x4d\x18\n\n", 0, ErrTruncated},
		{"zstd, with nothing but a frame to be skipped", "\x5e\x2a\x4d\x18\x00\x00\x00\x00", 0, ErrTruncated},
		{"empty", "", 0, ErrTruncated},
		{"no end record", lines[0] + lines[1], 2, ErrTruncated},
		{"cut in a line", stream[:40], 1, ErrTruncated},
		{"gzip cut short", gzipOf(stream)[:60], 1, ErrTruncated},
		{"zstd cut short", zstdOf(stream)[:40], 0, ErrTruncated},
		{"too few", lines[0] + lines[2], 1, ErrMiscounted},
		{"too many", lines[0] + stream, 3, ErrMiscounted},
		{"another size", strings.Replace(stream, `"bytes":6`, `"bytes":7`, 1), 2, ErrMiscounted},
		{"incomplete", strings.Replace(stream, "true", "false", 1), 2, ErrIncomplete},
		{"malformed", "x\n" + stream, 2, ErrMalformed},
		{"joined with cat", stream + stream, 2, ErrMalformed},
		{"bad end record", lines[0] + `{"kind":"end","v":1}` + "\n", 1, ErrMalformed},
		{"end record from the future", lines[0] + `{"kind":"end","v":2,"records":1,"complete":true}` + "\n", 1, ErrMalformed},
		{"a line too long", lines[0] + `{"kind":"dir","path":"` + strings.Repeat("x", MaxLine) + `"}` + "\n" + lines[1] + lines[2], 2, ErrMalformed},
		{"a line just fits", `{"kind":"z","q":"` + strings.Repeat("x", MaxLine-19) + `"}` + "\n" + strings.Replace(stream, `"records":2`, `"records":3`, 1), 3, nil},
	} {
		paths, malformed, in := readAll(strings.NewReader(test.stream))
		if err := in.Whole(); !errors.Is(err, test.want) {
			t.Errorf("%s: Whole() = %v, want %v", test.name, err, test.want)
		}
		if len(paths) != test.paths {
			t.Errorf("%s: %d records, want %d", test.name, len(paths), test.paths)
		}
		if (len(malformed) > 0) != (test.want == ErrMalformed) {
			t.Errorf("%s: malformed lines: %q", test.name, malformed)
		}
	}
}

// TestWindow: a packed stream is read if its window fits into the memory that there is
// for it, and costs none if it does not.
func TestWindow(t *testing.T) {
	var fits bytes.Buffer
	z, _ := zstd.NewWriter(&fits, zstd.WithWindowSize(maxWindow))
	io.WriteString(z, stream)
	z.Close()
	if paths, _, in := readAll(&fits); len(paths) != 2 || in.Whole() != nil {
		t.Errorf("with a window of %d bytes: %q, %v", maxWindow, paths, in.Whole())
	}
	const magic, block = "\x28\xb5\x2f\xfd", "\x03\x00\x10x" // one that repeats a byte 2^17 times
	for what, frame := range map[string]string{
		"a window of 36 MiB":         magic + "\x00\x79" + block,
		"a window of a terabyte":     magic + "\x00\xf0" + block,
		"a content of half a GiB":    magic + "\xe0\x00\x00\x00\x20\x00\x00\x00\x00" + block,
		"a content of a few exabyte": magic + "\xe0\x00\x00\x00\x00\x00\x00\x00\x40" + block,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, in := readAll(strings.NewReader(frame))
		runtime.ReadMemStats(&after)
		if err := in.Whole(); err == nil || !strings.Contains(err.Error(), "zstd: it takes more than 32 MiB") || after.TotalAlloc-before.TotalAlloc > 16<<20 {
			t.Errorf("%s: %v; %d bytes were allocated", what, err, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

func TestMalformedLineIsNamed(t *testing.T) {
	_, malformed, _ := readAll(strings.NewReader(stream[:26] + "{bad\n" + stream[26:]))
	if len(malformed) != 1 || !strings.HasPrefix(malformed[0], "line 2: ") {
		t.Errorf("malformed = %q", malformed)
	}
}

func TestReadErrorIsNotTheEnd(t *testing.T) {
	broken := errors.New("the disk is gone")
	paths, _, in := readAll(io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken)))
	if err := in.Whole(); len(paths) != 2 || !errors.Is(err, broken) || !errors.Is(err, ErrTruncated) {
		t.Errorf("%d records, Whole() = %v", len(paths), err)
	}
}

func TestCleanNeedsNoErrors(t *testing.T) {
	for _, change := range [][2]string{
		{`"errors":0`, `"errors":1`},
		{`"errors":0,`, ``},
		{`"errors":0`, `"errors":-1`},
		{`"size":6`, `"size":6,"error":{"class":"network","message":"m"}`}, // that the end record does not count
	} {
		_, _, in := readAll(strings.NewReader(strings.Replace(stream, change[0], change[1], 1)))
		if in.Whole() != nil || in.Clean() == nil {
			t.Errorf("%s: Whole() = %v, Clean() = %v", change[1], in.Whole(), in.Clean())
		}
	}
	if _, _, in := readAll(strings.NewReader(stream)); in.Clean() != nil {
		t.Errorf("Clean() = %v", in.Clean())
	}
}

func TestWriterTellsTheTruth(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "jtest")
	var own []string
	w.OnError = func(r *Record) { own = append(own, r.Path) }
	in := NewReader(strings.NewReader(`{"kind":"file","path":"old","size":1, "error":{"class":"network","message":"m"}}` + "\n"))
	old, _ := in.Next()
	w.Pass(old)
	w.Write(&Record{Kind: KindFile, Path: "new", Size: 2, Error: &Error{Class: ClassQuota, Message: "full"}})
	w.Inherit(End{Scope: []string{"x"}, extra: `,"more":1`})
	w.Incomplete()
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"file","path":"old","size":1, "error":{"class":"network","message":"m"}}
{"kind":"file","path":"new","size":2,"error":{"class":"quota","message":"full"}}
{"kind":"end","v":1,"stage":"jtest","records":2,"bytes":3,"errors":2,"complete":false,"scope":["x"],"more":1}
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
	if !slices.Equal(own, []string{"new"}) {
		t.Errorf("OnError heard of %q", own)
	}
}

func TestCompare(t *testing.T) {
	ordered := []string{"\x01", "_", "a", "a/_", "a/B", "a/b", "a/b/c", "a b", "a!", "a-b", "A0", "A0/z", "a0", "aa", "B", "B/z", "b", "b/a", "K", "k", "\u212a", "É", "é", "İ", "ı", "\xff"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestFold(t *testing.T) {
	for _, test := range []struct{ a, b string }{
		{"ABC", "abc"}, {"É", "é"}, {"K", "\u212a"}, {"σ", "ς"}, {"ẞ", "ß"}, {"µ", "μ"}, {"a\xffB", "A\xffb"},
	} {
		if Fold(test.a) != Fold(test.b) {
			t.Errorf("Fold(%q) = %q, Fold(%q) = %q, want them equal", test.a, Fold(test.a), test.b, Fold(test.b))
		}
	}
	for _, s := range []string{"İ", "ı"} {
		if Fold(s) == Fold("i") {
			t.Errorf("Fold(%q) = Fold(i)", s)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("a/b", "A-b", "a")
	f.Add("é", "\xff", "K")
	f.Add("ſ", "\xc5", "0")
	f.Add("a/b", "a b", "a")
	f.Add("abcdefgh/é", "abcdefgh/É", "abcdefgh/e")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("Compare(%q, %q) = %d, the other way round %d", a, b, Compare(a, b), Compare(b, a))
		}
		if Compare(a, b) != compareParts(a, b) {
			t.Fatalf("Compare(%q, %q) = %d, part by part %d", a, b, Compare(a, b), compareParts(a, b))
		}
		if (Compare(a, b) == 0) != (a == b) {
			t.Fatalf("Compare(%q, %q) = %d", a, b, Compare(a, b))
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("%q, %q, %q are in no order", a, b, c)
		}
	})
}

func TestSorterAndSpool(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 20_000, 300_000} {
		if n > 20_000 && testing.Short() {
			continue
		}
		var sorter Sorter
		var spool Spool
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		for _, i := range order {
			r := &Record{Kind: KindFile, Size: int64(i), Path: fmt.Sprintf("d%03d/f%06d", i%7, i)}
			if err := errors.Join(sorter.Add(r), spool.Add(r)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // both can be read again
			last, count := "", 0
			for r, err := range sorter.Sorted() {
				if err != nil {
					t.Fatal(err)
				}
				if Compare(last, r.Path) >= 0 {
					t.Fatalf("%q after %q", r.Path, last)
				}
				last = r.Path
				count++
			}
			if count != n {
				t.Errorf("%d records sorted, want %d", count, n)
			}
			at := 0
			for r, err := range spool.All() {
				if err != nil {
					t.Fatal(err)
				}
				if r.Size != int64(order[at]) {
					t.Fatalf("record %d is %d, want %d", at, r.Size, order[at])
				}
				at++
			}
			if at != n || spool.Len() != int64(n) {
				t.Errorf("%d records spooled, Len %d, want %d", at, spool.Len(), n)
			}
		}
		if err := errors.Join(sorter.Close(), spool.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestSorterKeepsTheOrderOfEqualPaths(t *testing.T) {
	var s Sorter
	defer s.Close()
	const n = 30_000
	for i := range n {
		if err := s.Add(&Record{Kind: KindFile, Path: "same", Size: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	at := int64(0)
	for r, err := range s.Sorted() {
		if err != nil || r.Size != at {
			t.Fatalf("record %d is %d, %v", at, r.Size, err)
		}
		at++
	}
}

func TestSorterOnAFullDisk(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	var s Sorter
	defer s.Close()
	var err error
	for i := 0; err == nil && i < 100_000; i++ {
		err = s.Add(&Record{Kind: KindFile, Path: fmt.Sprint(i)})
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Add = %v, want the error of the disk", err)
	}
}

func BenchmarkFilter(b *testing.B) {
	line := string(typical.append(nil)) + "\n"
	b.SetBytes(int64(len(line)))
	in := NewReader(&endless{line: line})
	out := NewWriter(io.Discard, "jtest")
	for b.Loop() {
		r, _ := in.Next()
		r.Status = StatusDone
		out.Write(r)
	}
}

type endless struct {
	line string
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m := copy(b[n:], e.line[e.at:])
		n += m
		e.at = (e.at + m) % len(e.line)
	}
	return n, nil
}

// Lines that are passed on as they are make the same stream as records that are read and
// written.
func TestPassLine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	lines := []string{
		`{"kind":"dir","path":"d"}`,
		`{"kind":"file","path":"a","size":0}`,
		`{"kind":"file","root":"/r","path":"é\"b\",\"size\":9","size":12,"mtime":"2026-01-01T00:00:00Z"}`,
		`{"kind":"file","path":"c"}`,
		`{"kind":"file","path":"c","size":9223372036854775807}`,
		`  {"kind":"file","path":"c","size":3}`,
		`{"kind":"file","path":"c","size":4}  `,
		`{"kind":"file","path":"big","size":5,"odd":"` + strings.Repeat("x", 70<<10) + `"}`,
		`{"kind":"comet","tail":"long"}`,
		``,
	}
	for range 200 {
		var in strings.Builder
		records := 0
		for range random.IntN(20) {
			line := lines[random.IntN(len(lines))]
			if line != "" {
				records++
			}
			in.WriteString(line + "\n")
		}
		fmt.Fprintf(&in, `{"kind":"end","v":1,"stage":"x","records":%d,"errors":0,"complete":true}`+"\n", records)
		copied := func(pass bool) string {
			var b strings.Builder
			r, w := NewReader(strings.NewReader(in.String())), NewWriter(&b, "x")
			r.Malformed = func(err error) { t.Error(err) }
			for {
				if line, ok := r.PeekLine(); ok && pass && random.IntN(4) > 0 {
					if err := w.PassLine(line); err != nil {
						t.Fatal(err)
					}
					r.SkipLine()
					continue
				}
				rec, ok := r.Next()
				if !ok {
					break
				}
				w.Pass(rec)
			}
			if err := r.Whole(); err != nil {
				t.Error(err)
			}
			w.Close()
			return b.String()
		}
		if diff := cmp.Diff(copied(false), copied(true)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// What PeekLine has seen is still there for Next, and a line that is no record is named
// with its number.
func TestPeekedLines(t *testing.T) {
	const first, bad = `{"kind":"dir","path":"d"}`, `{"kind":"file",oops`
	r := NewReader(strings.NewReader(first + "\n" + bad + "\n" + `{"kind":"file","path":"a"}` + "\n" + `{"kind":"file","path":"cut`))
	var malformed []string
	r.Malformed = func(err error) { malformed = append(malformed, err.Error()) }
	if _, ok := r.PeekLine(); ok {
		t.Error("the first line was peeked at")
	}
	r.Next()
	for range 2 {
		if line, ok := r.PeekLine(); !ok || string(line) != bad {
			t.Errorf("PeekLine = %s, %t", line, ok)
		}
	}
	if rec, ok := r.Next(); !ok || rec.Path != "a" || len(malformed) != 1 || !strings.HasPrefix(malformed[0], "line 2: ") {
		t.Errorf("got %v, malformed %q", rec, malformed)
	}
	if line, ok := r.PeekLine(); ok {
		t.Errorf("a line that is cut short was peeked at: %s", line)
	}
	if _, ok := r.Next(); ok || !errors.Is(r.Whole(), ErrTruncated) {
		t.Errorf("Whole = %v", r.Whole())
	}
}

func TestSame(t *testing.T) {
	var b strings.Builder
	w := NewWriter(&b, "x")
	var same Same
	same.Add(&Record{Kind: KindFile, Size: 5})
	same.Add(&Record{Kind: KindFile, Size: SizeUnknown})
	w.LeaveOut(same)
	w.Inherit(End{Same: Same{1, 2, 3}})
	w.LeaveOut(Same{Dirs: 1})
	w.Close()
	r := NewReader(strings.NewReader(b.String()))
	r.Next()
	if want := (Same{3, 3, 8}); r.End().Same != want || r.End().Same.Entries() != 6 {
		t.Errorf("got %v, want %v", r.End().Same, want)
	}
	if r.Clean() != nil || !errors.Is(r.LeftOut(), ErrLeftOut) {
		t.Errorf("Clean = %v, LeftOut = %v", r.Clean(), r.LeftOut())
	}
}
