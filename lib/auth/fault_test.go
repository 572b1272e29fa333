package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"jottatools/lib/record"
)

// loginRequests is every request that a login takes.
var loginRequests = []struct {
	name, method string
	do           func(*world, *Session) error
	refusal      record.Class // of an answer that refuses for good
	lost         record.Class // of an answer that is lost on the way
}{
	{"discovery", http.MethodGet, logInAgain, record.ClassAuth, record.ClassServer},
	{"login token", http.MethodPost, logInAgain, record.ClassAuth, record.ClassServer},
	// A refresh token that may be spent is never shown again.
	{"renewal", http.MethodPost, func(w *world, s *Session) error {
		w.pass(time.Hour)
		return w.try(s)
	}, record.ClassAuth, record.ClassAuth},
	{"logout", http.MethodPost, func(w *world, _ *Session) error { return LogOut(w.t.Context(), w.options(), false) }, record.ClassServer, record.ClassServer},
}

func logInAgain(w *world, _ *Session) error {
	before := w.before
	w.before = nil
	token, err := ParseLoginToken(w.loginToken("https://id.jottacloud.com", "ola", "jottacloud"))
	w.before = before
	if err != nil {
		return err
	}
	return LogIn(w.t.Context(), w.options(), token)
}

// endless is an answer that goes on for ever.
type endless struct{ read *int64 }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	*e.read += int64(len(p))
	return len(p), nil
}

// TestFaults: whatever happens to a request of a login, it is made once, ends with an
// error that says whether to try again or to log in, and the login that was there is
// there still. docs/reliability.md says what people see.
func TestFaults(t *testing.T) {
	type fault struct {
		name   string
		happen func() (*http.Response, error)
		class  record.Class // "": that of a refusal
		lost   bool         // the answer may have been lost on the way
	}
	var faults []fault
	for _, status := range []int{302, 400, 401, 403, 404, 409, 416, 420, 421, 429, 460, 500, 502, 503, 504, 509} {
		f := fault{name: fmt.Sprint(status), happen: func() (*http.Response, error) { return answer(status, ""), nil }}
		if status == http.StatusTooManyRequests || status >= 500 {
			f.class, f.lost = record.ClassServer, status == 502 || status == 504
		}
		faults = append(faults, f)
	}
	fails := func(err error) func() (*http.Response, error) {
		return func() (*http.Response, error) { return nil, err }
	}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	faults = append(faults,
		fault{"connection refused", fails(refused), record.ClassNetwork, false},
		fault{"no such host", fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "id.jottacloud.com"}}), record.ClassNetwork, false},
		fault{"not HTTP, at length", fails(errors.New("malformed: " + strings.Repeat("\x1b[2J", 10_000))), record.ClassNetwork, false},
		fault{"not encrypted", fails(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), record.ClassNetwork, false},
		fault{"certificate not valid", fails(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}), record.ClassAuth, false},
		fault{"web page with an error", func() (*http.Response, error) { return answer(403, "<html>sign in</html>"), nil }, "", false},
	)
	for _, request := range loginRequests {
		for _, fault := range faults {
			t.Run(request.name+"/"+fault.name, func(t *testing.T) {
				w := newWorld(t)
				s := w.logIn("ola")
				kept, _ := s.store.read()
				happened := 0
				w.before = func(req *http.Request) (*http.Response, error) {
					if req.Method != request.method || strings.Contains(req.URL.Path, "/_jserve/") {
						return nil, nil
					}
					happened++
					return fault.happen()
				}
				err := request.do(w, s)
				want := fault.class
				switch {
				case request.name == "logout" && fault.name == "400":
					if err != nil { // it had ended already
						t.Errorf("LogOut() = %v", err)
					}
					return
				case fault.lost && request.method == http.MethodPost:
					want = request.lost
				case want == "":
					want = request.refusal
				}
				if got := classOf(err); got != want || happened != 1 {
					t.Errorf("%v\nis of class %q after %d requests, want %q after one", err, got, happened, want)
				}
				if text := fmt.Sprint(err); !strings.Contains(text, "login") && !strings.Contains(text, "log in") && !strings.Contains(text, "log out") && !strings.Contains(text, "not safe") && !strings.Contains(text, "web page") {
					t.Errorf("the error does not say what it is about: %s", text)
				}
				if text := fmt.Sprint(err); len(text) > 1000 || strings.ContainsFunc(text, unicode.IsControl) {
					t.Errorf("the error has %d bytes and says %.200q", len(text), text)
				}
				w.hides(fmt.Sprint(err))
				w.before = nil
				now, readErr := s.store.read()
				if readErr != nil || now.Refresh != kept.Refresh {
					t.Fatalf("the login is not what it was: %v", readErr)
				}
				if in := request.name == "renewal" && fault.lost; !in {
					if err := w.try(s); err != nil {
						t.Errorf("afterwards: %v", err)
					}
				}
				if w.server.Stats().TokenReuse != 0 {
					t.Error("a refresh token was shown twice")
				}
			})
		}
	}
}

