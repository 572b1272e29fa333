package auth

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"jottatools/lib/record"
)

// TestRenewedOncePerEnd: however many requests in however many sessions wait, a
// token is renewed once when it is about to end.
func TestRenewedOncePerEnd(t *testing.T) {
	w := newWorld(t)
	sessions := []*Session{w.logIn("ola"), w.open(), w.open()}
	for range 4 {
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				if err := w.try(sessions[i%len(sessions)]); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.pass(time.Hour - maxAhead)
	}
	if stats := w.server.Stats(); stats.Requests["token_refresh"] != 3 || stats.TokenReuse != 0 {
		t.Errorf("%d renewals and %d reuses in 4 lives, want 3 and 0", stats.Requests["token_refresh"], stats.TokenReuse)
	}
}

// TestSavedBeforeUse: a token is in the store when the first request has it.
func TestSavedBeforeUse(t *testing.T) {
	w := newWorld(t)
	s := w.logIn("ola")
	w.before = func(req *http.Request) (*http.Response, error) {
		if bearer, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
			if l, err := w.options().store().read(); err != nil || string(l.Access) != bearer {
				t.Errorf("the store has another token than the request: %v", err)
			}
		}
		return nil, nil
	}
	for range 3 {
		w.pass(time.Hour)
		if err := w.try(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		w.hides(fmt.Sprintf(verb, s) + fmt.Sprintf(verb, struct{ C any }{s}))
	}
}

// TestLostAnswer: a refresh token whose fate is not known is never shown again,
// and the access token serves to its end.
func TestLostAnswer(t *testing.T) {
	for name, after := range map[string]func(*http.Request, *http.Response) (*http.Response, error){
		"broken": func(*http.Request, *http.Response) (*http.Response, error) {
			return nil, errors.New("connection reset")
		},
		"page":    func(*http.Request, *http.Response) (*http.Response, error) { return answer(200, "<html>"), nil },
		"empty":   func(*http.Request, *http.Response) (*http.Response, error) { return answer(200, "{}"), nil },
		"gateway": func(*http.Request, *http.Response) (*http.Response, error) { return answer(502, ""), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.logIn("ola")
			w.pass(time.Hour - time.Minute)
			w.after = func(req *http.Request, resp *http.Response) (*http.Response, error) {
				if req.Method == http.MethodPost {
					wrote(req)
					return after(req, resp)
				}
				return resp, nil
			}
			if err := w.try(s); err != nil {
				t.Fatalf("the token that has a minute left is not used: %v", err)
			}
			w.pass(2 * time.Minute)
			for range 3 {
				err := w.try(s)
				if err == nil || !strings.Contains(err.Error(), "is lost") || !strings.Contains(err.Error(), "log in again with jlogin") || classOf(err) != record.ClassAuth {
					t.Fatalf("Authorize() = %v", err)
				}
				w.hides(err.Error())
			}
			if stats := w.server.Stats(); stats.Requests["token_refresh"] != 1 || stats.TokenReuse != 0 {
				t.Errorf("shown %d times, %d reuses; want once", stats.Requests["token_refresh"], stats.TokenReuse)
			}
		})
	}
}

// wrote tells the tracer of a request that it was sent: no network here does.
func wrote(req *http.Request) {
	if trace := traceOf(req); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
}

