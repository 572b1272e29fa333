package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"jottatools/lib/record"
)

func traceOf(req *http.Request) *httptrace.ClientTrace {
	return httptrace.ContextClientTrace(req.Context())
}

const authToken = "5ecre7ffffffffffffffffffffffffff"

// tokenFor is a login token that leads to an address.
func tokenFor(wellKnown string) string {
	raw, err := json.Marshal(map[string]string{"username": "ola?>~ÿ", "realm": "jottacloud", "well_known_link": wellKnown, "auth_token": authToken})
	if err != nil {
		panic(err) // strings alone
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

const wellKnown = "https://id.jottacloud.com/auth/realms/jottacloud/.well-known/openid-configuration"

func TestParseLoginToken(t *testing.T) {
	token := tokenFor(wellKnown)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		token, " " + token[:10] + "\r\n\t" + token[10:] + "\n", "\ufeff" + token[:9] + "\u200b" + token[9:], `"` + token + `"`,
		base64.StdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
	} {
		got, err := ParseLoginToken(text)
		if err != nil || got != (LoginToken{"ola?>~ÿ", "jottacloud", wellKnown, authToken}) {
			t.Errorf("ParseLoginToken(%q) = %v, %v", text, got, err)
		}
	}
	for n := 2; n < len(token); n++ {
		if _, err := ParseLoginToken(token[:n]); !errors.Is(err, ErrTokenShort) {
			t.Fatalf("cut after %d characters: %v", n, err)
		}
	}
	for text, want := range map[string]string{
		"": "there is no login token", " \n": "there is no login token",
		"%%" + authToken: "not a login token", authToken: "not a login token", "hello": "not a login token",
		base64.RawURLEncoding.EncodeToString([]byte(`{"username":"u","auth_token":"` + authToken + `"}`)):                     "not a login token",
		base64.RawURLEncoding.EncodeToString([]byte(`{"username":"u","well_known_link":7,"auth_token":"` + authToken + `"}`)): "not a login token",
		base64.RawURLEncoding.EncodeToString(append(raw, raw...)):                                                             "not a login token",
		strings.Repeat("A", MaxLoginToken+1):                                                                                  "not a login token",
	} {
		_, err := ParseLoginToken(text)
		if err == nil || classOf(err) != record.ClassAuth || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), authToken) {
			t.Errorf("ParseLoginToken(%.40q) = %v, want %q", text, err, want)
		}
	}
}

func FuzzParseLoginToken(f *testing.F) {
	f.Add(tokenFor(wellKnown))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseLoginToken(text)
		if err == nil && (token.username == "" || token.wellKnown == "" || token.secret == "") {
			t.Errorf("ParseLoginToken(%q) lacks a part", text)
		}
		again, againErr := ParseLoginToken(" " + text + "\n")
		if len(text) < MaxLoginToken-2 && ((err == nil) != (againErr == nil) || again != token) {
			t.Errorf("blanks change what %q is: %v, %v", text, err, againErr)
		}
	})
}

// TestEveryService: each service resolves, by browser and with a login token, at
// its own hosts and behind an endpoint.
func TestEveryService(t *testing.T) {
	for _, service := range Services {
		t.Run(service.Key, func(t *testing.T) {
			w := newWorld(t)
			o := w.options()
			browse(t, w, o, service)
			if l, err := o.store().read(); err != nil || l.Service != service.Key || !strings.HasPrefix(l.TokenURL, "https://"+service.host+"/auth/realms/"+service.realm+"/") || l.Client != service.client {
				t.Errorf("the store has %+v, %v", l, err)
			}
			if err := w.try(w.open()); err != nil {
				t.Error(err)
			}
			token, err := ParseLoginToken(w.loginToken("https://"+service.host, "ola", service.realm))
			if err != nil {
				t.Fatal(err)
			}
			if err := LogIn(t.Context(), o, token); err != nil {
				t.Fatal(err)
			}
			if l, err := o.store().read(); err != nil || l.Service != service.Key || l.Client != loginClient {
				t.Errorf("the store has %+v, %v", l, err)
			}

			o.Endpoint = "http://127.0.0.1:7070"
			browse(t, w, o, service)
			if l, err := o.store().read(); err != nil || l.Service != service.Key || !strings.HasPrefix(l.TokenURL, o.Endpoint+"/auth/realms/"+service.realm+"/") || l.Endpoint != o.Endpoint {
				t.Errorf("the store has %+v, %v", l, err)
			}
			token, err = ParseLoginToken(w.loginToken(o.Endpoint, "ola", service.realm))
			if err != nil {
				t.Fatal(err)
			}
			if err := LogIn(t.Context(), o, token); err != nil {
				t.Fatal(err)
			}
		})
	}
}