// TestEndlessAnswers: a server that sends for ever is found out.
func TestEndlessAnswers(t *testing.T) {
	for _, request := range loginRequests {
		for _, status := range []int{200, 500} {
			w := newWorld(t)
			s := w.logIn("ola")
			read := int64(0)
			w.before = func(req *http.Request) (*http.Response, error) {
				if req.Method != request.method || strings.Contains(req.URL.Path, "/_jserve/") {
					return nil, nil
				}
				resp := answer(status, "")
				resp.Body = io.NopCloser(endless{&read})
				return resp, nil
			}
			err := request.do(w, s)
			if ended := request.name == "logout" && status == 200; err == nil != ended || read > 2<<20 {
				t.Errorf("%s, %d: error %v after %d bytes", request.name, status, err, read)
			}
			if errors.Is(err, ErrNoLogin) {
				t.Errorf("%s: %v", request.name, err)
			}
		}
	}
}

// TestRedirects: no answer leads a login token, a refresh token or a question about the
// login to another server.
func TestRedirects(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		t.Errorf("%s %s was asked: %s", req.Method, req.URL, body)
	}))
	defer foreign.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, foreign.URL+req.URL.Path, status)
		}))
		o := Options{Dir: t.TempDir(), Endpoint: home.URL, Transport: func(string) (http.RoundTripper, error) { return http.DefaultTransport, nil }}.withDefaults()
		l := aLogin()
		l.Endpoint, l.TokenURL, l.LogoutURL = home.URL, home.URL+"/token", home.URL+"/logout"
		token := LoginToken{username: "ola", realm: "jottacloud", wellKnown: home.URL + "/well-known", secret: "s3cret"}
		if err := LogIn(t.Context(), o, token); err == nil {
			t.Errorf("%d: LogIn() = nil", status)
		}
		if err := o.store().write(l); err != nil {
			t.Fatal(err)
		}
		if err := LogOut(t.Context(), o, false); err == nil {
			t.Errorf("%d: LogOut() = nil", status)
		}
		if err := Renew(t.Context(), o, -1); err == nil || shows(err) {
			t.Errorf("%d: Renew() = %v", status, err)
		}
		g, err := o.grants(loginClient, l.TokenURL, loginScopes)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.byLoginToken(t.Context(), token); err == nil {
			t.Errorf("%d: byLoginToken() = nil", status)
		}
		home.Close()
	}
}

// TestPlainToTLS: a server that is asked without TLS and wants it is called that.
func TestPlainToTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	at := "http://" + server.Listener.Addr().String()
	o := Options{Dir: t.TempDir(), Endpoint: at, Transport: func(string) (http.RoundTripper, error) { return http.DefaultTransport, nil }}
	err := LogIn(t.Context(), o, LoginToken{username: "ola", wellKnown: at + "/x", secret: "s3cret"})
	if classOf(err) != record.ClassNetwork || !strings.Contains(err.Error(), "it speaks TLS; write https:// in place of http:// in JOTTA_ENDPOINT") {
		t.Errorf("LogIn() = %v", err)
	}
	const alert = `Get "http://h/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02\x16"`
	if err := unreachable(t.Context(), "h", errors.New(alert)); !strings.Contains(err.Error(), "it speaks TLS") {
		t.Errorf("unreachable() = %v", err)
	}
}
