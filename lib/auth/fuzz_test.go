package auth

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzDiscovery: whatever a server says of where its login is, no secret goes to
// anybody but itself.
func FuzzDiscovery(f *testing.F) {
	for _, s := range []string{
		`{"issuer":"https://id.example/auth","authorization_endpoint":"https://id.example/a","token_endpoint":"https://id.example/t","end_session_endpoint":"https://id.example/l"}`,
		`{"token_endpoint":"https://id.example:443/t"}`, `{"token_endpoint":"http://id.example/t"}`, `{"token_endpoint":"https://id.example@evil.example/t"}`,
		`{"token_endpoint":"https://evil.example/t"}`, `{"token_endpoint":"//id.example/t"}`, `{"token_endpoint":1}`, `{`, `<html>`,
	} {
		f.Add([]byte(s))
	}
	const origin = "https://id.example:443"
	f.Fuzz(func(t *testing.T, body []byte) {
		at, err := parseDiscovery(body, "id.example", origins{origin})
		if err != nil {
			if text := err.Error(); len(text) > 1000+6*len(body) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Fatalf("%q: %q", body, text)
			}
			return
		}
		for i, address := range []string{at.Token, at.Authorize, at.Logout} {
			if address == "" && i > 0 {
				continue
			}
			req, err := http.NewRequest(http.MethodPost, address, nil)
			if err != nil {
				continue // it goes nowhere
			}
			if req.URL.Scheme != "https" || !strings.EqualFold(req.URL.Hostname(), "id.example") || req.URL.Port() != "" && req.URL.Port() != "443" || req.URL.User != nil {
				t.Fatalf("%q sends the login to %q", body, address)
			}
		}
	})
}

// FuzzTokenAnswer: whatever a server answers when it is shown a refresh token, the
// error shows neither that nor a part of the answer that may be one, and a login is
// taken only if it lasts.
func FuzzTokenAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"access_token":"fresh4ccess","refresh_token":"fresh8efresh","expires_in":3600}`))
	f.Add(200, "application/json", []byte(`{"access_token":"fresh4ccess","expires_in":"-1"}`))
	f.Add(200, "text/plain", []byte(`access_token=fresh4ccess&refresh_token=fresh8efresh&expires_in=99999999999999999999`))
	f.Add(200, "application/json", []byte(`{"access_token":"fresh4ccess"`))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant","error_description":"Stale token"}`))
	f.Add(502, "text/html", []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		if status < 100 || status > 999 {
			return
		}
		const shown = "0ld8efresh"
		o := Options{Transport: func(string) (http.RoundTripper, error) {
			return trip(func(*http.Request) (*http.Response, error) {
				resp := answer(status, string(body))
				resp.Header.Set("Content-Type", kind)
				return resp, nil
			}), nil
		}}
		g, err := o.grants("c", "https://id.example/t", nil)
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := g.byRefresh(context.Background(), shown)
		if err == nil {
			var l login
			if err = l.take(token, time.Unix(0, 0)); err == nil && (l.Access == "" || l.Refresh == "" || l.Lifetime <= 0) {
				t.Fatalf("%q: the login is %q, %q, for %d s", body, l.Access, l.Refresh, l.Lifetime)
			}
		}
		if err == nil {
			return
		}
		text := err.Error()
		secret := strings.Contains(text, shown) || !bytes.Contains(body, []byte("error")) && (strings.Contains(text, "fresh4ccess") || strings.Contains(text, "fresh8efresh"))
		if secret || len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
			t.Fatalf("%d %q: the error is %q", status, body, text)
		}
	})
}

// FuzzCode: an address that the browser was sent back to gives a code only for the
// login that was begun.
func FuzzCode(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:1/?state=st4te&code=c", "state=st4te&code=c", "?state=other&code=c", "state=st4te&error=access_denied&error_description=%1b[2J", "state=st4te&state=x&code=", "#", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		code, err := (&Browser{state: "st4te"}).Code(address)
		if err == nil && (code == "" || !strings.Contains(address, "st") && !strings.Contains(address, "%")) {
			t.Fatalf("Code(%q) = %q", address, code)
		}
		if err != nil && (len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), unicode.IsControl)) {
			t.Fatalf("Code(%q) = %q", address, err)
		}
	})
}

// trip is a RoundTripper that is a function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
