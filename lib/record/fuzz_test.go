package record

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzReader: whatever the bytes, compressed or not, a stream ends, is judged, and what
// was read of it can be written and read again.
func FuzzReader(f *testing.F) {
	const stream = `{"kind":"file","path":"a","size":1}` + "\n" + `{"kind":"end","v":1,"records":1,"errors":0,"complete":true}` + "\n"
	z, _ := zstd.NewWriter(nil)
	for _, s := range []string{stream, stream[:40], stream + stream, "\n\n" + stream, "x\n" + stream, "x\n" + strings.Replace(stream, "complete", "Complete", 1), "\x1f\x8b", "\x28\xb5\x2f\xfd", string(z.EncodeAll([]byte(stream), nil))} {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"kind":"end","v":1,"records":0,"errors":0,"complete":true,"RECORDS":7,"Errors":7}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := NewReader(bytes.NewReader(data))
		bad := 0
		in.Malformed = func(error) { bad++ }
		var out bytes.Buffer
		w := NewWriter(&out, "fuzz")
		n := 0
		for rec := range in.All() {
			n++
			w.Write(rec)
		}
		if !in.Ended() || bad > 0 && in.Whole() == nil {
			t.Fatalf("ended %v, %d bad lines, whole: %v", in.Ended(), bad, in.Whole())
		}
		if in.Whole() == nil && int64(n) != in.End().Records {
			t.Fatalf("%d records are whole, of %d", n, in.End().Records)
		}
		w.Inherit(in.End())
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		again := NewReader(&out)
		for range again.All() {
			n--
		}
		if err := again.Whole(); n != 0 || err != nil && !strings.Contains(err.Error(), "could not be read") {
			t.Fatalf("%d records less were read again: %v", n, err)
		}
	})
}

// FuzzEnd: an end record that proves something has a version and a scope that makes sense,
// and the next program passes on what it says.
func FuzzEnd(f *testing.F) {
	for _, s := range []string{
		`{"kind":"end","v":1,"stage":"x","records":1,"bytes":1,"errors":0,"complete":true}`,
		`{"kind":"end","v":1,"records":1,"errors":0,"complete":true,"scope":["a","b/c"],"withheld":3,"stored":4,"spared":5,"same":{"files":1,"dirs":2,"bytes":3},"more":[]}`,
		`{"kind":"end","v":0,"records":1,"errors":0,"complete":true,"scope":[]}`,
		`{"kind":"end","v":1,"records":1,"errors":0,"complete":true,"scope":null,"same":{"Files":7}}`,
		`{"kind":"end","v":1,"records":1,"errors":1,"errors":0,"complete":true}`,
		`{"kind":"end","v":1,"records":1,"errors":0,"complete":true,"scope":["caf\ufffd","b"],"scope_raw":["Y2Fm6Q==","Yg=="]}`,
	} {
		f.Add(s)
	}
	const file = `{"kind":"file","path":"a","size":1}` + "\n"
	f.Fuzz(func(t *testing.T, line string) {
		in := NewReader(strings.NewReader(file + line))
		for range in.All() {
		}
		if in.Clean() != nil {
			return
		}
		end := in.End()
		if end.Version != 1 || end.Errors != 0 || end.Records != 1 || end.Scope != nil && checkScope(end.Scope) != nil {
			t.Fatalf("%s is clean: %+v", line, end)
		}
		var out bytes.Buffer
		w := NewWriter(&out, "fuzz")
		w.Write(&Record{Kind: KindFile, Path: "a"})
		w.Inherit(end)
		w.Close()
		again := NewReader(&out)
		for range again.All() {
		}
		got := again.End()
		if err := again.Clean(); err != nil && len(line) < MaxLine/8 {
			t.Fatalf("%s: what is passed on is not clean: %v", line, err)
		} else if err == nil && (!slices.Equal(got.Scope, end.Scope) || got.Withheld != end.Withheld || got.Stored != end.Stored || got.Spared != end.Spared || got.Same != end.Same) {
			t.Fatalf("%s became %+v", line, got)
		}
	})
}

// FuzzReadKnown: whatever the list of known problems holds, it excuses nothing that may pass
// or be a loss.
func FuzzReadKnown(f *testing.F) {
	for _, s := range []string{"a/b\n*.tmp\n# c\n\n/x", "[", "\\", "**", "a//b", strings.Repeat("*a", 100)} {
		f.Add(s, "a/b.tmp")
	}
	f.Fuzz(func(t *testing.T, list, path string) {
		k, err := ReadKnown(strings.NewReader(list))
		if err != nil {
			return
		}
		for _, class := range []Class{ClassNetwork, ClassCorrupt, ClassPermission, ClassQuota} {
			if k.Has(&Record{Kind: KindFile, Path: path, Size: 1, Error: &Error{Class: class}}) {
				t.Fatalf("%q excuses %s of %q", list, class, path)
			}
		}
		if _, err := ReadKnown(strings.NewReader(list + "\n" + strings.NewReplacer("[", "", "\\", "", "\n", "", "\r", "").Replace(path))); err != nil && !strings.Contains(err.Error(), "line ") && !strings.Contains(err.Error(), "too long") {
			t.Fatalf("%q: %v", list, err)
		}
	})
}
