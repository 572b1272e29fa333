package jfs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"jottatools/lib/record"
)

// badServer is a listener whose connections all meet the same fate.
type badServer struct {
	net.Listener
	conns atomic.Int64
	wg    sync.WaitGroup
}

// serve deals with each connection by happen, which gets it after the head of a
// request, or at once if raw.
func serve(t *testing.T, raw bool, happen func(net.Conn, *bufio.Reader, *http.Request)) *badServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &badServer{Listener: ln}
	s.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.wg.Go(func() {
				defer conn.Close()
				if raw {
					happen(conn, nil, nil)
					return
				}
				in := bufio.NewReader(conn)
				if req, err := http.ReadRequest(in); err == nil {
					happen(conn, in, req)
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); s.wg.Wait() })
	return s
}

// ample is more than anything within this machine takes. Tests of a wait that has an
// end shorten that one.
var ample = patience{dial: time.Minute, tls: time.Minute, header: time.Minute, stall: time.Minute}

const short = time.Second

// socketTries is how often a request is tried in these tests.
const socketTries = 2

// onSockets returns a client at an address, and its transport.
func onSockets(t *testing.T, endpoint string, p patience) (*Client, *http.Transport) {
	t.Helper()
	guard := newTransport("", p)
	t.Cleanup(guard.CloseIdleConnections)
	c, err := New(Options{Endpoint: endpoint, Credentials: basic{}, Transport: guard, Wrap: func(next http.RoundTripper) http.RoundTripper {
		return Retry(next, RetryOptions{Attempts: socketTries, First: time.Millisecond})
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.user.value = &Customer{Username: "u"}
	transport := guard.next.(*http.Transport)
	transport.Proxy = nil
	return c, transport
}

// bigContent is more than the buffers of a connection hold.
var bigContent = Content{Size: 16 << 20, MD5: strings.Repeat("0", 32)}

var socketRequests = map[string]func(context.Context, *Client) error{
	"look":        func(ctx context.Context, c *Client) error { _, err := c.Stat(ctx, faultPath); return err },
	"tree":        func(ctx context.Context, c *Client) error { _, err := lines(c.ListTree(ctx, faultPath)); return err },
	"make folder": func(ctx context.Context, c *Client) error { return c.MkDir(ctx, faultPath) },
	"download": func(ctx context.Context, c *Client) error {
		body, err := c.Open(ctx, faultPath, 0, 1000)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.Discard, body)
		return err
	},
	"upload": func(ctx context.Context, c *Client) error {
		a := &Allocation{Path: faultPath, Content: bigContent, url: c.api + "/upload?token=opaque"}
		return c.Upload(ctx, a, struct{ io.Reader }{bytes.NewReader(make([]byte, bigContent.Size))})
	},
}

// gone waits until the client has given up.
func gone(conn net.Conn, in io.Reader) {
	if in == nil {
		in = conn
	}
	io.Copy(io.Discard, in)
}

func reset(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0); conn.Close() }

// flood writes the same for ever, that is until the client has had enough.
func flood(conn net.Conn, start, again string) {
	_, err := io.WriteString(conn, start)
	for piece := []byte(strings.Repeat(again, 100)); err == nil; {
		_, err = conn.Write(piece)
	}
}

const begun = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<folder"

// TestSockets: trouble on real connections ends each request in bounded time, with
// an error of class network, or server, that can be retried.
func TestSockets(t *testing.T) {
	var wg sync.WaitGroup // most of them wait
	defer wg.Wait()
	for _, fault := range []struct {
		name   string
		happen func(net.Conn, *bufio.Reader, *http.Request)
		class  record.Class
		says   string // part of the error, if it is always the same
	}{
		{"reset before the body", func(c net.Conn, _ *bufio.Reader, _ *http.Request) { reset(c) }, record.ClassNetwork, ""},
		{"reset during the body", func(c net.Conn, _ *bufio.Reader, r *http.Request) { io.CopyN(io.Discard, r.Body, 100_000); reset(c) }, record.ClassNetwork, ""},
		{"reset after the body", func(c net.Conn, _ *bufio.Reader, r *http.Request) { io.Copy(io.Discard, r.Body); reset(c) }, record.ClassNetwork, ""},
		{"closed after the body", func(c net.Conn, _ *bufio.Reader, r *http.Request) { io.Copy(io.Discard, r.Body) }, record.ClassNetwork, "closed before the answer was complete"},
		{"no answer", func(c net.Conn, in *bufio.Reader, _ *http.Request) { gone(c, in) }, record.ClassNetwork, "timeout awaiting response headers"},
		{"answer stands still", func(c net.Conn, in *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, begun)
			gone(c, in)
		}, record.ClassNetwork, "no data for"},
		{"answer cut short", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, begun)
		}, record.ClassNetwork, "closed before the answer was complete"},
		{"answer reset", func(c net.Conn, in *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, begun)
			reset(c)
		}, record.ClassNetwork, ""},
		{"not HTTP", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, "220 smtp.example ready\r\n")
		}, record.ClassNetwork, ""},
		{"not HTTP, at length", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("\x1b[2J", 30_000)+"\r\n\r\n")
		}, record.ClassNetwork, ""},
		{"web page", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>sign in</html>")
		}, record.ClassServer, "web page"},
		{"redirects", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: "+r.URL.Path+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}, record.ClassNetwork, "sign-in page"},
		{"headers for ever", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			flood(c, "HTTP/1.1 200 OK\r\n", "X-Header: "+strings.Repeat("a", 1000)+"\r\n")
		}, record.ClassNetwork, "response headers exceeded"},
		{"a header for ever", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			flood(c, "HTTP/1.1 200 OK\r\nX: ", "aaaaaaaaaa")
		}, record.ClassNetwork, "response headers exceeded"},
		{"continues for ever", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			flood(c, "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
		}, record.ClassNetwork, ""},
		{"an error for ever", func(c net.Conn, _ *bufio.Reader, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			flood(c, "HTTP/1.1 500 No\r\n\r\n", "<error>")
		}, record.ClassServer, "answered 500"},
	} {
		for name, do := range socketRequests {
			what := fault.name + ", " + name
			wg.Go(func() {
				server := serve(t, false, fault.happen)
				p := ample
				switch fault.name {
				case "no answer":
					p.header = short
				case "answer stands still":
					p.stall = short
				}
				c, _ := onSockets(t, "http://"+server.Addr().String(), p)
				err := do(t.Context(), c)
				if name == "download" && fault.name == "web page" { // content is content, but this is too little of it
					wantError(t, what, err, record.ClassNetwork, true, "")
					return
				}
				wantError(t, what, err, fault.class, true, fault.says)
				if most := int64(socketTries); server.conns.Load() > most || name == "upload" && server.conns.Load() > 1 {
					t.Errorf("%s: %d connections were made", what, server.conns.Load())
				}
			})
		}
	}
}

