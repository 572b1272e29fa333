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

// FuzzRetryAfter: a server asks for a wait, never for one in the past.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"5", "-1", "99999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if wait := retryAfter(&http.Response{Header: http.Header{"Retry-After": {s}}}); wait < 0 {
			t.Fatalf("retryAfter(%q) = %v", s, wait)
		}
	})
}
