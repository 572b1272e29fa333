package jserve

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/jserve/store"
)

func TestParseTime(t *testing.T) {
	at := time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC).Unix()
	tests := []struct {
		text string
		want int64
		ok   bool
	}{
		{"2024-05-01-T08:11:12Z", at, true},
		{"2024-05-01-T10:11:12+0200", at, true},
		{"2024-05-01-T10:11:12+02:00", at, true},
		{"2024-05-01T10:11:12+02:00", at, true},
		{"2024-05-01T08:11:12.999Z", at, true}, // cut off, not rounded
		{"2024-05-01T08:11:12Z+00:00", at, true},
		{" 2024-05-01T08:11:12Z ", at, true},
		{"0001-01-01-T00:00:00Z", -62135596800, true},
		{"1969-12-31T23:59:59.5Z", -1, true},
		{"2024-05-01T08:11:12.250000", 0, false}, // no zone
		{"Wed May 01 2024 08:11:12 GMT+0200", 0, false},
		{"1714551072", 0, false},
		{"", 0, false},
		{"2024-13-01T08:11:12Z", 0, false},
	}
	for _, tt := range tests {
		if got, ok := parseTime(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("parseTime(%q) = %d, %v, want %d, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
	for _, tt := range []struct {
		ms, want int64
		ok       bool
	}{{at*1000 + 999, at, true}, {-1, -1, true}, {-1000, -1, true}, {math.MaxInt64, 0, false}, {math.MinInt64, 0, false}} {
		if got, ok := fromMillis(tt.ms); ok != tt.ok || ok && got != tt.want {
			t.Errorf("fromMillis(%d) = %d, %v, want %d, %v", tt.ms, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2024-05-01-T08:11:12Z", "2024-05-01-T10:11:12+0200", "2014-09-21T16:08:33Z+00:00", "0000-00-00-T99:99:99Z", "9999-12-31-T23:59:59-2359"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		unix, ok := parseTime(s)
		if !ok {
			return
		}
		again, ok := parseTime(formatJFS(unix))
		if !ok || again != unix {
			t.Errorf("parseTime(%q) = %d, printed %s, read as %d, %v", s, unix, formatJFS(unix), again, ok)
		}
	})
}

func TestSplitURLPath(t *testing.T) {
	plain := func(names ...string) store.Path { return store.NewPath(names...) }
	tests := []struct {
		escaped string
		want    store.Path
		fails   bool
	}{
		{"/u/Jotta/Archive", plain("u", "Jotta", "Archive"), false},
		{"//u//Jotta/", plain("u", "Jotta"), false},
		{"/a%20b%2Bc", plain("a b+c"), false},
		{"/a+b", store.Path{{Name: "a b", Alt: "a+b"}}, false},
		{"/a+b%2Bc", store.Path{{Name: "a b+c", Alt: "a+b+c"}}, false},
		{"/%23&;=$,:@", plain("#&;=$,:@"), false},
		{"", nil, false},
		{"/..", nil, true},
		{"/.", nil, true},
		{"/%2e%2E/x", nil, true},
		{"/a%2Fb", nil, true},
		{"/a%00", nil, true},
		{"/a%25b", nil, true},
		{"/a%zz", nil, true},
		{"/...", plain("..."), false},
	}
	for _, tt := range tests {
		got, err := splitURLPath(tt.escaped)
		if (err != nil) != tt.fails || err == nil && !cmp.Equal(got, tt.want) {
			t.Errorf("splitURLPath(%q) = %v, %v, want %v", tt.escaped, got, err, tt.want)
		}
	}
}

func FuzzSplitURLPath(f *testing.F) {
	for _, s := range []string{"/u/Jotta/Archive/a%20b+c", "/%2e%2e/%2F", "//x//", "/%", "/%C3%A4", "/a%2Bb+c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := splitURLPath(s)
		if err != nil {
			return
		}
		for _, seg := range p {
			for _, name := range []string{seg.Name, seg.Alt} {
				if name == "." || name == ".." || strings.ContainsAny(name, "/\x00%") {
					t.Fatalf("splitURLPath(%q) lets %q through", s, name)
				}
			}
			// What was split, escaped and split again is the same.
			again, err := splitURLPath(strings.ReplaceAll(url.PathEscape(seg.Name), "+", "%2B"))
			if err != nil || len(again) != 1 || again[0].Name != seg.Name {
				t.Fatalf("%q escaped and split = %q, %v", seg.Name, again, err)
			}
		}
	})
}

func FuzzAllocatePath(f *testing.F) {
	for _, s := range []string{"/jfs/Jotta/Archive/x", "Archive/x", "/jfs//", "../../x", "/jfs/a/b/c/../d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := allocatePath(s)
		if err == nil && (len(p) < 3 || strings.Contains(p.String(), "/../")) {
			t.Errorf("allocatePath(%q) = %v", s, p)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"", "bytes=0-", "bytes=1-2", "bytes=-5", "bytes=5-1", "bytes=0-0,1-1", "bytes=9223372036854775807-", "bytes=18446744073709551616-"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		start, length, whole, err := parseRange(s, size)
		switch {
		case err != nil:
		case whole && (start != 0 || length != size):
			t.Errorf("parseRange(%q, %d): the whole is %d+%d", s, size, start, length)
		case start < 0 || length < 0 || start > size-length || !whole && length == 0:
			t.Errorf("parseRange(%q, %d) = %d+%d", s, size, start, length)
		}
		if start, err := parseUploadRange(s); err == nil && start < 0 {
			t.Errorf("parseUploadRange(%q) = %d", s, start)
		}
	})
}

func TestParseUploadRange(t *testing.T) {
	for header, want := range map[string]int64{"": 0, "bytes=6-10": 6, "bytes=0-11": 0, "bytes=6-": 6, "6-10": -1, "bytes=": -1, "bytes=-5": -1, "bytes=x-": -1, "bytes=6": -1} {
		got, err := parseUploadRange(header)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("parseUploadRange(%q) = %d, %v, want %d", header, got, err, want)
		}
	}
}

func FuzzParseAllocate(f *testing.F) {
	f.Add([]byte(`{"bytes":11,"created":"2024-05-01T10:11:12+02:00","md5":"5eb63bbbe01eeed093cb22bb8f5acdc3","modified":1714551072000,"path":"/jfs/Jotta/Archive/dir/hello.txt"}`))
	f.Add([]byte(`{"bytes":1e3,"md5":"","created":{},"modified":[]}`))
	f.Add([]byte(`{"bytes":9223372036854775807,"md5":"D41D8CD98F00B204E9800998ECF8427E","path":"x","conflict_handler":"REJECT_CONFLICTS","created":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAllocate(body, 1)
		if err != nil {
			if s := asFailure(err).status; s != 400 {
				t.Errorf("parseAllocate(%q): status %d", body, s)
			}
			return
		}
		if a.Bytes < 0 || a.Path == "" || a.Created.Unix < minTime || a.Modified.Unix > maxTime {
			t.Errorf("parseAllocate(%q) = %+v", body, a)
		}
	})
}

// FuzzMultipart puts whatever there is before the part with the content. What is
// stored is that content or nothing, and nothing is the server's own trouble.
func FuzzMultipart(f *testing.F) {
	const field = "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
	f.Add([]byte(""), []byte("hello"))
	f.Add(fmt.Appendf(nil, field+field, "created", "2024-05-01T08:11:12Z", "modified", "never"), []byte("\r\n--\r\n"))
	f.Add(fmt.Appendf(nil, field, "md5", sum("other")), []byte(""))
	f.Add(fmt.Appendf(nil, field, "file", "hello"), []byte("not this one"))
	f.Add([]byte(strings.Repeat(fmt.Sprintf(field, "md5", ""), 16)), []byte("too many"))
	f.Add([]byte("preamble\n--b\nContent-Disposition: form-data; name=md5\nContent-Transfer-Encoding: quoted-printable\n\n=\n"), []byte("hello"))
	f.Add([]byte("--b--\r\n"), []byte("after the end"))
	w := newWorld(f)
	var n int // each file has a name of its own
	f.Fuzz(func(t *testing.T, before, content []byte) {
		n++
		name := fmt.Sprintf("/Jotta/Archive/f%d", n)
		call := func(method, path string, body io.Reader) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "/jfs/user01"+path, body)
			r.SetBasicAuth("user01", "secret")
			if method == http.MethodPost {
				r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
				r.Header.Set("JMd5", sum(string(content)))
				r.Header.Set("JSize", strconv.Itoa(len(content)))
			}
			got := httptest.NewRecorder()
			w.srv.ServeHTTP(got, r)
			return got
		}
		body := slices.Concat(before, fmt.Appendf(nil, field, "file", content), []byte("--b--\r\n"))
		got := call(http.MethodPost, name, bytes.NewReader(body))
		if got.Code != http.StatusCreated && got.Code != http.StatusBadRequest {
			t.Fatalf("upload of %q = %d\n%s", body, got.Code, got.Body)
		}
		plain := len(before) == 0 && !bytes.Contains(content, []byte("\r\n--b")) && !bytes.HasPrefix(content, []byte("--b"))
		got = call(http.MethodGet, name+"?mode=bin", nil)
		if got.Code == http.StatusOK && !bytes.Equal(got.Body.Bytes(), content) || got.Code != http.StatusOK && plain {
			t.Fatalf("upload of %q stores (status %d) %q, want %q", body, got.Code, got.Body, content)
		}
	})
}

func FuzzParseBasic(f *testing.F) {
	f.Add("dXNlcjAxOnNlY3JldA==")
	f.Add("Og==")
	f.Add("====")
	f.Fuzz(func(t *testing.T, s string) {
		name, password, err := parseBasic(s)
		if err != nil {
			return
		}
		again, same, err := parseBasic(base64.StdEncoding.EncodeToString([]byte(name + ":" + password)))
		if err != nil || again != name || same != password {
			t.Errorf("parseBasic(%q) = %q, %q, not the same again", s, name, password)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"a<b>&\"'", "\x00\x1f\uFFFE", "\xff\xfe", "räksmörgås", "\r\n\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := newXML()
		x.leaf("n", s, "a", s)
		e := answer{body: string(x.buf)}.xml(t) // fails if it is no XML
		if store.CheckName(s) == nil && utf8.ValidString(s) && (e.Text != s || e.attr("a") != s) {
			t.Errorf("%q came out as %q and %q", s, e.Text, e.attr("a"))
		}
	})
}

func TestFailures(t *testing.T) {
	internal := asFailure(errors.New("open /data/secret/meta.db: input/output error"))
	if internal.status != 500 || strings.Contains(internal.text, "/data") {
		t.Errorf("an internal error is shown as %d %q", internal.status, internal.text)
	}
	full := asFailure(&os.PathError{Op: "write", Path: "/data/secret", Err: syscall.ENOSPC})
	if full.status != 460 || strings.Contains(full.text, "/data") {
		t.Errorf("a full disk is shown as %d %q", full.status, full.text)
	}
	for _, k := range kinds {
		f := asFailure(errors.Join(k.err))
		if f.status != k.status || f.exception != k.exception {
			t.Errorf("%v is shown as %v", k.err, f)
		}
	}
}

// FuzzParseUploadRange: an upload never begins before the file or beyond what a file
// can be.
func FuzzParseUploadRange(f *testing.F) {
	for _, s := range []string{"", "bytes=0-10", "bytes=5-", "bytes=-5", "bytes=9223372036854775807-", "bytes=18446744073709551616-", "bytes=1,2-3", "lines=1-2", "bytes=+1-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		start, err := parseUploadRange(header)
		if err == nil && (start < 0 || start == math.MaxInt64) || err != nil && start != 0 {
			t.Fatalf("parseUploadRange(%q) = %d, %v", header, start, err)
		}
		if again, err2 := parseUploadRange("bytes=" + strconv.FormatInt(start, 10) + "-"); err == nil && (err2 != nil || again != start) {
			t.Fatalf("parseUploadRange(%q) = %d, then %d, %v", header, start, again, err2)
		}
	})
}

// FuzzRequest: whatever is asked for, in whatever way, the server answers it, with no
// fault of its own, and shows neither password nor files of this machine.
func FuzzRequest(f *testing.F) {
	login := "/auth/realms/jottacloud/protocol/openid-connect/auth?client_id=jottacli&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code&state=s"
	for _, r := range [][4]string{
		{"GET", "/jfs/user01/Jotta/Archive", "", ""},
		{"GET", "/jfs/user01/Jotta/Archive?mode=liststream", "Accept-Encoding: gzip", ""},
		{"POST", "/jfs/user01/Jotta/Archive/d?mkDir=true", "", ""},
		{"POST", "/files/v1/allocate", "Content-Type: application/json", `{"path":"/jfs/Jotta/Archive/f","bytes":1,"md5":"0cc175b9c0f1b6a831c399e269772661"}`},
		{"POST", "/jfs/user01/Jotta/Archive/f", "JMd5: 0cc175b9c0f1b6a831c399e269772661\nJSize: 1\nContent-Type: multipart/form-data; boundary=x", "--x\r\n\r\na\r\n--x--"},
		{"GET", "/account/v1/customer", "", ""},
		{"GET", login, "Cookie: jserve_form=abc", ""},
		{"POST", login, "Cookie: jserve_form=abc\nContent-Type: application/x-www-form-urlencoded", "form=00&username=user01&password=x"},
		{"POST", "/auth/realms/jottacloud/protocol/openid-connect/token", "Content-Type: application/x-www-form-urlencoded", "grant_type=refresh_token&refresh_token=x.y.z&client_id=jottacli"},
		{"GET", "/p/x/y", "Range: bytes=0-", ""},
		{"GET", "/s/..%2f..%2fetc", "", ""},
		{"POST", "/_jserve/faults", "", "*:503"},
	} {
		f.Add(r[0], r[1], r[2], r[3])
	}
	var faults strings.Builder // of the server's own
	w := newWorld(f, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&faults, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	f.Fuzz(func(t *testing.T, method, target, headers, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || strings.HasPrefix(strings.Trim(u.Path, "/"), "_jserve") {
			return // what breaks it on purpose is for its owner
		}
		req, err := http.NewRequestWithContext(t.Context(), method, "http://jserve.example", strings.NewReader(body))
		if err != nil {
			return
		}
		req.URL.Path, req.URL.RawPath, req.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
		req.RequestURI, req.RemoteAddr = target, "127.0.0.1:1"
		req.SetBasicAuth("user01", "secret")
		for line := range strings.Lines(headers) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				req.Header.Add(name, strings.TrimSpace(value))
			}
		}
		rec := httptest.NewRecorder()
		w.srv.ServeHTTP(rec, req)
		if faults.Len() > 0 || strings.Contains(rec.Body.String(), "root:x:0") {
			t.Fatalf("%s %s: %d %s\n%s", method, target, rec.Code, rec.Body, &faults)
		}
	})
}