func wantError(t *testing.T, what string, err error, class record.Class, retry bool, says string) {
	t.Helper()
	var e *Error
	switch text := fmt.Sprint(err); {
	case !errors.As(err, &e) || e.Class != class || e.Retry != retry:
		t.Errorf("%s: error %+v, want one of class %s", what, e, class)
	case !strings.Contains(text, says) || strings.Contains(text, "opaque") || strings.Contains(text, "s3cret"):
		t.Errorf("%s: the error says %q, want %q in it and no secret", what, text, says)
	case len(text) > 2*maxSaid || strings.ContainsFunc(text, unicode.IsControl):
		t.Errorf("%s: the error has %d bytes and says %.200q", what, len(text), text)
	}
}

// TestSilentSocket: a service that takes connections and reads nothing is given up,
// in the middle of a body, too.
func TestSilentSocket(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, do := range socketRequests {
		wg.Go(func() {
			done := make(chan struct{})
			server := serve(t, true, func(net.Conn, *bufio.Reader, *http.Request) { <-done })
			p := ample
			p.header, p.stall = short, short
			c, _ := onSockets(t, "http://"+server.Addr().String(), p)
			err := do(t.Context(), c)
			close(done)
			says := "timeout awaiting response headers"
			if name == "upload" {
				says = "no data for"
			}
			wantError(t, name, err, record.ClassNetwork, true, says)
		})
	}
}

// TestSilentTLS: a service that takes connections and never shows a certificate is given up.
func TestSilentTLS(t *testing.T) {
	done := make(chan struct{})
	server := serve(t, true, func(net.Conn, *bufio.Reader, *http.Request) { <-done })
	defer close(done)
	p := ample
	p.tls = short
	c, _ := onSockets(t, "https://"+server.Addr().String(), p)
	wantError(t, "look", socketRequests["look"](t.Context(), c), record.ClassNetwork, true, "TLS handshake timeout")
}

// TestNoSocket: nobody listens, or the name leads nowhere.
func TestNoSocket(t *testing.T) {
	server := serve(t, true, nil)
	server.Close()
	for name, do := range socketRequests {
		c, _ := onSockets(t, "http://"+server.Addr().String(), ample)
		wantError(t, name, do(t.Context(), c), record.ClassNetwork, true, "connection refused; check the network")
		c, transport := onSockets(t, "http://service.example", ample)
		transport.DialContext = (&net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no name server")
		}}}).DialContext
		err := do(t.Context(), c)
		wantError(t, name, err, record.ClassNetwork, true, "check the network")
		if !strings.Contains(err.Error(), "service.example") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate makes one for a host, signed by itself, from and until some time.
