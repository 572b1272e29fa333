package record

import (
	"bytes"
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
