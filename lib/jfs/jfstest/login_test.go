package jfstest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/jserve"
)

// bearer signs requests with the access token of one login. It is never
// refreshed: it is good for about an hour, and the suite needs minutes.
type bearer struct{ token string }

func (b bearer) Authorize(_ context.Context, req *http.Request) error {
	req.Header.Set("Authorization", "Bearer "+b.token)
	return nil
}

// Format hides the token from whatever prints a bearer.
func (bearer) Format(f fmt.State, _ rune) { io.WriteString(f, "bearer") }

// loginToken is what a personal login token says (docs/protocol.md, section 4.1).
type loginToken struct {
	Username  string `json:"username"`
	WellKnown string `json:"well_known_link"`
	AuthToken string `json:"auth_token"`
}

var errLoginToken = errors.New("read the login token: it is not one; copy it whole from the web interface")

// parseLoginToken takes either alphabet of base64, padded or not, with white
// space anywhere. The errors of the decoders quote what they read, so none is
// passed on.
func parseLoginToken(text string) (t loginToken, err error) {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	raw, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(text))
	if err != nil {
		return t, errLoginToken
	}
	if json.Unmarshal(raw, &t) != nil || t.Username == "" || t.WellKnown == "" || t.AuthToken == "" {
		return loginToken{}, errLoginToken
	}
	return t, nil
}

// logIn turns a personal login token into credentials, which uses it up. No
// error holds any part of it, nor anything that the service said.
func logIn(ctx context.Context, transport http.RoundTripper, text string) (jfs.Credentials, error) {
	token, err := parseLoginToken(text)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   time.Minute,
		// What redirects must not get to see the secret.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var discovery struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := ask(ctx, client, "look the login up", http.MethodGet, token.WellKnown, nil, &discovery); err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type": {"password"}, "client_id": {"jottacli"}, "scope": {"openid offline_access"},
		"username": {token.Username}, "password": {token.AuthToken},
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := ask(ctx, client, "log in", http.MethodPost, discovery.TokenEndpoint, form, &answer); err != nil {
		return nil, err
	}
	if answer.AccessToken == "" {
		return nil, errors.New("log in: the answer has no access token")
	}
	return bearer{answer.AccessToken}, nil
}

// ask sends one request of the login and decodes the answer into v.
func ask(ctx context.Context, client *http.Client, op, method, address string, form url.Values, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil || req.URL.Scheme != "https" && !loopback(req.URL) {
		return fmt.Errorf("%s: the address is not https", op)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // the address comes out of the token
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d; a login token is good for one login, make a new one", op, resp.StatusCode)
	}
	if json.Unmarshal(body, v) != nil {
		return fmt.Errorf("%s: the answer is not understood", op)
	}
	return nil
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// newLoginToken has a jserve make a login token, as a user does on the web.
func newLoginToken(t *testing.T, transport http.RoundTripper, server string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/_jserve/login-token", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("tester", "secret")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("login token: status %d, %v", resp.StatusCode, err)
	}
	return string(body)
}

// The way of TestRealService, from the login token to the scratch folder that is
// gone, with a jserve for the service.
func TestLoginToken(t *testing.T) {
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	var signed atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			signed.Add(1)
		}
		server.ServeHTTP(w, r)
	}))
	transport := newTransport(t)
	t.Cleanup(func() {
		listener.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("Suite", func(t *testing.T) {
		runLoginToken(t, newLoginToken(t, transport, listener.URL), listener.URL)
	})
	if signed.Load() == 0 {
		t.Error("no request had the access token")
	}

	token := newLoginToken(t, transport, listener.URL)
	login, err := logIn(t.Context(), transport, token)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s %q %x", login, login, login, login, login, login); strings.Contains(shown, login.(bearer).token) {
		t.Error("the access token is printed")
	}
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, entries, err := client.List(t.Context(), scratchIn); err != nil || len(entries) != 0 {
		t.Errorf("List = %v, %v; want nothing left", entries, err)
	}
	for info, err := range client.Trashed(t.Context()) {
		t.Errorf("the trash has %v, %v; want it empty", info, err)
	}
	if _, err := logIn(t.Context(), transport, token); err == nil {
		t.Error("a login token is good twice")
	} else {
		hides(t, err, token)
	}
}