func certificate(t *testing.T, host string, from, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS: what is not the service, or cannot prove it, is sent nothing.
func TestTLS(t *testing.T) {
	now := time.Now()
	const here = "127.0.0.1"
	for _, test := range []struct {
		name        string
		host        string
		from, until time.Time
		trusted     bool
		clock       time.Duration // how far ours is ahead
		says        string
	}{
		{"nobody vouches", here, now.Add(-time.Hour), now.Add(time.Hour), false, 0, "unknown authority"},
		{"another host", "other.example", now.Add(-time.Hour), now.Add(time.Hour), true, 0, "cannot validate certificate"},
		{"expired", here, now.Add(-2 * time.Hour), now.Add(-time.Hour), true, 0, "expired or is not yet valid"},
		{"a clock an hour ahead", here, now.Add(-time.Hour), now.Add(30 * time.Minute), true, time.Hour, "expired or is not yet valid"},
		{"a clock an hour behind", here, now.Add(-30 * time.Minute), now.Add(time.Hour), true, -time.Hour, "expired or is not yet valid"},
		{"all is well", here, now.Add(-time.Hour), now.Add(time.Hour), true, 0, ""},
	} {
		cert, pool := certificate(t, test.host, test.from, test.until)
		if !test.trusted {
			pool = x509.NewCertPool()
		}
		heard := atomic.Int64{}
		server := serve(t, true, func(c net.Conn, _ *bufio.Reader, _ *http.Request) {
			conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				heard.Add(1)
				io.Copy(io.Discard, req.Body)
				io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		})
		for name, do := range socketRequests {
			c, transport := onSockets(t, "https://"+server.Addr().String(), ample)
			transport.TLSClientConfig = &tls.Config{RootCAs: pool, Time: func() time.Time { return now.Add(test.clock) }}
			err := do(t.Context(), c)
			if test.says == "" {
				if !errors.Is(err, ErrNotExist) {
					t.Errorf("%s, %s: %v", test.name, name, err)
				}
				continue
			}
			wantError(t, test.name+", "+name, err, record.ClassNetwork, false, test.says)
			wantError(t, test.name+", "+name, err, record.ClassNetwork, false, "check this computer's clock and certificates")
		}
		if test.says != "" && heard.Load() > 0 {
			t.Errorf("%s: %d requests were sent", test.name, heard.Load())
		}
	}
}

// TestNotTLS: what does not speak TLS is told from what is not trusted.
func TestNotTLS(t *testing.T) {
	for name, test := range map[string]struct {
		happen func(net.Conn, *bufio.Reader, *http.Request)
		says   string
	}{
		"HTTP": {func(c net.Conn, _ *bufio.Reader, _ *http.Request) {
			io.ReadFull(c, make([]byte, 5))
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			gone(c, nil)
		}, "is not encrypted"},
		"another protocol": {func(c net.Conn, _ *bufio.Reader, _ *http.Request) {
			io.WriteString(c, "220 smtp.example ready\r\n")
			gone(c, nil)
		}, "is not encrypted"},
		"silence":       {func(c net.Conn, _ *bufio.Reader, _ *http.Request) { gone(c, nil) }, "TLS handshake timeout"},
		"a closed door": {func(c net.Conn, _ *bufio.Reader, _ *http.Request) { reset(c) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, true, test.happen)
			p := ample
			if name == "silence" {
				p.tls = short
			}
			c, _ := onSockets(t, "https://"+server.Addr().String(), p)
			wantError(t, name, socketRequests["look"](t.Context(), c), record.ClassNetwork, true, test.says)
		})
	}
}

// TestPlainToTLS: a server that is asked without TLS and wants it is called that, once,
// whichever way it says so.
func TestPlainToTLS(t *testing.T) {
	reply := func(text string) string {
		return serve(t, false, func(c net.Conn, _ *bufio.Reader, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, text)
		}).Addr().String()
	}
	page := func(text string) string {
		return fmt.Sprintf("HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
	}
	ours := httptest.NewUnstartedServer(http.NotFoundHandler())
	ours.Config.ErrorLog = log.New(io.Discard, "", 0)
	ours.StartTLS()
	t.Cleanup(ours.Close)
	for name, address := range map[string]string{
		"Go":       ours.Listener.Addr().String(),
		"nginx":    reply(page("<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>")),
		"Apache":   reply(page("<!DOCTYPE HTML><p>Your browser sent a request that this server could not understand.<br />\nReason: You're speaking plain HTTP to an SSL-enabled server port.")),
		"an alert": reply("\x15\x03\x01\x00\x02\x02\x16"),
	} {
		for what, do := range socketRequests {
			if what == "upload" && name == "Go" {
				continue // it hangs up before it has read all of that; no run begins with an upload
			}
			c, _ := onSockets(t, "http://"+address, ample)
			err := do(t.Context(), c)
			var e *Error
			if !errors.As(err, &e) || e.Class != record.ClassNetwork || e.Retry || !strings.Contains(e.Message, "write https:// in place of http:// in JOTTA_ENDPOINT") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}
