package jfs

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// newOldClient returns a client of a service that knows only XML.
func newOldClient(t testing.TB, multipart bool, handle http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/jfs/user01":
			io.WriteString(w, sample(t, "user-get-2017.xml"))
		default:
			if !strings.HasPrefix(req.URL.Path, "/jfs/user01/") {
				t.Errorf("%s %s is not of the old API", req.Method, req.URL)
			}
			handle(w, req)
		}
	}))
	transport := NewTransport("")
	t.Cleanup(func() {
		closeIdle(transport)
		server.Close()
	})
	c, err := New(Options{Endpoint: server.URL, Credentials: basic{}, Transport: transport, Old: &OldAPI{User: "user01", Multipart: multipart}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	helloFile       = `<file name="a" uuid="u"><currentRevision><number>1</number><state>COMPLETED</state><size>11</size><md5>5EB63BBBE01EEED093CB22BB8F5ACDC3</md5></currentRevision></file>`
	helloIncomplete = `<file name="a" uuid="u"><latestRevision><number>1</number><state>INCOMPLETE</state><size>6</size><md5>5EB63BBBE01EEED093CB22BB8F5ACDC3</md5></latestRevision></file>`
	helloCorrupt    = `<file name="a" uuid="u"><latestRevision><number>1</number><state>CORRUPT</state><md5>5EB63BBBE01EEED093CB22BB8F5ACDC3</md5></latestRevision></file>`
)

func TestOldCustomer(t *testing.T) {
	c := newOldClient(t, false, nil)
	customer, err := c.Customer(t.Context())
	if err != nil || customer.Username != "user01" || customer.Quota >= 0 || customer.WriteLocked {
		t.Errorf("Customer = %+v, %v", customer, err)
	}
	if _, _, err := c.EmptyTrash(t.Context()); !errors.Is(err, ErrForbidden) {
		t.Errorf("EmptyTrash = %v, want ErrForbidden", err)
	}
}

func TestOldUpload(t *testing.T) {
	tests := []struct {
		name, there string // what is at the path before
		answer      string // to the upload
		sent        string
		err         error
	}{
		{"new", "", helloFile, "hello world", nil},
		{"resumed", helloIncomplete, helloFile, "world", nil},
		{"damaged before", helloCorrupt, helloFile, "hello world", nil},
		{"another content unfinished", strings.Replace(helloIncomplete, "5E", "00", 1), helloFile, "hello world", nil},
		{"unfinished", "", helloIncomplete, "hello world", ErrIncomplete},
		{"damaged", "", helloCorrupt, "hello world", ErrCorrupt},
		{"damaged beside the old one", "", sample(t, "file-upload-response-corrupt.xml"), "hello world", ErrCorrupt},
		{"other content", "", strings.Replace(helloFile, "5E", "00", 1), "hello world", ErrCorrupt},
		{"other size", "", strings.Replace(helloFile, "11", "12", 1), "hello world", ErrCorrupt},
		{"no file", "", "<folder name='a'/>", "hello world", ErrServer},
	}
	for _, asForm := range []bool{false, true} {
		for _, test := range tests {
			t.Run(map[bool]string{false: "raw ", true: "multipart "}[asForm]+test.name, func(t *testing.T) {
				c := newOldClient(t, asForm, func(w http.ResponseWriter, req *http.Request) {
					switch {
					case req.Method == "GET" && test.there != "":
						io.WriteString(w, test.there)
					case req.Method == "GET", req.URL.Query().Has("cphash"):
						w.WriteHeader(404)
					default:
						want := test.sent
						if asForm {
							want = "hello world"
						}
						checkOldUpload(t, req, asForm, want)
						w.WriteHeader(201)
						io.WriteString(w, test.answer)
					}
				})
				a, err := c.Allocate(t.Context(), `/Jotta/Archive/a\é+.txt`, hello)
				if err != nil || a.Uploaded {
					t.Fatalf("Allocate = %+v, %v", a, err)
				}
				if err := c.Upload(t.Context(), a, strings.NewReader("hello world"[a.Offset:])); !errors.Is(err, test.err) {
					t.Errorf("Upload = %v, want %v", err, test.err)
				}
			})
		}
	}
}

// checkOldUpload looks at what is sent (docs/protocol.md, sections 8.3 and 8.4).
func checkOldUpload(t *testing.T, req *http.Request, asForm bool, want string) {
	t.Helper()
	h := req.Header
	if h.Get("JSize") != "11" || h.Get("JMd5") != hello.MD5 || h.Get("JCreated") != "2017-05-11-T09:02:40Z" || h.Get("JModified") != "2024-05-01-T08:11:12Z" || req.ContentLength < 0 {
		t.Errorf("upload of %d bytes has the headers %v", req.ContentLength, h)
	}
	const path = "/jfs/user01/Jotta/Archive/a%5C%C3%A9%2B.txt"
	if !asForm {
		body, err := io.ReadAll(req.Body)
		if string(body) != want || err != nil || req.RequestURI != path+"?umode=nomultipart" {
			t.Errorf("%s sends %q, %v, want %q", req.RequestURI, body, err, want)
		}
		return
	}
	if req.RequestURI != path {
		t.Errorf("upload to %s, want %s", req.RequestURI, path)
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		t.Fatalf("Content-Type is %s, %v", h.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(req.Body, params["boundary"])
	for _, field := range [][3]string{
		{`form-data; name="md5"; filename=""`, "", hello.MD5},
		{`form-data; name="modified"; filename=""`, "", "2024-05-01-T08:11:12Z"},
		{`form-data; name="created"; filename=""`, "", "2017-05-11-T09:02:40Z"},
		{`form-data; name="file"; filename="a\\é+.txt"`, "application/octet-stream", want},
	} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if got := part.Header.Get("Content-Disposition"); got != field[0] || part.Header.Get("Content-Type") != field[1] || string(body) != field[2] || err != nil {
			t.Errorf("part %s with %q, %v, want %s with %q", got, body, err, field[0], field[2])
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
}

func TestOldAllocate(t *testing.T) {
	tests := []struct {
		name, there string
		mayReplace  bool
		uploaded    bool
		err         error
	}{
		{"known content", "", true, true, nil},
		{"at a folder", "<folder name='a'/>", true, false, ErrExist},
		{"at a folder in the trash", "<folder name='a' deleted='2017-05-11-T09:02:40Z'/>", true, true, nil},
		{"over another file", strings.Replace(helloFile, "5E", "00", 1), true, true, nil},
		{"not over another file", strings.Replace(helloFile, "5E", "00", 1), false, false, ErrExist},
		{"the same is there", helloFile, false, true, nil},
	}
	for _, test := range tests {
		c := newOldClient(t, false, func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Query().Has("cphash"):
				io.WriteString(w, helloFile)
			case test.there == "":
				w.WriteHeader(404)
			default:
				io.WriteString(w, test.there)
			}
		})
		a, err := c.allocate(t.Context(), "/Jotta/Archive/a", hello, test.mayReplace)
		if !errors.Is(err, test.err) || err == nil && a.Uploaded != test.uploaded {
			t.Errorf("%s: allocate = %+v, %v, want %v", test.name, a, err, test.err)
		}
	}
	for _, user := range []string{"", "a/b"} {
		if _, err := New(Options{Credentials: basic{}, Old: &OldAPI{User: user}}); err == nil {
			t.Errorf("New took the user %q", user)
		}
	}
}