// TestUnspent: a request that did not get there, or that the service declined, is
// made again later.
func TestUnspent(t *testing.T) {
	for name, refuse := range map[string]func() (*http.Response, error){
		"unreachable": func() (*http.Response, error) { return nil, errors.New("no route to host") },
		"busy":        func() (*http.Response, error) { return answer(503, ""), nil },
		"too many":    func() (*http.Response, error) { return answer(429, `{"error":"temporarily_unavailable"}`), nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.logIn("ola")
			w.pass(time.Hour)
			w.before = func(req *http.Request) (*http.Response, error) { return refuse() }
			err := w.try(s)
			if class := classOf(err); class != record.ClassNetwork && class != record.ClassServer {
				t.Fatalf("Authorize() = %v of class %q, want one that can be tried again", err, class)
			}
			w.before = nil
			if err := w.try(s); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func classOf(err error) record.Class {
	var classed interface{ Record() *record.Error }
	var plain *record.Error
	switch {
	case errors.As(err, &classed):
		return classed.Record().Class
	case errors.As(err, &plain):
		return plain.Class
	}
	return ""
}

// TestEnded: a login that the service has ended is asked about once, says what to
// do, and stays ended for every process.
func TestEnded(t *testing.T) {
	w := newWorld(t)
	s, other, unused := w.logIn("ola"), w.open(), w.open()
	l, _ := s.store.read()
	if err := w.options().revoke(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	before := w.posts()
	for _, s := range []*Session{s, other, s} {
		err := w.try(s)
		if err == nil || !strings.Contains(err.Error(), "has ended the login (Session doesn't have required client); log in again with jlogin") {
			t.Errorf("Authorize() = %v", err)
		}
		w.hides(fmt.Sprint(err))
	}
	if n := w.posts() - before; n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	if _, err := Open(w.options()); err == nil || classOf(err) != record.ClassAuth {
		t.Errorf("Open() = %v", err)
	}
	// Another program of the same pipe has been told.
	if err := s.store.change(t.Context(), func(l *login) error { l.Ended.PID++; return nil }); err != nil {
		t.Fatal(err)
	}
	var told *Error
	if err := unused.Ended(); !errors.As(err, &told) || pipe() != 0 && !told.Told() {
		t.Errorf("Ended() = %v, want it told", err)
	}
	w.pass(2 * toldFor)
	if err := s.Ended(); !errors.As(err, &told) || told.Told() {
		t.Errorf("Ended() = %v, want it told anew", err)
	}
}

// TestRefused: after a 401 the login is renewed by one of those it met, and not for
// ever.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	s, other := w.logIn("ola"), w.open()
	signed := func(s *Session) *http.Request {
		req, _ := http.NewRequest(http.MethodGet, "https://api.jottacloud.com/", nil)
		if err := s.Authorize(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		return req
	}
	first, second := signed(s), signed(other)
	if err := errors.Join(s.Renew(t.Context(), first, false), other.Renew(t.Context(), second, false)); err != nil {
		t.Fatal(err)
	}
	if n := w.server.Stats().Requests["token_refresh"]; n != 1 {
		t.Errorf("renewed %d times, want once", n)
	}
	if err := s.Renew(t.Context(), signed(s), true); err == nil || !strings.Contains(err.Error(), "just renewed") {
		t.Errorf("a fresh token that is refused: Renew() = %v", err)
	}
	req := signed(s)
	w.pass(time.Hour - 500*time.Millisecond) // the service counts whole seconds
	if err := s.Renew(t.Context(), req, true); err != nil {
		t.Errorf("a token at its end that is refused: Renew() = %v", err)
	}
}

// TestClock: a clock that is wrong, then right, costs a renewal and no more.
func TestClock(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	right := o.now
	off := time.Duration(0)
	o.now = func() time.Time { return right().Add(off) }
	for _, off = range []time.Duration{-50 * 365 * 24 * time.Hour, 50 * 365 * 24 * time.Hour, 0} {
		token, err := ParseLoginToken(w.loginToken("https://id.jottacloud.com", "ola", "jottacloud"))
		if err != nil {
			t.Fatal(err)
		}
		if err := LogIn(t.Context(), o, token); err != nil {
			t.Fatal(err)
		}
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		off = 0
		w.pass(2 * time.Hour)
		if err := w.try(s); err != nil {
			t.Error(err)
		}
	}
	if reuse := w.server.Stats().TokenReuse; reuse != 0 {
		t.Errorf("%d reuses", reuse)
	}
}

// TestSomebodyElse: a run does not go on in another account.
func TestSomebodyElse(t *testing.T) {
	w := newWorld(t)
	s := w.logIn("ola")
	w.logIn("kari")
	w.pass(time.Hour)
	if err := w.try(s); err == nil || !strings.Contains(err.Error(), "as somebody else meanwhile") {
		t.Errorf("Authorize() = %v", err)
	}
	again := w.open()
	w.logIn("kari")
	w.pass(time.Hour)
	if err := w.try(again); err != nil {
		t.Errorf("the same user logged in again: %v", err)
	}
	if err := LogOut(t.Context(), w.options(), false); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	if err := w.try(again); err == nil || !strings.Contains(err.Error(), "logged out meanwhile") {
		t.Errorf("Authorize() = %v", err)
	}
	// Each login was given up at the service when it was replaced or ended.
	if n := w.server.Stats().Requests["logout"]; n != 3 {
		t.Errorf("%d logouts, want 3", n)
	}
}

// TestNothingIsSpentInVain: what could not be kept is not asked for.
func TestNothingIsSpentInVain(t *testing.T) {
	w := newWorld(t)
	s := w.logIn("ola")
	w.pass(time.Hour)
	// A folder where the new store is to be written is in the way, even of root.
	if err := os.MkdirAll(s.store.path+".new/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := w.try(s); err == nil || !strings.Contains(err.Error(), "could not be kept") {
		t.Errorf("Authorize() = %v", err)
	}
	if err := os.RemoveAll(s.store.path + ".new"); err != nil {
		t.Fatal(err)
	}
	if err := w.try(s); err != nil {
		t.Error(err)
	}
}
