package jfs

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"jottatools/lib/record"
)

type homebound struct{ basic }

func (homebound) Homebound() bool { return true }

// newHostsClient returns a client that sends nothing.
func newHostsClient(t testing.TB, endpoint string, allowed ...string) *Client {
	t.Helper()
	c, err := New(Options{Endpoint: endpoint, Credentials: basic{}, UploadHosts: allowed})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestUploadHosts: content and credentials go to the service, to the endpoint and where
// the user says, and nowhere else because an answer says so.
func TestUploadHosts(t *testing.T) {
	for _, test := range []struct {
		endpoint, address string
		allowed           []string
		want              string // "" if it may be used
	}{
		{"", "https://up-no-001.jottacloud.com/upload?token=x", nil, ""},
		{"", "https://UP.JottaCloud.com:443/upload", nil, ""},
		{"", "https://api.jottacloud.com/upload", nil, ""},
		{"", "http://up-no-001.jottacloud.com/upload", nil, "not encrypted"},
		{"", "https://up.example.com/upload", nil, "another server, https://up.example.com; it is not done: is somebody in between? if it is right, set JOTTA_UPLOAD_HOSTS=up.example.com"},
		{"", "https://notjottacloud.com/upload", nil, "another server"},
		{"", "https://jottacloud.com.example.com/upload", nil, "another server"},
		{"", "https://jottacloud.com./upload", nil, "another server"},
		{"", "https://[::1]/upload", nil, "another server"},
		{"", "https://user:secret@up.jottacloud.com/upload", nil, "a user name in it"},
		{"", "https://api.jottacloud.com@example.com/upload", nil, "a user name in it"},
		{"", "https://user@api.jottacloud.com/", nil, "a user name in it"},
		{"", "//up.jottacloud.com/", nil, "no usable"},
		{"", "/upload", nil, "no usable"},
		{"", "https:///upload", nil, "no usable"},
		{"", "file:///etc/passwd", nil, "no usable"},
		{"", "https:up.jottacloud.com", nil, "no usable"},
		{"", "\x7f", nil, "no usable"},
		{"", "https://up.example.com/upload", []string{"up.example.com"}, ""},
		{"", "https://up.example.com:8443/upload", []string{"Up.Example.com"}, ""},
		{"", "https://up.example.com:8443/upload", []string{"up.example.com:8443"}, ""},
		{"", "https://up.example.com/upload", []string{"up.example.com:8443"}, "another server"},
		{"", "https://x.up.example.com/upload", []string{"up.example.com"}, "another server"},
		{"", "http://up.example.com/upload", []string{"up.example.com"}, "not encrypted"},

		{"https://nas:7070", "https://nas:7070/upload/x", nil, ""},
		{"https://nas:7070/", "http://nas:7070/upload/x", nil, "not encrypted"},
		{"https://nas:7070", "https://nas/upload/x", nil, "another server"},
		{"https://nas:7070", "https://up-no-001.jottacloud.com/upload", nil, "another server"},
		{"https://nas:7070", "https://up-no-001.jottacloud.com/upload", []string{"up-no-001.jottacloud.com"}, ""},

		{"http://127.0.0.1:7070", "http://127.0.0.1:7070/upload/x", nil, ""},
		{"http://127.0.0.1:7070", "http://127.0.0.1:7071/upload/x", nil, "another server"},
		{"http://127.0.0.1:7070", "http://user@127.0.0.1:7070/upload/x", nil, "a user name in it"},
		{"http://127.0.0.1:7070", "http://nas/upload/x", []string{"nas"}, ""},
		{"http://127.0.0.1:7070", "https://up-no-001.jottacloud.com/upload", nil, "another server"},
		{"unix:///run/jserve.sock", "http://localhost/upload/x", nil, ""},
		{"unix:///run/jserve.sock", "http://127.0.0.1/upload/x", nil, "another server"},
	} {
		c := newHostsClient(t, test.endpoint, test.allowed...)
		err := c.checkUploadURL(test.address)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("at %q with %q allowed, checkUploadURL(%q) = %v, want %q", test.endpoint, test.allowed, test.address, err, test.want)
		}
	}
	for _, host := range []string{"", "https://up.example.com", "u@h", "h/p", "*.example.com", "h?q", "h:port", "a b"} {
		if _, err := New(Options{Credentials: basic{}, UploadHosts: []string{host}}); err == nil || !strings.Contains(err.Error(), "JOTTA_UPLOAD_HOSTS") {
			t.Errorf("the upload host %q: %v", host, err)
		}
	}
}

