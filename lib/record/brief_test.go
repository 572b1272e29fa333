package record

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// local is a file as jwalk and jhash tell of it.
var local = Record{Kind: KindFile, Root: "/home/me/photos", Path: "2024/a folder/IMG_1.jpg", Size: 123456,
	MTime: time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC), Mode: "0644", Ino: 9980657,
	CTime: time.Date(2024, 3, 1, 0, 0, 0, 5, time.UTC), BTime: time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC),
	MD5: "0123456789abcdef0123456789abcdef"}

func TestBriefOf(t *testing.T) {
	for _, path := range []string{"a", "a/b", "IMG_1234567890.jpg", "bl\u00e5b\u00e6r/\u65e5\u672c.txt", "a b#c{}[]:,", "..a/b.."} {
		r := local
		r.Path = path
		got, b, ok := BriefOf(r.append(nil))
		sum, _ := parseMD5(r.MD5)
		if !ok || string(got) != path || b != (Brief{r.Size, r.MTime, sum}) {
			t.Errorf("%q: got %q, %v, %t", path, got, b, ok)
		}
		r.Mode, r.Ino, r.CTime, r.BTime = "", 0, time.Time{}, time.Time{}
		if _, _, ok := BriefOf(r.append(nil)); !ok {
			t.Errorf("%q is not read without what may be missing", path)
		}
	}
	line := string(local.append(nil))
	for _, change := range [][2]string{
		{`"file"`, `"dir"`}, {`"file","root"`, `"file", "root"`}, {`/home/me`, `/home/\u006de`}, {`folder`, "fold\"er"}, {`folder`, "fold\x01er"}, {`folder`, "fold\xffer"},
		{`/home`, "/hom\xff"}, {`"2024/`, `"/`}, {`"2024/`, `"../`}, {`a folder`, `.`}, {`a folder`, ``}, {`a folder`, `..`}, {`IMG_1.jpg"`, `"`}, {`123456,`, `0123456,`}, {`123456,`, `-1,`},
		{`123456,`, `12345678901234567890,`}, {`123456,`, `1e5,`}, {`"size":123456,`, ``}, {`23:59:59.123456789Z"`, `23:59:60Z"`}, {`2024-03-01`, `2024-13-01`}, {`2024-03-01`, ``},
		{`"md5":"01`, `"md5":"0`}, {`"md5":"01`, `"md5":"0G`}, {`"md5":"01`, `"md5":"0A`}, {`ef"}`, `ef","action":"put"}`}, {`ef"}`, `ef","error":{"class":"x"}}`}, {`ef"}`, `ef","ignored":true}`},
		{`ef"}`, `ef"`}, {`ef"}`, `ef"} `}, {`"ino":9`, `"ino":x`}, {`"mode":"0644"`, `"mode":0644`},
	} {
		bad := strings.ReplaceAll(line, change[0], change[1])
		if bad == line {
			t.Errorf("%q changes nothing", change)
		}
		if path, b, ok := BriefOf([]byte(bad)); ok {
			t.Errorf("%s: got %q, %v", bad, path, b)
		}
	}
}

// mangled are values as other programs leave them: numbers that are text, and null for
// what is absent.
var mangled = [][2]string{
	{`"ino":9980657`, `"ino":"9223372036854775809"`}, {`"ino":9980657`, `"ino":9223372036854775809`}, {`"ino":9980657`, `"ino":"9980657"`},
	{`"ino":9980657`, `"ino":null`}, {`"ino":9980657`, `"ino":9223372036854776000`}, {`"ino":9980657`, `"ino":9.223372036854776e+18`}, {`"ino":9980657`, `"ino":9980657.0`},
	{`"size":123456`, `"size":"9007199254740993"`}, {`"size":123456`, `"size":9007199254740993`}, {`"size":123456`, `"size":"123456"`}, {`"size":123456`, `"size":null`},
	{`"size":123456`, `"size":123456.0`}, {`"mode":"0644"`, `"mode":null`}, {`"mode":"0644"`, `"mode":644`}, {`"root":"/home/me/photos"`, `"root":null`},
	{`"mtime":"2024-02-29T23:59:59.123456789Z"`, `"mtime":null`}, {`"mtime":"2024-02-29T23:59:59.123456789Z"`, `"mtime":"2024-02-29 23:59:59"`},
	{`0123456789abcdef0123456789abcdef"`, `0123456789abcdef0123456789abcdef","ignored":null`}, {`"0123456789abcdef0123456789abcdef"`, `null`},
	{`"ctime":"2024-03-01T00:00:00.000000005Z"`, `"ctime":null`},
}

// TestMangled: of what other programs have done to a line, the short way and the long one
// know the same, and nothing leaves as it should not be.
func TestMangled(t *testing.T) {
	line := string(local.append(nil))
	for _, change := range mangled {
		given := strings.Replace(line, change[0], change[1], 1)
		if given == line {
			t.Errorf("%q changes nothing", change)
		}
		end := fmt.Sprintf("\n"+`{"kind":"end","v":1,"records":1,"bytes":%d,"errors":0,"complete":true}`+"\n", max(readSize(given), 0))
		in := NewReader(strings.NewReader(given + end))
		r, ok := in.Next()
		path, b, short := BriefOf([]byte(given))
		if !ok {
			if short {
				t.Errorf("%s is no record, and BriefOf takes it", given)
			}
			continue
		}
		sum, _ := parseMD5(r.MD5)
		if short && (string(path) != r.Path || b != (Brief{r.Size, r.MTime, sum})) {
			t.Errorf("%s: BriefOf says %q, %v, and the record %+v", given, path, b, r)
		}
		var out strings.Builder
		w := NewWriter(&out, "test")
		w.Pass(r)
		w.Close()
		if in.Next(); in.Whole() != nil {
			t.Errorf("%s: %v", given, in.Whole())
		}
		again, _ := NewReader(strings.NewReader(out.String())).Next()
		if again == nil || again.Ino != r.Ino || again.Size != r.Size || strings.Contains(out.String(), `":"9`) || strings.Contains(out.String(), "e+18") {
			t.Errorf("%s leaves as %s", given, out.String())
		}
	}
}

