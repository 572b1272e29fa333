package jserve

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if serveForCrashTest() {
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a server with a clock that tests move, and a client for it.
type world struct {
	t     testing.TB
	srv   *Server
	url   string
	http  *http.Client
	clock *atomic.Int64 // Unix seconds
	pid   int           // if the server is a process of its own

	user, password string // user01 with its password if they are empty
}

// with is the same server, for another account.
func (w *world) with(user, password string) *world {
	other := *w
	other.user, other.password = user, password
	return &other
}

// epoch is when every test begins.
var epoch = time.Date(2024, 5, 1, 8, 11, 12, 0, time.UTC).Unix()

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: new(atomic.Int64)}
	w.clock.Store(epoch)
	cfg := Config{
		Dir:   t.TempDir(),
		Users: []User{{Name: "user01", Password: "secret", Email: "user@example.com"}, {Name: "other", Password: "pass"}},
		Host:  "dn-001",
		Now:   func() time.Time { return time.Unix(w.clock.Load(), 0) },
	}
	for _, f := range change {
		f(&cfg)
	}
	srv, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	w.srv, w.url = srv, ts.URL
	w.http = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		ts.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

// send makes one request with the account's password. Headers are names and values in turn.
func (w *world) send(method, path string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) try(method, path string, body io.Reader, headers ...string) (a answer, err error) {
	target := path
	if !strings.HasPrefix(path, "http") {
		target = w.url + path
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return a, err
	}
	req.SetBasicAuth(cmp.Or(w.user, "user01"), cmp.Or(w.password, "secret"))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// want makes a request that must answer with status.
func (w *world) want(status int, method, path string, headers ...string) answer {
	w.t.Helper()
	a := w.send(method, path, nil, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s = %d, want %d\n%s", method, path, a.status, status, a.body)
	}
	return a
}

// get reads an XML document that must be there.
func (w *world) get(path string) *element {
	w.t.Helper()
	return w.want(200, "GET", "/jfs/user01"+path).xml(w.t)
}

// post runs a command that must answer 200.
func (w *world) post(path string, headers ...string) *element {
	w.t.Helper()
	return w.want(200, "POST", "/jfs/user01"+path, headers...).xml(w.t)
}

func sum(content string) string {
	h := md5.Sum([]byte(content))
	return hex.EncodeToString(h[:])
}

// announce allocates; path is below /jfs. Fields of extra replace the usual ones.
func (w *world) announce(path, content string, extra map[string]any) answer {
	w.t.Helper()
	fields := map[string]any{
		"path": "/jfs" + path, "bytes": len(content), "md5": sum(content),
		"created": "2024-05-01T10:11:12+02:00", "modified": "2024-05-01T10:11:12+02:00",
	}
	for k, v := range extra {
		fields[k] = v
	}
	body, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send("POST", "/files/v1/allocate", bytes.NewReader(body), "Content-Type", "application/json")
}

// allocation decodes the answer of announce, which must be 200.
func (a answer) allocation(t testing.TB) (out allocateAnswer) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("allocate = %d\n%s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// put makes a file hold content, sending it if asked to.
func (w *world) put(path, content string) {
	w.t.Helper()
	a := w.announce(path, content, nil).allocation(w.t)
	if a.State == "COMPLETED" {
		return
	}
	if got := w.send("POST", a.UploadURL, strings.NewReader(content)); got.status != 200 {
		w.t.Fatalf("upload %s = %d\n%s", path, got.status, got.body)
	}
}

// element is a piece of XML.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []*element `xml:",any"`
}

func (a answer) xml(t testing.TB) *element {
	t.Helper()
	e := new(element)
	if err := xml.Unmarshal([]byte(a.body), e); err != nil {
		t.Fatalf("%v in\n%s", err, a.body)
	}
	return e
}

// at follows child names; nil if there is no such element.
func (e *element) at(names ...string) *element {
	for _, name := range names {
		var next *element
		for _, c := range e.Children {
			if c.XMLName.Local == name {
				next = c
				break
			}
		}
		if next == nil {
			return nil
		}
		e = next
	}
	return e
}

// text is the text of the element at names, or "-" without one.
func (e *element) text(names ...string) string {
	if e = e.at(names...); e == nil {
		return "-"
	}
	return strings.TrimSpace(e.Text)
}

// attr is an attribute, or "" without one.
func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// names lists the name attributes of the children of a list, trashed ones with a † in front.
func (e *element) names(list string) (out []string) {
	l := e.at(list)
	if l == nil {
		return nil
	}
	for _, c := range l.Children {
		name := c.attr("name")
		if c.attr("deleted") != "" {
			name = "†" + name
		}
		out = append(out, name)
	}
	return out
}

func (e *element) String() string {
	return fmt.Sprintf("<%s name=%q>", e.XMLName.Local, e.attr("name"))
}

func query(s string) string { return url.QueryEscape(s) }
