package jfs

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzParseEndpoint: an address that is taken can be dialled, and is the same when it
// is read again; one that is not is never shown with a password.
func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:7070/", "unix:///run/x.sock", "https://u:secret@h", "ftp://h", "http://h?q", "\x7f", "http://[::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if scheme, rest, found := strings.Cut(s, "//"); found {
			if _, _, err := ParseEndpoint(scheme + "//user:s3cret@" + rest); err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Fatalf("ParseEndpoint(%q) with a password: %v", s, err)
			}
		}
		base, socket, err := ParseEndpoint(s)
		if err != nil {
			return
		}
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.User != nil || strings.HasSuffix(base, "/") {
			t.Fatalf("ParseEndpoint(%q) = %q, %q: %v", s, base, socket, err)
		}
		if again, none, err := ParseEndpoint(base); socket == "" && (err != nil || again != base || none != "") {
			t.Fatalf("ParseEndpoint(%q) = %q, then %q, %q, %v", s, base, again, none, err)
		}
	})
}

// FuzzRetryAfter: a server asks for a wait, never for one in the past, nor for long.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"5", "-1", "99999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"} {
		f.Add(s, "Wed, 21 Oct 2015 07:28:00 GMT")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, s, date string) {
		if wait := retryAfter(&http.Response{Header: http.Header{"Retry-After": {s}, "Date": {date}}}); wait < 0 || wait > maxRetryAfter {
			t.Fatalf("retryAfter(%q) at %q = %v", s, date, wait)
		}
	})
}

// FuzzUploadURL: an address that is taken leads, as net/http reads it, to the service, or to
// a host that was allowed, by TLS and without a user.
func FuzzUploadURL(f *testing.F) {
	for _, s := range []string{
		"https://up-no-001.jottacloud.com/upload?token=x", "https://up.example.com:8443/", "https://up.jottacloud.com@h/", "https://h\\@up.jottacloud.com/",
		"https://h#.jottacloud.com", "https://h?.jottacloud.com", "https://[::1%25.jottacloud.com]/", "https://h%2f.jottacloud.com/", "HTTPS://UP.JOTTACLOUD.COM", "https:///.jottacloud.com",
	} {
		f.Add(s)
	}
	c := newHostsClient(f, "", "up.example.com:8443")
	f.Fuzz(func(t *testing.T, s string) {
		if c.checkUploadURL(s) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPost, s, nil)
		if err != nil {
			return // then nothing is sent
		}
		host := strings.ToLower(req.URL.Hostname())
		if req.URL.Scheme != "https" || req.URL.User != nil || host != "jottacloud.com" && !strings.HasSuffix(host, ".jottacloud.com") && strings.ToLower(req.URL.Host) != "up.example.com:8443" {
			t.Fatalf("%q is taken, and leads to %q", s, req.URL.Host)
		}
		if strings.ContainsAny(host, "/?#@\\ ") {
			t.Fatalf("%q is taken for the host %q", s, host)
		}
	})
}