// readSize is the size that encoding/json sees in a line, as a number or as text.
func readSize(line string) int64 {
	var r struct{ Size json.RawMessage }
	json.Unmarshal([]byte(line), &r)
	n, _ := strconv.ParseInt(strings.Trim(string(r.Size), `"`), 10, 64)
	return n
}

// FuzzBriefOf: what is taken is a record, and says what the record says.
func FuzzBriefOf(f *testing.F) {
	f.Add(local.append(nil))
	for _, change := range mangled {
		f.Add([]byte(strings.Replace(string(local.append(nil)), change[0], change[1], 1)))
	}
	f.Add([]byte(`{"kind":"file","root":"","path":"a","size":0,"mtime":"2024-02-30T00:00:00Z","md5":""}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		path, b, ok := BriefOf(line)
		if !ok {
			return
		}
		var r Record
		if err := r.decode(string(line)); err != nil {
			t.Fatalf("%s is no record: %v", line, err)
		}
		sum, _ := parseMD5(r.MD5)
		if r.Raw() != string(line) {
			t.Fatalf("%s is %s to the reader", line, r.Raw())
		}
		if r.Path != string(path) || b != (Brief{r.Size, r.MTime, sum}) || r.Kind != KindFile || r.Ignored || r.Error != nil || r.Action != "" || r.Status != "" || r.Reason != "" {
			t.Fatalf("%s: got %q, %v", line, path, b)
		}
	})
}

// A Cursor tells of each record what the record has, in memory and on disk.
func TestCursor(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := Sorter{Memory: 4 << 10}
	defer s.Close()
	for i := range 2000 {
		r := Record{Kind: KindFile, Path: fmt.Sprintf("%04d", random.IntN(10_000)), Size: int64(i), MTime: local.MTime, MD5: local.MD5, State: StateCompleted, Revision: 3}
		r.Remote = "/D/M/x/" + r.Path
		switch random.IntN(10) {
		case 0:
			r.Kind, r.Size, r.MD5, r.State = KindDir, SizeUnknown, "", ""
		case 1:
			r.State = StateIncomplete
		case 2:
			r.MD5 = ""
		case 3:
			r.MTime = time.Time{}
		case 4:
			r.Deleted = local.CTime
		case 5:
			r.Error = &Error{Class: ClassCorrupt, Message: "m"}
		}
		if err := s.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	n, last := int64(0), ""
	for c := s.Cursor(); ; n++ {
		more, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		r, err := c.Record()
		if err != nil || r.Path != c.Path() || Compare(last, r.Path) > 0 {
			t.Fatalf("got %v, %v behind %q", r, err, last)
		}
		last = r.Path
		b, ok := c.Brief()
		sum, _ := parseMD5(r.MD5)
		if want := r.Kind == KindFile && r.State == StateCompleted && r.MD5 != "" && !r.MTime.IsZero() && r.Deleted.IsZero() && r.Error == nil; ok != want ||
			ok && b != (Brief{r.Size, r.MTime, sum}) {
			t.Fatalf("%+v: got %v, %t", r, b, ok)
		}
	}
	if n != s.Len() {
		t.Errorf("%d records of %d", n, s.Len())
	}
}

// FuzzDifferBeyondCase: paths of which it is sure have no folder and no name in common that
// only case could tell apart.
func FuzzDifferBeyondCase(f *testing.F) {
	for _, pair := range [][2]string{{"a/b", "a/c"}, {"a", "a"}, {"a", "A"}, {"a/b", "A/c"}, {"k", "\u212a"}, {"abcdefgh/i", "abcdefgh/I"}, {"a", "a/b"}, {"", "a"}, {"a\u00e9", "a\u00c9"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !DifferBeyondCase(a, b) {
			return
		}
		if Fold(a) == Fold(b) {
			t.Fatalf("%q and %q differ by case", a, b)
		}
		partsA, partsB := strings.Split(a, "/"), strings.Split(b, "/")
		for i := 0; i < len(partsA) && i < len(partsB) && Fold(partsA[i]) == Fold(partsB[i]); i++ {
			if partsA[i] != partsB[i] {
				t.Fatalf("%q and %q have folders that differ by case", a, b)
			}
		}
	})
}

// BenchmarkBrief compares a file as it is on disk with what is stored.
func BenchmarkBrief(b *testing.B) {
	line := local.append(nil)
	var s Sorter
	defer s.Close()
	stored := Record{Kind: KindFile, Path: local.Path, Size: local.Size, MTime: local.MTime.Truncate(time.Second), MD5: local.MD5, State: StateCompleted, Remote: "/Jotta/Archive/photos/" + local.Path}
	if err := s.Add(&stored); err != nil {
		b.Fatal(err)
	}
	c := s.Cursor()
	c.Next()
	b.Run("brief", func(b *testing.B) {
		for b.Loop() {
			_, here, ok := BriefOf(line)
			there, ok2 := c.Brief()
			if !ok || !ok2 || here.MD5 != there.MD5 {
				b.Fatal("they differ")
			}
		}
	})
	b.Run("records", func(b *testing.B) {
		for b.Loop() {
			var here Record
			err := here.decode(string(line))
			there, err2 := c.Record()
			if err != nil || err2 != nil || here.MD5 != there.MD5 {
				b.Fatal("they differ")
			}
		}
	})
}
