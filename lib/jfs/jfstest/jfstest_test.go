package jfstest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jfs/jfstest"
	"jottatools/lib/jserve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient starts a jserve and returns a client of it.
func newClient(t *testing.T, old *jfs.OldAPI) *jfs.Client {
	t.Helper()
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = server
	if old != nil {
		handler = onlyOld(server)
	}
	listener := httptest.NewServer(handler)
	transport := jfs.NewTransport("")
	t.Cleanup(func() {
		transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		listener.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	login, err := auth.NewBasic("tester", "secret")
	if err != nil {
		t.Fatal(err)
	}
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport, Old: old})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// onlyOld is a service before 2018: there are no JSON requests.
func onlyOld(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/jfs/") && !strings.HasPrefix(r.URL.Path, "/opin/") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const root = "/Jotta/Archive/jfstest"

func TestJserve(t *testing.T) {
	c := newClient(t, nil)
	jfstest.Run(t, c, root, jfstest.Options{})
	jfstest.RunAccount(t, c, jfstest.AccountOptions{})
}

func TestJserveOldRaw(t *testing.T) {
	c := newClient(t, &jfs.OldAPI{User: "tester"})
	jfstest.Run(t, c, root, jfstest.Options{})
	jfstest.RunAccount(t, c, jfstest.AccountOptions{NoEmptyTrash: true})
}

func TestJserveOldMultipart(t *testing.T) {
	c := newClient(t, &jfs.OldAPI{User: "tester", Multipart: true})
	jfstest.Run(t, c, root, jfstest.Options{NoResume: true})
}

// A service that takes passwords is tested if JOTTATOOLS_TEST_ROOT names a mount
// point of the account whose login is in the environment, such as
// /Jotta/Archive.
func TestService(t *testing.T) {
	root := os.Getenv("JOTTATOOLS_TEST_ROOT")
	if root == "" {
		t.Skip("JOTTATOOLS_TEST_ROOT is not set: nothing was run against a service that takes passwords")
	}
	login, err := auth.Find()
	if err != nil {
		t.Fatal(err)
	}
	runService(t, root, login)
}

// The real service is tested in a scratch folder if JOTTA_TEST_LOGIN_TOKEN holds
// a personal login token of an account.
func TestRealService(t *testing.T) {
	if os.Getenv("JOTTA_TEST_LOGIN_TOKEN") == "" {
		t.Skip("JOTTA_TEST_LOGIN_TOKEN is not set: nothing was run against the real service")
	}
	t.Skip("package auth cannot use login tokens yet: nothing was run against the real service")
}

func runService(t *testing.T, root string, login jfs.Credentials) {
	p, err := jfs.ParsePath(root)
	if err != nil {
		t.Fatal(err)
	}
	transport := jfs.NewTransport("")
	t.Cleanup(transport.(interface{ CloseIdleConnections() }).CloseIdleConnections)
	client, err := jfs.New(jfs.Options{
		Endpoint: os.Getenv("JOTTA_ENDPOINT"), Credentials: login, Transport: transport,
		Wrap: func(next http.RoundTripper) http.RoundTripper { return jfs.Retry(next, jfs.RetryOptions{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	jfstest.Run(t, client, p.Join(fmt.Sprintf("jfstest %d", time.Now().UnixNano())), jfstest.Options{})
}
