package jfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jottatools/lib/record"
)

var hello = Content{
	Size: 11, MD5: "5eb63bbbe01eeed093cb22bb8f5acdc3",
	Created:  time.Date(2017, 5, 11, 9, 2, 40, 0, time.UTC),
	Modified: time.Date(2024, 5, 1, 10, 11, 12, 999, time.FixedZone("", 7200)),
}

func TestCommands(t *testing.T) {
	var got string
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		got = req.Method + " " + strings.TrimPrefix(req.RequestURI, "/jfs/"+testUser)
		if req.ContentLength != 0 || req.Header.Get("Content-Type") != "" {
			t.Errorf("%s has %d bytes of %q, want none of any type", got, req.ContentLength, req.Header.Get("Content-Type"))
		}
		io.WriteString(w, `<folder name="x"/>`)
	})
	p := Path("/Jotta/Archive/a b+c/100%")
	const escaped = "/Jotta/Archive/a%20b%2Bc/100%EF%BC%85"
	for want, do := range map[string]func() error{
		"?mkDir=true": func() error { return c.MkDir(t.Context(), p) },
		"?dl=true":    func() error { return c.Trash(t.Context(), p) },
		"?dlDir=true": func() error { return c.TrashDir(t.Context(), p) },
		"?rm=true":    func() error { return c.Remove(t.Context(), p) },
		"?rmDir=true": func() error { return c.RemoveDir(t.Context(), p) },
	} {
		if err := do(); err != nil || got != "POST "+escaped+want {
			t.Errorf("request is %s, error %v, want POST %s%s", got, err, escaped, want)
		}
	}

	got = ""
	for _, p := range []Path{"/", "/Jotta", "/Jotta/Archive"} {
		for _, remove := range []error{c.Trash(t.Context(), p), c.TrashDir(t.Context(), p), c.Remove(t.Context(), p), c.RemoveDir(t.Context(), p)} {
			if !errors.Is(remove, ErrForbidden) || got != "" {
				t.Errorf("removing %s: %v, request %q; want ErrForbidden and none", p, remove, got)
			}
		}
	}
}

func TestCommandsForDevicesAndMountPoints(t *testing.T) {
	var got []string
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		got = append(got, req.Method+" "+strings.TrimPrefix(req.RequestURI, "/jfs/"+testUser))
		switch {
		case req.URL.Query().Has("type"):
			io.WriteString(w, sample(t, "mountpoint-rm-response.xml")) // which is a device
		case req.URL.RawQuery == "":
			w.WriteHeader(201)
			io.WriteString(w, sample(t, "mountpoint-create-response.xml"))
		default:
			io.WriteString(w, "<user/>")
		}
	})
	ctx := t.Context()
	device, err := c.CreateDevice(ctx, "/My PC", DeviceWorkstation)
	if err != nil || device.Path != "/BENCH" || device.Type != DeviceWorkstation || device.ID != "8f7411fa-1d99-4fc6-b9b5-94033cefd2c5" {
		t.Errorf("CreateDevice = %+v, %v", device, err)
	}
	created, err := c.CreateMountPoint(ctx, "/My PC/C+D")
	if !created || err != nil {
		t.Errorf("CreateMountPoint = %t, %v", created, err)
	}
	for _, err := range []error{
		c.TrashMountPoint(ctx, "/My PC/C+D"), c.RemoveMountPoint(ctx, "/My PC/Archive"), c.RemoveMountPoint(ctx, "/Jotta/Mine"), c.RemoveDevice(ctx, "/My PC"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"POST /My%20PC?type=WORKSTATION", "POST /My%20PC/C%2BD", "POST /My%20PC/C%2BD?dl=true", "POST /My%20PC/Archive?rm=true", "POST /Jotta/Mine?rm=true", "POST /My%20PC?rm=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("requests are %q, want %q", got, want)
	}

	got = nil
	for what, err := range map[string]error{
		"the built-in device":                     c.RemoveDevice(ctx, "/jotta"),
		"a mount point as a device":               c.RemoveDevice(ctx, "/My PC/C"),
		"the account as a device":                 c.RemoveDevice(ctx, "/"),
		"nothing as a device":                     c.RemoveDevice(ctx, ""),
		"a built-in mount point":                  c.RemoveMountPoint(ctx, "/Jotta/ARCHIVE"),
		"a built-in mount point, to the trash":    c.TrashMountPoint(ctx, "/Jotta/Sync"),
		"a folder as a mount point":               c.RemoveMountPoint(ctx, "/My PC/C/x"),
		"a device as a mount point":               c.RemoveMountPoint(ctx, "/My PC"),
		"a device as a mount point, to the trash": c.TrashMountPoint(ctx, "/My PC"),
	} {
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("removing %s: %v, want ErrForbidden", what, err)
		}
	}
	if len(got) != 0 {
		t.Errorf("requests are %q, want none", got)
	}
}

