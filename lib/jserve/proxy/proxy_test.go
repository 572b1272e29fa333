package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var domains = []string{"example.com", "up.example.org"}

func serves(host string) bool { return host == "example.com" || host == "jfs.example.com" }

// world is a proxy before a handler that tells what it was asked.
type world struct {
	addr string
	ca   *CA
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ca, err := OpenCA(t.TempDir(), domains)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, scheme+" "+r.Host+" "+r.URL.EscapedPath()+" "+string(body))
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, ln, Config{Handler: handler, CA: ca, Serves: serves}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &world{ln.Addr().String(), ca}
}

// client is one that has the proxy set and the CA trusted.
func (w *world) client(t *testing.T) *http.Client {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(w.ca.PEM()) {
		t.Fatal("the CA's PEM holds no certificate")
	}
	transport := &http.Transport{
		Proxy:           http.ProxyURL(&url.URL{Scheme: "http", Host: w.addr}),
		TLSClientConfig: &tls.Config{RootCAs: pool},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestAnswersForTheService(t *testing.T) {
	w := newWorld(t)
	client := w.client(t)
	for target, want := range map[string]string{
		"https://example.com/a%2Fb":      "https example.com /a%2Fb body",
		"https://JFS.example.com/":       "https JFS.example.com / body",
		"https://example.com:443/x":      "https example.com:443 /x body",
		"http://jfs.example.com/jfs/u/a": "http jfs.example.com /jfs/u/a body",
		"http://example.com:80/":         "http example.com:80 / body",
	} {
		resp, err := client.Post(target, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := string(body); err != nil || !strings.EqualFold(got, want) {
			t.Errorf("%s: %q, %v, want %q", target, got, err, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	w := newWorld(t)
	for request, want := range map[string]string{
		"CONNECT example.net:443 HTTP/1.1\r\nHost: example.net:443":            "403",
		"CONNECT xexample.com:443 HTTP/1.1\r\nHost: xexample.com:443":          "403",
		"CONNECT example.com:22 HTTP/1.1\r\nHost: example.com:22":              "403",
		"CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: example.com:443":              "403",
		"GET http://example.net/ HTTP/1.1\r\nHost: example.com":                "403",
		"GET https://example.com/ HTTP/1.1\r\nHost: example.com":               "403",
		"GET / HTTP/1.1\r\nHost: example.com":                                  "400",
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443":            "200",
		"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80":              "200",
		"GET http://example.com/ HTTP/1.1\r\nHost: other\r\nConnection: close": "200",
	} {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, request+"\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if err != nil || !strings.Contains(line, " "+want+" ") {
			t.Errorf("%q: %q, %v, want %s", request, line, err, want)
		}
	}
}

// A client may shake hands without waiting for the answer to CONNECT, and may
// ask for a name that it did not connect to.
func TestEarlyHandshake(t *testing.T) {
	w := newWorld(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.ca.PEM())
	for name, good := range map[string]bool{"example.com": true, "jfs.example.com": true, "example.net": false} {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		eager := &eagerConn{Conn: conn, head: []byte("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")}
		eager.in = bufio.NewReader(conn)
		secure := tls.Client(eager, &tls.Config{RootCAs: pool, ServerName: name})
		err = secure.Handshake()
		if (err == nil) != good {
			t.Errorf("handshake as %s: %v", name, err)
		}
		conn.Close()
	}
}

// eagerConn sends a head along with the first bytes, and skips the answer to it.
type eagerConn struct {
	net.Conn
	head []byte
	in   *bufio.Reader
	skip sync.Once
}

func (c *eagerConn) Write(p []byte) (int, error) {
	_, err := c.Conn.Write(append(c.head, p...))
	c.head = nil
	return len(p), err
}

func (c *eagerConn) Read(p []byte) (int, error) {
	c.skip.Do(func() {
		for {
			if line, err := c.in.ReadString('\n'); err != nil || line == "\r\n" {
				return
			}
		}
	})
	return c.in.Read(p)
}

func TestCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	// Whoever comes first makes it; all get the same.
	var wg sync.WaitGroup
	cas := make([]*CA, 4)
	for i := range cas {
		wg.Go(func() {
			ca, err := OpenCA(dir, domains)
			if err != nil {
				t.Error(err)
			}
			cas[i] = ca
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, ca := range cas[1:] {
		if string(ca.PEM()) != string(cas[0].PEM()) {
			t.Error("two CAs for one directory")
		}
	}
	if strings.Contains(string(cas[0].PEM()), "PRIVATE") {
		t.Error("the PEM holds the key")
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if info, err := os.Stat(filepath.Join(dir, caFile)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}

	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cas[0].PEM())
	for host, good := range map[string]bool{"example.com": true, "a.b.example.com": true, "up.example.org": true, "example.org": false, "notexample.com": false} {
		leaf, err := cas[0].Certificate(host)
		if err != nil {
			t.Fatal(err)
		}
		_, err = leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host})
		if (err == nil) != good {
			t.Errorf("certificate for %s: %v", host, err)
		}
		if again, _ := cas[0].Certificate(host); again != leaf {
			t.Errorf("a second certificate for %s", host)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, caFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(dir, domains); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("damaged CA: %v", err)
	}
}

func TestListen(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:0", "[::]:0", "127.0.0.1"} {
		if ln, err := Listen(addr); !errors.Is(err, ErrAddress) {
			t.Errorf("Listen(%s) = %v, %v", addr, ln, err)
		}
	}
}
