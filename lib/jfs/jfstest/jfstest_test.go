package jfstest_test

import (
	"crypto/rand"
	"errors"
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

// newClient starts a jserve, which goes wrong as the rules say, and returns a
// client of it.
func newClient(t *testing.T, old *jfs.OldAPI, faults string) *jfs.Client {
	t.Helper()
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}, Faults: faults})
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
	wrap := func(next http.RoundTripper) http.RoundTripper {
		if faults == "" {
			return next // nothing is to be repeated
		}
		return jfs.Retry(next, jfs.RetryOptions{First: time.Microsecond})
	}
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport, Wrap: wrap, Old: old})
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
	c := newClient(t, nil, "")
	jfstest.Run(t, c, root, jfstest.Options{})
	jfstest.RunAccount(t, c, jfstest.AccountOptions{})
}

func TestJserveOldRaw(t *testing.T) {
	c := newClient(t, &jfs.OldAPI{User: "tester"}, "")
	jfstest.Run(t, c, root, jfstest.Options{NoEvents: true})
	jfstest.RunAccount(t, c, jfstest.AccountOptions{NoEmptyTrash: true})
}

func TestJserveOldMultipart(t *testing.T) {
	c := newClient(t, &jfs.OldAPI{User: "tester", Multipart: true}, "")
	jfstest.Run(t, c, root, jfstest.Options{NoResume: true, NoEvents: true})
}

// With Retry around it the client does the same over a bad line: answers are lost
// and requests refused. Copies stay in the trash, as on the real service.
func TestJserveBadLine(t *testing.T) {
	const faults = `cp:trash-copy
		mv:cut-out=0:every=2, mvdir:cut-out=0:every=2, mv:503:every=3, mvdir:500:every=3
		mkdir:503:every=3, dl:503:every=2, dldir:502:every=3, cphash:504:every=4, stat:503:every=5, allocate:500:every=4
		share:509:every=2, links:503:every=2, download:503:every=3, liststream:429:every=3, list:502:every=2`
	jfstest.Run(t, newClient(t, nil, faults), root, jfstest.Options{})
}

// A listing whose counts are wrong is refused, and going folder by folder helps.
func TestJserveShortListing(t *testing.T) {
	c := newClient(t, nil, "liststream:count")
	if err := c.MkDir(t.Context(), root+"/a/b"); err != nil {
		t.Fatal(err)
	}
	a, err := c.Allocate(t.Context(), root+"/a/f", jfs.Content{MD5: "d41d8cd98f00b204e9800998ecf8427e"})
	if err == nil && !a.Uploaded {
		err = c.Upload(t.Context(), a, strings.NewReader(""))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, err = range c.ListTree(t.Context(), root) {
	}
	if !errors.Is(err, jfs.ErrListing) {
		t.Errorf("ListTree ends with %v, want ErrListing", err)
	}
	n := 0
	for _, err := range c.WalkTree(t.Context(), root) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 3 {
		t.Errorf("WalkTree has %d entries, want 3", n)
	}
}

// A service that takes passwords is tested if JOTTATOOLS_TEST_ROOT names a mount
// point of the account whose login is in the environment, such as
// /Jotta/Archive.
func TestService(t *testing.T) {
	root := os.Getenv("JOTTATOOLS_TEST_ROOT")
	if root == "" {
		t.Skip("JOTTATOOLS_TEST_ROOT is not set: nothing was run against a service that takes passwords")
	}
	login, err := auth.Find(auth.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	runService(t, root, fmt.Sprintf("jfstest %d", time.Now().UnixNano()), login, os.Getenv("JOTTA_ENDPOINT"))
}

// scratchIn is where the real service is tested, in a folder of its own.
const scratchIn = "/Jotta/Archive"

// The real service is tested in a scratch folder if JOTTA_TEST_LOGIN_TOKEN holds
// a personal login token of an account. The token is good for one run. If the
// run is killed, the folder jottatools-test-… stays behind.
func TestRealService(t *testing.T) {
	token := os.Getenv("JOTTA_TEST_LOGIN_TOKEN")
	if token == "" {
		t.Skip("JOTTA_TEST_LOGIN_TOKEN is not set: nothing was run against the real service")
	}
	runLoginToken(t, token, os.Getenv("JOTTA_ENDPOINT"))
}

// runLoginToken runs the suite with the account of a login token, in a scratch
// folder that is removed for good at the end.
func runLoginToken(t *testing.T, token, endpoint string) {
	login, err := logIn(t, newTransport(t), token, endpoint)
	if err != nil {
		t.Fatal(err)
	}
	runService(t, scratchIn, "jottatools-test-"+rand.Text(), login, endpoint)
}

// runService runs the suite in the folder name below root, which Run removes.
func runService(t *testing.T, root, name string, login jfs.Credentials, endpoint string) {
	p, err := jfs.ParsePath(root)
	if err != nil {
		t.Fatal(err)
	}
	client, err := jfs.New(jfs.Options{
		Endpoint: endpoint, Credentials: login, Transport: newTransport(t),
		Wrap: func(next http.RoundTripper) http.RoundTripper { return jfs.Retry(next, jfs.RetryOptions{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	jfstest.Run(t, client, p.Join(name), jfstest.Options{})
}

// newTransport returns a transport whose connections end with the test.
func newTransport(t *testing.T) http.RoundTripper {
	transport := jfs.NewTransport("")
	t.Cleanup(transport.(interface{ CloseIdleConnections() }).CloseIdleConnections)
	return transport
}