func TestCommandAnswersThatAreNone(t *testing.T) {
	for _, body := range []string{"", "<html>sign in</html>", "<error><code>500</code></error>", "ok"} {
		c := newTestClient(t, answer(200, body))
		if err := c.MkDir(t.Context(), "/Jotta/Archive/x"); err == nil {
			t.Errorf("MkDir took %q for success", body)
		}
	}
}

func TestAllocate(t *testing.T) {
	const p = Path("/My PC/C+D/a/b\"c.txt")
	answers := map[string]struct {
		state  string
		offset int64
		err    string
	}{
		`{"state":"COMPLETED","upload_url":"","resume_pos":0}`:             {"COMPLETED", 11, ""},
		`{"state":"INCOMPLETE","upload_url":"http://h/u","resume_pos":6}`:  {"INCOMPLETE", 6, ""},
		`{"state":"INCOMPLETE","upload_url":"http://h/u","resume_pos":11}`: {"INCOMPLETE", 11, ""},
		`{"state":"CORRUPT","upload_url":"http://h/u","resume_pos":6}`:     {"CORRUPT", 0, ""},
		`{"state":"INCOMPLETE","upload_url":"http://h/u","resume_pos":12}`: {"", 0, "claims to have 12 of 11 bytes"},
		`{"state":"INCOMPLETE","upload_url":"http://h/u","resume_pos":-1}`: {"", 0, "claims to have -1"},
		`{"state":"INCOMPLETE","upload_url":"","resume_pos":0}`:            {"", 0, "no usable upload address"},
		`{"state":"INCOMPLETE","upload_url":"ftp://h/u","resume_pos":0}`:   {"", 0, "no usable upload address"},
		`{"state":"NEW"}`: {"", 0, "unknown state"},
		`{}`:              {"", 0, "unknown state"},
		`<html>`:          {"", 0, "web page"},
		`{"state":`:       {"", 0, "cut short"},
	}
	for body, want := range answers {
		c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
			var got map[string]any
			if err := json.NewDecoder(req.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(map[string]any{
				"path": "/jfs/My PC/C+D/a/b＂c.txt", "bytes": 11.0, "md5": hello.MD5,
				"created": "2017-05-11T09:02:40Z", "modified": "2024-05-01T08:11:12Z",
			}, got); diff != "" || req.RequestURI != "/files/v1/allocate" || req.Header.Get("Content-Type") != "application/json" {
				t.Errorf("request to %s differs (-want +got):\n%s", req.RequestURI, diff)
			}
			io.WriteString(w, strings.Replace(body, "//h/", "//"+req.Host+"/", 1))
		})
		a, err := c.Allocate(t.Context(), p, hello)
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%s: Allocate = %v, want an error with %q", body, err, want.err)
			}
			continue
		}
		if err != nil || a.State != want.state || a.Offset != want.offset || a.Uploaded != (want.state == "COMPLETED") || a.Path != p {
			t.Errorf("%s: Allocate = %+v, %v", body, a, err)
		}
	}
}

func TestUpload(t *testing.T) {
	const text = "hello world"
	confirmed := `{"md5":"5EB63BBBE01EEED093CB22BB8F5ACDC3","bytes":11}`
	tests := []struct {
		name   string
		offset int64
		status int
		answer string
		err    error
	}{
		{"whole", 0, 200, confirmed, nil},
		{"resumed", 6, 200, confirmed, nil},
		{"nothing left", 11, 200, confirmed, nil},
		{"without bytes", 0, 200, `{"md5":"5eb63bbbe01eeed093cb22bb8f5acdc3"}`, nil},
		{"other md5", 0, 200, `{"md5":"d41d8cd98f00b204e9800998ecf8427e","bytes":11}`, ErrCorrupt},
		{"other size", 0, 200, `{"md5":"5eb63bbbe01eeed093cb22bb8f5acdc3","bytes":10}`, ErrCorrupt},
		{"no confirmation", 0, 200, `{}`, ErrCorrupt},
		{"web page", 0, 200, `<html>`, ErrServer},
		{"part", 0, 420, sample(t, "constructed-upload-error-420-incomplete.json"), ErrIncomplete},
		{"damaged", 0, 421, sample(t, "constructed-upload-error-421-corrupt.json"), ErrCorrupt},
		{"expired", 0, 404, `{}`, ErrNotExist},
		{"quota", 0, 460, sample(t, "constructed-api-error-460-quota.json"), ErrQuota},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
				body, err := io.ReadAll(req.Body)
				if string(body) != text[test.offset:] || err != nil || req.ContentLength != 11-test.offset {
					t.Errorf("got %q, %v, announced as %d bytes", body, err, req.ContentLength)
				}
				wantRange := ""
				if test.offset > 0 {
					wantRange = fmt.Sprintf("bytes=%d-10", test.offset)
				}
				if got := req.Header.Get("Range"); got != wantRange || req.RequestURI != "/upload?token=opaque" {
					t.Errorf("request to %s has range %q, want %q", req.RequestURI, got, wantRange)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.answer)
			})
			a := &Allocation{Path: "/Jotta/Archive/x", Content: hello, Offset: test.offset, url: c.api + "/upload?token=opaque"}
			err := c.Upload(t.Context(), a, strings.NewReader(text[test.offset:]))
			if !errors.Is(err, test.err) || err != nil && strings.Contains(err.Error(), "opaque") {
				t.Errorf("Upload = %v, want %v", err, test.err)
			}
		})
	}
}

