package auth

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"jottatools/lib/jserve"
)

// world is a jserve that answers for every host, without a network, and a store of
// logins.
type world struct {
	t      *testing.T
	server *jserve.Server
	dir    string

	mu     sync.Mutex
	clock  time.Time                                   // of both sides
	before func(*http.Request) (*http.Response, error) // answers in place of the server, if it answers
	after  func(*http.Request, *http.Response) (*http.Response, error)
	asked  []string // method and address of each request
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var err error
	w.server, err = jserve.New(jserve.Config{
		Dir: t.TempDir(), Users: []jserve.User{{Name: "ola", Password: "hemmelig"}, {Name: "kari", Password: "hemmelig"}}, Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.server.Close() })
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) options() Options {
	return Options{Dir: w.dir, now: w.now, Transport: func(string) (http.RoundTripper, error) { return w, nil }}.withDefaults()
}

// RoundTrip has the server answer for whichever host is asked.
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, req.Method+" "+req.URL.Scheme+"://"+req.URL.Host+req.URL.Path)
	before, after := w.before, w.after
	w.mu.Unlock()
	if before != nil {
		if resp, err := before(req); resp != nil || err != nil {
			return resp, err
		}
	}
	req = req.Clone(req.Context())
	if req.Host == "" {
		req.Host = req.URL.Host
	}
	if req.URL.Scheme == "https" {
		req.TLS = new(tls.ConnectionState)
	}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	req.RemoteAddr = "127.0.0.1:1"
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, req)
	resp := recorder.Result()
	if after != nil {
		return after(req, resp)
	}
	return resp, nil
}

// answer is an answer with a status and a body.
func answer(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// posts counts the requests for tokens, logouts included.
func (w *world) posts() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, asked := range w.asked {
		if strings.HasPrefix(asked, "POST ") && !strings.Contains(asked, "/_jserve/") {
			n++
		}
	}
	return n
}

// loginToken is a login token as the web pages at an address hand it out.
func (w *world) loginToken(base, user, realm string) string {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+"/_jserve/login-token?realm="+realm, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.SetBasicAuth(user, "hemmelig")
	resp, err := w.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("login token: %s %s %v", resp.Status, body, err)
	}
	return string(body)
}

// logIn logs a user in and opens the session.
func (w *world) logIn(user string) *Session {
	w.t.Helper()
	token, err := ParseLoginToken(w.loginToken("https://id.jottacloud.com", user, "jottacloud"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := LogIn(w.t.Context(), w.options(), token); err != nil {
		w.t.Fatal(err)
	}
	return w.open()
}

func (w *world) open() *Session {
	w.t.Helper()
	s, err := Open(w.options())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// try signs a request, and says whether the server takes it.
func (w *world) try(s *Session) error {
	req, err := http.NewRequest(http.MethodGet, "https://api.jottacloud.com/account/v1/customer", nil)
	if err != nil {
		return err
	}
	if err := s.Authorize(w.t.Context(), req); err != nil {
		return err
	}
	resp, err := w.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var customer struct{ Username string }
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&customer) != nil {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// hides fails the test if text shows a secret of the store.
func (w *world) hides(text string) {
	w.t.Helper()
	data, err := os.ReadFile(w.options().store().path)
	if err != nil {
		return
	}
	var l struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(data, &l) == nil && l.Access != "" && (strings.Contains(text, l.Access) || strings.Contains(text, l.Refresh)) {
		w.t.Errorf("a secret is shown: %s", text)
	}
}
