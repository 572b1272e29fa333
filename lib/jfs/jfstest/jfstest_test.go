package jfstest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jfs/jfstest"
	"jottatools/lib/jserve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJserve(t *testing.T) {
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
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
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	jfstest.Run(t, client, "/Jotta/Archive/jfstest")
}

// The real service is tested if JOTTATOOLS_TEST_ROOT names a mount point of the
// account whose login is in the environment, such as /Jotta/Archive.
func TestService(t *testing.T) {
	root := os.Getenv("JOTTATOOLS_TEST_ROOT")
	if root == "" {
		t.Skip("JOTTATOOLS_TEST_ROOT is not set")
	}
	p, err := jfs.ParsePath(root)
	if err != nil {
		t.Fatal(err)
	}
	login, err := auth.Find()
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
	jfstest.Run(t, client, p.Join(fmt.Sprintf("jfstest %d", time.Now().UnixNano())))
}
