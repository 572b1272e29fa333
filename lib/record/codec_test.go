package record

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var full = Record{
	Kind: KindFile, Root: "/home/me/photos", Path: "a/b c.jpg", Size: 6,
	MTime: time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC), Mode: "0644", Ino: 1<<64 - 1,
	CTime: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), BTime: time.Date(2025, 1, 2, 3, 4, 6, 0, time.UTC),
	MD5: "b1946ac92492d2347c6235b4d2611184", State: StateCompleted, Revision: 3,
	Uploaded: time.Date(2026, 2, 2, 3, 4, 6, 0, time.UTC), Deleted: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC), Remote: "/Jotta/Archive/a/b c.jpg", From: "/Jotta/Archive/c.jpg", Link: "https://www.jottacloud.com/s/1",
	Action: ActionPut, Reason: ReasonNew, Status: StatusFailed,
	Transfer: &Transfer{Sent: 6, ResumedAt: 2, Took: 15 * time.Millisecond},
	Error:    &Error{Class: ClassQuota, Message: "full", HTTP: 460, Retry: true, XID: "000417250401"},
}

// sameRecord compares records by what they say.
var sameRecord = cmp.Options{cmpopts.IgnoreUnexported(Record{}, Error{}), cmpopts.EquateEmpty()}

func TestRoundTrip(t *testing.T) {
	names := []string{"plain", "new\nline", "quo\"te\\", "\x01\x1f\x7f", "\xff\xfe", "caf\u00e9", "cafe\u0301", "\u2028", "a\xc3", "🎞", " ", "..."}
	for _, name := range names {
		want := full
		want.Root, want.Path, want.Target, want.Remote, want.From = "/r/"+name, "d/"+name, name, "/Jotta/Archive/"+name, "/Jotta/Archive/old/"+name
		line := string(want.append(nil))
		var got Record
		if err := got.decode(line); err != nil {
			t.Errorf("decode(%s): %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got, sameRecord); diff != "" {
			t.Errorf("%q does not survive the round trip (-want +got):\n%s", name, diff)
		}
		if again := string(got.append(nil)); again != line {
			t.Errorf("encoded again:\n%s\nwant:\n%s", again, line)
		}
	}
}

func TestUnknownMembersSurvive(t *testing.T) {
	const line = `{"kind":"file","path":"a","size":0,"x":{"y":[1,"}"]},"error":{"class":"new_class","message":"m","more":1},"\u0078z":null}`
	var r Record
	if err := r.decode(line); err != nil {
		t.Fatal(err)
	}
	r.Status = StatusFailed
	const want = `{"kind":"file","path":"a","size":0,"status":"failed","x":{"y":[1,"}"]},"\u0078z":null,"error":{"class":"new_class","message":"m","more":1}}`
	if got := string(r.append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnknownKindIsOpaque(t *testing.T) {
	const line = `{"kind":"weather", "size":"large","path":7}`
	var r Record
	if err := r.decode(line); err != nil {
		t.Fatal(err)
	}
	if !r.Foreign() || string(r.append(nil)) != line {
		t.Errorf("%s came out as %s", line, r.append(nil))
	}
}

func TestMalformed(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`xx`, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`{"kind":"file","path":"a"`, "stops short"},
		{`{"kind":"file","path":"a"} x`, "not a JSON object"},
		{`{"kind":"file","path":"a",}`, "not a JSON object"},
		{`{"kind":"file"}`, `no "path"`},
		{`{"path":"a"}`, `no "kind"`},
		{`{"kind":"file","path":""}`, `no "path"`},
		{`{"kind":"file","path":"/a"}`, "empty part"},
		{`{"kind":"file","path":"a//b"}`, "empty part"},
		{`{"kind":"file","path":"a/"}`, "empty part"},
		{`{"kind":"file","path":"a/../b"}`, "beneath their root"},
		{`{"kind":"file","path":"."}`, "beneath their root"},
		{`{"kind":"file","path":"a\u0000b"}`, "NUL"},
		{`{"kind":"file","path":"a","path_raw":"Li4vYQ=="}`, "beneath their root"},
		{`{"kind":"file","path":"a","path_raw":"!"}`, "not base64"},
		{`{"kind":"file","path":"a","size":"7"}`, `"size" is not a whole number`},
		{`{"kind":"file","path":"a","size":1.5}`, `"size" is not a whole number`},
		{`{"kind":"file","path":"a","size":-1}`, `"size" is negative`},
		{`{"kind":"file","path":"a","size":99999999999999999999}`, `"size" is not a whole number`},
		{`{"kind":"file","path":"a","mtime":"yesterday"}`, `"mtime" is not an RFC 3339 time`},
		{`{"kind":"file","path":"a","md5":"abc"}`, "not an MD5"},
		{`{"kind":"file","path":"a","ignored":"yes"}`, `"ignored" is not true or false`},
		{`{"kind":"file","path":"a","error":"bad"}`, "not an error object"},
		{`{"kind":"file","path":7}`, `"path" is not text`},
		{"{\"kind\":\"file\",\"path\":\"a\xff\"}", "not UTF-8"},
		{`{"kind":"file","path":"a\x"}`, "not a JSON object"},
		{strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "nested more than 100 levels deep"},
	} {
		var r Record
		err := r.decode(test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("decode(%s) = %v, want an error with %q", test.line, err, test.want)
		}
	}
}

func TestMD5IsBroughtToLowerCase(t *testing.T) {
	var r Record
	if err := r.decode(`{"kind":"file","path":"a","md5":"B1946AC92492D2347C6235B4D2611184"}`); err != nil || r.MD5 != full.MD5 {
		t.Errorf("md5 = %q, %v", r.MD5, err)
	}
}

// What is null is not there, and large whole numbers may be text: Miller makes text of
// those from 2^63 on, and DuckDB writes null for what a record lacks.
func TestDecodeLenient(t *testing.T) {
	for _, test := range []struct{ given, want string }{
		{`{"kind":"file","path":"a","size":null,"mtime":null,"mode":null,"ino":null,"dev":null,"md5":null,"ignored":null,"mount":null,"kept":null,"revision":null,"sent":null,"ms":null,"error":null,"target":null}`,
			`{"kind":"file","path":"a"}`},
		{`{"kind":"file","path":"a","size":"9007199254740992","ino":"18446744073709551615","dev":"9223372036854775808","sent":"9007199254740993","ms":4}`,
			`{"kind":"file","path":"a","size":9007199254740992,"ino":18446744073709551615,"dev":9223372036854775808,"sent":9007199254740993,"ms":4}`},
		{`{"kind":"file","path":"a","size":9.007199254740994e+15,"ino":9.223372036854776e+18,"x":1e3}`,
			`{"kind":"file","path":"a","size":9007199254740994,"ino":9223372036854775808,"x":1e3}`},
		{`{"kind":"file","path":"a","x":null,"y":"1"}`, `{"kind":"file","path":"a","x":null,"y":"1"}`},
	} {
		var r Record
		if err := r.decode(test.given); err != nil || string(r.append(nil)) != test.want {
			t.Errorf("%s\nis read as %s, %v\nwant %s", test.given, r.append(nil), err, test.want)
		}
	}
	for _, line := range []string{`"size":"7"`, `"ino":"9007199254740991"`, `"size":"9223372036854775808"`, `"size":"-1"`, `"size":""`, `"size":"1.0"`, `"size":"1e3"`, `"ino":"x"`, `"ignored":"true"`, `"size":"\u0031"`, `"ino":"18446744073709551616"`,
		`"size":1e3`, `"ino":1.5e3`, `"ino":1.8446744073709552e19`, `"size":9.3e18`, `"ino":-1e18`, `"ino":1e999`, `"ino":"1e18"`, `"ignored":1e18`, `"size":9007199254740992.0`} {
		var r Record
		if r.decode(`{"kind":"file","path":"a",`+line+`}`) == nil {
			t.Errorf("%s is taken", line)
		}
	}
}

// FuzzDecode holds the codec against encoding/json: what we take, it must take
// and understand alike; and what we print, we must read back the same.
func FuzzDecode(f *testing.F) {
	f.Add(string(full.append(nil)))
	for _, line := range []string{
		`{"kind":"file","path":"a\ud83d\ude00\n","size":12,"x":[{},[],1e9,-0.5E-2,true,false,null]}`,
		`{"kind":"dir","path":"a","path_raw":"YQ==","error":{"class":"a","message":"b"}}`,
		`{"kind":"symlink","path":"\ud800","target":"x"}`,
		`{"kind":"end","v":1,"records":3}`, `{ "kind" : "z" , "q" : {"a":"\"}"} }`, `{}`, `{"kind":"file","kind":"dir","path":"a"}`,
		`{"kind":"file","path":"a","size":9.007199254740994e+15,"ino":"18446744073709551615"}`,
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var r Record
		if r.decode(line) != nil {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("decode took what encoding/json does not: %v", err)
		}
		if r.Foreign() {
			return
		}
		var want struct {
			Kind, Target string
			Size         *int64
			Mode         string
			MTime        *time.Time
		}
		names := map[string]any{"kind": &want.Kind, "target": &want.Target, "size": &want.Size, "mode": &want.Mode, "mtime": &want.MTime}
		for key, field := range names {
			if v, ok := m[key]; ok && string(v) != `""` {
				if key == "size" {
					v = []byte(largeNumber(string(v)))
				}
				if err := json.Unmarshal(v, field); err != nil {
					t.Fatalf("%q: decode took what encoding/json does not: %v", key, err)
				}
			}
		}
		if string(r.Kind) != want.Kind || r.Mode != want.Mode || want.Size != nil && *want.Size != r.Size || want.MTime != nil && !want.MTime.Equal(r.MTime) {
			t.Fatalf("%s\ndecoded as %+v\nencoding/json says %+v", line, r, want)
		}
		if _, ok := m["target_raw"]; !ok && r.Target != want.Target {
			t.Fatalf("target %q, encoding/json says %q", r.Target, want.Target)
		}
		printed := string(r.append(nil))
		var again Record
		if err := again.decode(printed); err != nil {
			t.Fatalf("cannot read back %s: %v", printed, err)
		}
		if r.Kind != KindFile {
			again.Size = r.Size // printed for files only
		}
		if diff := cmp.Diff(r, again, sameRecord, cmp.Transformer("ms", func(d time.Duration) int64 { return d.Milliseconds() })); diff != "" {
			t.Fatalf("%s\nprinted as %s\n%s", line, printed, diff)
		}
		if !json.Valid([]byte(printed)) {
			t.Fatalf("not JSON: %s", printed)
		}
	})
}