// TestNothingGoesElsewhere: an answer with a foreign address ends the upload, and no
// request is sent there; nor is one by any other way.
func TestNothingGoesElsewhere(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("%s %s was asked, signed with %q", req.Method, req.URL, req.Header.Get("Authorization"))
	}))
	defer foreign.Close()
	c := newTestClient(t, answer(200, `{"state":"INCOMPLETE","upload_url":"`+foreign.URL+`/upload","resume_pos":0}`))
	_, err := c.Allocate(t.Context(), "/Jotta/Archive/a", hello)
	if e := (*Error)(nil); !errors.As(err, &e) || e.Class != record.ClassServer || e.Retry {
		t.Errorf("Allocate = %v", err)
	}
	err = c.Upload(t.Context(), &Allocation{Path: "/Jotta/Archive/a", Content: hello, url: foreign.URL}, bytes.NewReader(make([]byte, hello.Size)))
	if err == nil || !strings.Contains(err.Error(), "was not sent") {
		t.Errorf("Upload = %v", err)
	}
}

// TestPasswordStaysHome: where the user allows content to be sent, a token goes along,
// and a password does not.
func TestPasswordStaysHome(t *testing.T) {
	for _, test := range []struct {
		credentials Credentials
		signed      bool
	}{{basic{}, true}, {homebound{}, false}} {
		got := map[string]bool{}
		note := func(w http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			got[req.Host] = req.Header.Get("Authorization") != ""
			io.WriteString(w, `{"md5":"`+hello.MD5+`","bytes":11}`)
		}
		home, away := httptest.NewServer(http.HandlerFunc(note)), httptest.NewServer(http.HandlerFunc(note))
		defer home.Close()
		defer away.Close()
		host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
		c, err := New(Options{Endpoint: home.URL, Credentials: test.credentials, UploadHosts: []string{host(away)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*httptest.Server{home, away} {
			a := &Allocation{Path: "/Jotta/Archive/a", Content: hello, url: s.URL + "/upload"}
			if err := c.Upload(t.Context(), a, bytes.NewReader(make([]byte, hello.Size))); err != nil {
				t.Fatal(err)
			}
		}
		if !got[host(home)] || got[host(away)] != test.signed {
			t.Errorf("%T: signed at home %v, elsewhere %v", test.credentials, got[host(home)], got[host(away)])
		}
		closeIdle(c.http.Transport)
	}
}

// fenced notes requests that leave the service.
type fenced struct {
	t    *testing.T
	next http.RoundTripper
}

func (f fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != "service.example" {
		f.t.Errorf("%s %s was asked, signed with %q", req.Method, req.URL, req.Header.Get("Authorization"))
	}
	return f.next.RoundTrip(req)
}

// TestRedirectsLeadNowhere: whatever is asked for, no answer leads a request to another
// host, with or without credentials.
func TestRedirectsLeadNowhere(t *testing.T) {
	for _, e := range endpoints {
		for _, status := range []int{301, 302, 303, 307, 308} {
			service := &faulty{is: e.is, there: e.there, account: sample(t, "constructed-customer.json"), happen: func(*http.Request) (*http.Response, error) {
				h := http.Header{"Location": {"https://elsewhere.example.net/x"}, "Refresh": {"0; url=https://elsewhere.example.net/x"}}
				return &http.Response{StatusCode: status, Header: h, Body: http.NoBody}, nil
			}}
			c, err := New(Options{Endpoint: "http://service.example", Credentials: basic{}, Transport: fenced{t, service}})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				if err := e.do(t.Context(), c); err == nil {
					t.Errorf("%s took a %d for success", e.name, status)
				}
			})
		}
	}
}