// The caller gets its reader back, even if the transport has an answer before it
// has sent all, and is still reading.
func TestUploadEarlyAnswer(t *testing.T) {
	stillReading, returned, done := make(chan bool), make(chan bool), make(chan error)
	c := &Client{http: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		go func() {
			req.Body.Read(make([]byte, 10))
			close(stillReading)
			<-returned
			_, err := req.Body.Read(make([]byte, 10))
			done <- err
		}()
		<-stillReading
		return &http.Response{StatusCode: 460, Body: http.NoBody}, nil
	})}}
	r := &countingReader{}
	a := &Allocation{Path: "/Jotta/Archive/x", Content: Content{Size: 1 << 30, MD5: hello.MD5}, url: "http://h/upload"}
	err := c.Upload(t.Context(), a, r)
	n := r.n
	close(returned)
	if readErr := <-done; !errors.Is(err, ErrQuota) || readErr == nil || n != 10 || r.n != n {
		t.Errorf("Upload = %v after %d bytes; then %d were read, %v", err, n, r.n-n, readErr)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// countingReader never ends.
type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

// A reader that ends early is an error, never a shorter file.
func TestUploadShortReader(t *testing.T) {
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		io.WriteString(w, `{"md5":"5eb63bbbe01eeed093cb22bb8f5acdc3","bytes":11}`)
	})
	a := &Allocation{Path: "/Jotta/Archive/x", Content: hello, url: c.api + "/upload"}
	if err := c.Upload(t.Context(), a, strings.NewReader("hello")); err == nil {
		t.Error("Upload = nil for 5 of 11 bytes")
	}
}

func TestTouchFile(t *testing.T) {
	good := `<file name="x"><currentRevision><state>COMPLETED</state><size>11</size><md5>` + strings.ToUpper(hello.MD5) + `</md5></currentRevision></file>`
	tests := []struct {
		name, answer string
		status       int
		err          error
	}{
		{"done", good, 200, nil},
		{"unknown", sample(t, "constructed-error-404-nosuchpath.xml"), 404, ErrNotExist},
		{"still in the trash", strings.Replace(good, ">", ` deleted="2024-05-01-T08:11:12Z">`, 1), 200, ErrIncomplete},
		{"not complete", strings.Replace(good, "COMPLETED", "CORRUPT", 1), 200, ErrIncomplete},
		{"other content", strings.Replace(good, "5EB", "5EC", 1), 200, ErrIncomplete},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
				for name, want := range map[string]string{
					"JSize": "11", "JMd5": hello.MD5, "JCreated": "2017-05-11-T09:02:40Z", "JModified": "2024-05-01-T08:11:12Z",
				} {
					if got := req.Header.Get(name); got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
				if want := "/jfs/" + testUser + "/Jotta/Archive/x?cphash=true"; req.Method != "POST" || req.RequestURI != want {
					t.Errorf("request is %s %s, want POST %s", req.Method, req.RequestURI, want)
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.answer)
			})
			err := c.TouchFile(t.Context(), "/Jotta/Archive/x", hello)
			if !errors.Is(err, test.err) {
				t.Errorf("TouchFile = %v, want %v", err, test.err)
			}
		})
	}
}

// A path that cannot be on the service costs no request.
func TestImpossibleNames(t *testing.T) {
	c := newTestClient(t, func(_ http.ResponseWriter, req *http.Request) { t.Errorf("request %s", req.RequestURI) })
	p := Path("/Jotta/Archive/" + strings.Repeat("x", 256))
	_, statErr := c.Stat(t.Context(), p)
	_, allocateErr := c.Allocate(t.Context(), p, hello)
	_, openErr := c.Open(t.Context(), p, 0, -1)
	_, listErr := lines(c.ListTree(t.Context(), p))
	for _, err := range []error{statErr, allocateErr, openErr, listErr, c.MkDir(t.Context(), p), c.TouchFile(t.Context(), p, hello)} {
		var e *Error
		if !errors.As(err, &e) || e.Class != record.ClassNameTooLong || e.Path != p {
			t.Errorf("error = %v, want class name_too_long and the path", err)
		}
	}
}