// typical is a record as it leaves jhash.
var typical = Record{
	Kind: KindFile, Root: "/home/me/photos", Path: "2025/holiday in Norway/IMG_20250704_123456.jpg", Size: 4_812_345,
	MTime: full.MTime, Mode: "0644", Ino: 12_345_678, CTime: full.MTime, BTime: full.MTime, MD5: full.MD5,
}

// jsonRecord is the same for encoding/json, which the codec is measured against.
type jsonRecord struct {
	Kind  string    `json:"kind"`
	Root  string    `json:"root,omitempty"`
	Path  string    `json:"path"`
	Size  *int64    `json:"size,omitempty"`
	MTime time.Time `json:"mtime,omitzero"`
	Mode  string    `json:"mode,omitempty"`
	Ino   uint64    `json:"ino,omitempty"`
	CTime time.Time `json:"ctime,omitzero"`
	BTime time.Time `json:"btime,omitzero"`
	MD5   string    `json:"md5,omitempty"`
}

func BenchmarkDecode(b *testing.B) {
	for name, record := range map[string]*Record{"typical": &typical, "full": &full} {
		line := string(record.append(nil))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				var r Record
				if err := r.decode(line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	line := typical.append(nil)
	b.Run("typical by encoding/json", func(b *testing.B) {
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		for b.Loop() {
			var r jsonRecord
			if err := json.Unmarshal(line, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	var buf []byte
	for name, r := range map[string]*Record{"typical": &typical, "full": &full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = r.append(buf[:0])
			}
			b.SetBytes(int64(len(buf)))
		})
	}
	var r jsonRecord
	if err := json.Unmarshal(typical.append(nil), &r); err != nil {
		b.Fatal(err)
	}
	b.Run("typical by encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			line, err := json.Marshal(&r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(line)))
		}
	})
}

func Example() {
	var r Record
	if err := json.Unmarshal([]byte(`{"kind":"file","path":"a/b","size":6}`), &r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Path, r.Size)
	// Output: a/b 6
}