func TestParseLoginToken(t *testing.T) {
	// Encoded it has both characters in which the alphabets differ, and padding.
	want := loginToken{Username: "u?>~", WellKnown: "https://id.example/~?>", AuthToken: "s3cret??>>>~~"}
	raw, err := json.Marshal(map[string]string{"username": want.Username, "realm": "ÿþ", "well_known_link": want.WellKnown, "auth_token": want.AuthToken})
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.ReplaceAll(raw, []byte(`\u003e`), []byte(">"))
	for len(raw)%3 != 1 {
		raw = append(raw, ' ')
	}
	std := base64.StdEncoding.EncodeToString(raw)
	if !strings.ContainsAny(std, "+/") || !strings.HasSuffix(std, "==") {
		t.Fatalf("%s does not show the difference", std)
	}
	for _, text := range []string{
		std, base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		" " + std[:10] + "\r\n\t" + std[10:] + "\n",
	} {
		if got, err := parseLoginToken(text); err != nil || got != want {
			t.Errorf("parseLoginToken(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// encode makes a login token for a service of its own.
func encode(wellKnown string) string {
	raw, err := json.Marshal(loginToken{"tester", wellKnown, authToken})
	if err != nil {
		panic(err) // strings alone
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

const authToken = "5ecre7ffffffffffffffffffffffffff"

// hides fails the test if an error shows the token or its secret.
func hides(t *testing.T, err error, token string) {
	t.Helper()
	token = strings.TrimSpace(token)
	secret := authToken
	if parsed, err := parseLoginToken(token); err == nil {
		secret = parsed.AuthToken
	}
	if token != "" && strings.Contains(err.Error(), token) || strings.Contains(err.Error(), secret) {
		t.Errorf("the error shows the token: %v", err)
	}
}

func TestLoginErrors(t *testing.T) {
	var listener *httptest.Server
	listener = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case part == "elsewhere":
			t.Errorf("a redirect was followed: %s", r.URL)
		case part == "down":
			panic(http.ErrAbortHandler)
		case part == "lost":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case part == "html":
			fmt.Fprint(w, "<html>", authToken)
		case part == "insecure":
			fmt.Fprint(w, `{"token_endpoint":"http://id.example/token"}`)
		case rest == "":
			fmt.Fprintf(w, `{"token_endpoint":%q}`, listener.URL+"/"+part+"/token")
		case part == "refused":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, r.PostFormValue("password"))
		case part == "moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case part == "odd":
			fmt.Fprintf(w, `{"access_token":["%s"]}`, r.PostFormValue("password"))
		case part == "empty":
			fmt.Fprint(w, `{}`)
		}
	}))
	t.Cleanup(listener.Close)
	transport := newTransport(t)
	tests := map[string]string{
		"":               "not one",
		"%%" + authToken: "not one",
		authToken:        "not one", // no JSON
		base64.RawURLEncoding.EncodeToString([]byte(`{"username":"u","auth_token":"` + authToken + `"}`)):                     "not one",
		base64.RawURLEncoding.EncodeToString([]byte(`{"username":"u","well_known_link":7,"auth_token":"` + authToken + `"}`)): "not one",

		encode("http://id.example/" + authToken):    "not https",
		encode("://" + authToken):                   "not https",
		encode("file:///" + authToken):              "not https",
		encode(listener.URL + "/down?" + authToken): "look the login up",
		encode(listener.URL + "/lost?" + authToken): "status 307",
		encode(listener.URL + "/html"):              "not understood",
		encode(listener.URL + "/refused"):           "status 401",
		encode(listener.URL + "/moved"):             "status 307",
		encode(listener.URL + "/odd"):               "not understood",
		encode(listener.URL + "/empty"):             "no access token",
		encode(listener.URL + "/insecure"):          "log in: the address is not https",
	}
	for token, want := range tests {
		login, err := logIn(t.Context(), transport, token)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("logIn(%q) = %v, %v, want an error with %q", token, login, err, want)
			continue
		}
		hides(t, err, token)
	}
}