var sealed = regexp.MustCompile(`name="form" value="([0-9a-f]+)"`)

// browse logs in as a person with a browser does.
func browse(t *testing.T, w *world, o Options, service Service) {
	t.Helper()
	loopback, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer loopback.Close()
	b, err := NewBrowser(t.Context(), o, service, loopback.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	back := visit(t, w, b)
	// It comes by the network, after somebody who guesses.
	go func() {
		for _, address := range []string{loopback.Redirect + "?code=x&state=y", back} {
			if resp, err := http.Get(strings.Replace(address, "localhost", "127.0.0.1", 1)); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
		http.DefaultClient.CloseIdleConnections()
	}()
	code, err := b.Await(t.Context(), loopback, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(t.Context(), code); err != nil {
		t.Fatal(err)
	}
}

// visit opens the login page, fills it in, and returns where it leads.
func visit(t *testing.T, w *world, b *Browser) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(page.Body)
	found := sealed.FindSubmatch(body)
	if found == nil {
		t.Fatalf("the login page is %s %s", page.Status, body)
	}
	form := url.Values{"form": {string(found[1])}, "username": {"ola"}, "password": {"hemmelig"}}
	req, _ = http.NewRequest(http.MethodPost, b.URL(), strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(page.Cookies()[0])
	resp, err := w.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("%v %v", resp, err)
	}
	return resp.Header.Get("Location")
}

// TestPaste: the address can be pasted, whole or in part; nonsense is told.
func TestPaste(t *testing.T) {
	w := newWorld(t)
	service, _ := LookUpService("Telia_NO")
	loopback, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer loopback.Close()
	b, err := NewBrowser(t.Context(), w.options(), service, loopback.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	back := visit(t, w, b)
	pasted := make(chan string, 5)
	pasted <- ""
	pasted <- b.URL() // the wrong address of the two
	pasted <- "http://localhost/?code=x&state=other"
	pasted <- "  " + back + "  "
	close(pasted)
	var complaints []error
	code, err := b.Await(t.Context(), loopback, pasted, func(err error) { complaints = append(complaints, err) })
	if err != nil || len(complaints) != 2 {
		t.Fatalf("Await() = %v, complaints %v", err, complaints)
	}
	if err := b.Finish(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	if err := b.Finish(t.Context(), code); err == nil || !strings.Contains(err.Error(), "begin again") {
		t.Errorf("a code is good twice: %v", err)
	}
	if _, err := b.Code(loopback.Redirect + "?error=access_denied&state=" + b.state); err == nil || !strings.Contains(err.Error(), "refuses the login (access_denied)") {
		t.Errorf("Code() of a refusal = %v", err)
	}
}

// TestDiscoveryIsNotTrusted: no answer to the question where to log in gets the
// login sent to another server, or in the clear.
func TestDiscoveryIsNotTrusted(t *testing.T) {
	document := func(change map[string]string) *http.Response {
		fields := map[string]string{
			"issuer": "https://id.jottacloud.com/auth/realms/jottacloud", "token_endpoint": "https://id.jottacloud.com/token",
			"authorization_endpoint": "https://id.jottacloud.com/auth", "end_session_endpoint": "https://id.jottacloud.com/logout",
		}
		for name, value := range change {
			fields[name] = value
		}
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return answer(200, string(data))
	}
	elsewhere := answer(302, "")
	elsewhere.Header.Set("Location", "https://portal.example/")
	for name, test := range map[string]struct {
		endpoint, link string
		resp           *http.Response
		err            error
		want           string
	}{
		"in the clear":       {"", wellKnown, document(map[string]string{"token_endpoint": "http://id.jottacloud.com/token"}), nil, "another server"},
		"another host":       {"", wellKnown, document(map[string]string{"token_endpoint": "https://evil.example/token"}), nil, "another server"},
		"another port":       {"", wellKnown, document(map[string]string{"token_endpoint": "https://id.jottacloud.com:8443/token"}), nil, "another server"},
		"a user":             {"", wellKnown, document(map[string]string{"token_endpoint": "https://id.jottacloud.com@evil.example/token"}), nil, "another server"},
		"a longer name":      {"", wellKnown, document(map[string]string{"token_endpoint": "https://id.jottacloud.com.evil.example/token"}), nil, "another server"},
		"no address":         {"", wellKnown, document(map[string]string{"token_endpoint": "/token"}), nil, "another server"},
		"another logout":     {"", wellKnown, document(map[string]string{"end_session_endpoint": "https://evil.example/logout"}), nil, "another server"},
		"another page":       {"", wellKnown, document(map[string]string{"authorization_endpoint": "https://evil.example/auth"}), nil, "another server"},
		"another issuer":     {"", wellKnown, document(map[string]string{"issuer": "https://evil.example/"}), nil, "another server"},
		"endpoint leads off": {"http://127.0.0.1:1", wellKnown, document(map[string]string{"token_endpoint": "https://evil.example/token"}), nil, "another server"},
		"endpoint in clear":  {"https://nas.example", "http://nas.example/auth/realms/jottacloud/.well-known/openid-configuration", document(map[string]string{"token_endpoint": "http://nas.example/token"}), nil, "another server"},
		"link in the clear":  {"", "http://id.jottacloud.com/x", document(nil), nil, "set JOTTA_ENDPOINT=http://id.jottacloud.com"},
		"link to a file":     {"", "file:///etc/passwd", document(nil), nil, "not a login token"},
		"portal":             {"", wellKnown, answer(200, "<!DOCTYPE html><title>Wi-Fi</title>"), nil, "answers with a web page"},
		"redirect":           {"", wellKnown, elsewhere, nil, "answers with a web page"},
		"no such realm":      {"", wellKnown, answer(404, `{"error":"Realm does not exist"}`), nil, "has no such login"},
		"cut short":          {"", wellKnown, answer(200, `{"token_endpoint":"https://id`), nil, "cut short"},
		"empty":              {"", wellKnown, answer(200, ``), nil, "not a discovery document"},
		"a clock":            {"", wellKnown, nil, &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "check this computer's clock"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.before = func(req *http.Request) (*http.Response, error) { return test.resp, test.err }
			token, err := ParseLoginToken(tokenFor(test.link))
			if err != nil {
				t.Fatal(err)
			}
			o := w.options()
			o.Endpoint = test.endpoint
			err = LogIn(t.Context(), o, token)
			if err == nil || classOf(err) != record.ClassAuth || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), authToken) {
				t.Errorf("LogIn() = %v, want %q", err, test.want)
			}
			if n := w.posts(); n != 0 {
				t.Errorf("%d requests with secrets were made: %v", n, w.asked)
			}
			if name, err := Profiles(w.dir); err != nil || len(name) != 0 {
				t.Errorf("a login was kept")
			}
		})
	}
}

// TestUsedLoginToken: one that is spent, or unknown, is one clear line.
func TestUsedLoginToken(t *testing.T) {
	w := newWorld(t)
	text := w.loginToken("https://id.jottacloud.com", "ola", "jottacloud")
	token, err := ParseLoginToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := LogIn(t.Context(), w.options(), token); err != nil {
		t.Fatal(err)
	}
	kept, _ := w.options().store().read()
	err = LogIn(t.Context(), w.options(), token)
	if err == nil || classOf(err) != record.ClassAuth || !strings.Contains(err.Error(), "each is good for one login") || strings.Contains(err.Error(), string(token.secret)) {
		t.Errorf("LogIn() = %v", err)
	}
	if now, err := w.options().store().read(); err != nil || now != kept {
		t.Errorf("a login that failed has changed the store: %v", err)
	}
	if out := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(out, string(token.secret)) {
		t.Errorf("the token is printed: %s", out)
	}
}

// TestLogOut: the login is ended at the service, then forgotten; if the service
// cannot be told it is kept.
func TestLogOut(t *testing.T) {
	w := newWorld(t)
	s := w.logIn("ola")
	l, _ := s.store.read()
	w.before = func(*http.Request) (*http.Response, error) { return nil, errors.New("no route to host") }
	if err := LogOut(t.Context(), w.options(), false); err == nil || classOf(err) != record.ClassNetwork || !strings.Contains(err.Error(), "--force") {
		t.Errorf("LogOut() = %v", err)
	}
	w.open()
	w.before = nil
	if err := LogOut(t.Context(), w.options(), false); err != nil {
		t.Fatal(err)
	}
	if err := LogOut(t.Context(), w.options(), false); !errors.Is(err, ErrNoLogin) {
		t.Errorf("LogOut() without a login = %v", err)
	}
	g, err := w.options().grants(l.Client, l.TokenURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, fate, _ := g.byRefresh(context.Background(), l.Refresh); fate != dead {
		t.Errorf("after the logout the token is %v, want dead", fate)
	}
}
