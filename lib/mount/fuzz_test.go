package mount

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParseStatus: what is read of a status can be written and read again, and counts
// something.
func FuzzParseStatus(f *testing.F) {
	for _, s := range []string{
		`{"v":1,"pid":7,"since":"2026-01-02T03:04:05Z","account":"a","pending":1,"pending_bytes":6,"files":[{"path":"/Jotta/Archive/\u001b[2J","size":6,"spool_bytes":6,"error":"full"}],"spool":"/s","cache":"/c","cache_bytes":1,"cache_limit":2}`,
		`{"v":2}`, `{"v":1,"pending":-1}`, `{"v":1,"files":[{"size":-9223372036854775808}]}`, `{"v":1,"files":[null]}`, `null`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseStatus(b)
		if err != nil {
			return
		}
		if s.Version != 1 || s.Pending < 0 || s.PendingBytes < 0 {
			t.Fatalf("%s is read as %+v", b, s)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseStatus(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
