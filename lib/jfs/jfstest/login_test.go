package jfstest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jserve"
)

// logIn turns a personal login token into a login, which uses it up. The login is
// kept as long as the test runs, and renewed like that of the programs.
func logIn(t *testing.T, transport http.RoundTripper, text, endpoint string) (*auth.Session, error) {
	o := auth.Options{Dir: t.TempDir(), Endpoint: endpoint, Transport: func(string) (http.RoundTripper, error) { return transport, nil }}
	token, err := auth.ParseLoginToken(text)
	if err != nil {
		return nil, err
	}
	if err := auth.LogIn(t.Context(), o, token); err != nil {
		return nil, err
	}
	return auth.Open(o)
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
	login, err := logIn(t, transport, token, listener.URL)
	if err != nil {
		t.Fatal(err)
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
}
