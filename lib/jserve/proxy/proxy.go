// Package proxy lets programs that were made for a service talk to a server on
// this machine instead, unchanged: an HTTP proxy that answers for the service's
// host names itself, with certificates of its own.
//
// It forwards nothing. It opens no connections, and refuses every host that it does
// not answer for. It asks for no password, so it listens on loopback only.
package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Limits on what a connection may cost.
const (
	headerTimeout = 10 * time.Second // to send a request's header, or to shake hands
	idleTimeout   = 2 * time.Minute  // between requests
	drainTimeout  = 5 * time.Second  // for requests under way when the proxy is stopped
	maxHeader     = 64 << 10         // bytes
)

// Config says what a proxy answers, and for whom. All but Log are needed.
type Config struct {
	Handler http.Handler           // answers in the service's place
	CA      *CA                    // signs the certificates
	Serves  func(host string) bool // whether host, in lower case and without port, is one of the service's names
	Log     *slog.Logger           // nil means none
}

// ErrAddress is the error of an address that a proxy does not listen on.
var ErrAddress = errors.New("it asks no password, so it listens on this machine only; write 127.0.0.1:PORT")

// Listen opens a listener for a proxy. It fails with ErrAddress unless addr is on
// loopback.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w (%w)", addr, ErrAddress, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("proxy %s: %w", addr, ErrAddress)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return ln, nil
}

// Serve answers on ln until ctx ends, then gives requests under way a few
// seconds to finish. It closes ln, and returns nil after a requested end.
func Serve(ctx context.Context, ln net.Listener, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &proxy{cfg: cfg, encrypted: newTunnels(ln.Addr()), plain: newTunnels(ln.Addr())}
	listeners := []net.Listener{ln, tls.NewListener(p.encrypted, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate}), p.plain}
	handlers := []http.Handler{http.HandlerFunc(p.answer), cfg.Handler, cfg.Handler}
	servers := make([]*http.Server, len(listeners))
	served := make(chan error, len(listeners))
	for i, handler := range handlers {
		servers[i] = &http.Server{
			Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			Protocols: new(http.Protocols),
			ErrorLog:  slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		}
		servers[i].Protocols.SetHTTP1(true) // and not HTTP/2, until the server that Go has for it is mended
		go func() { served <- servers[i].Serve(listeners[i]) }()
	}
	var failed error
	running := len(listeners)
	select {
	case err := <-served:
		failed = fmt.Errorf("proxy %s: %w", ln.Addr(), err)
		running--
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	for _, hs := range servers { // the first hands connections to the others
		if err := hs.Shutdown(drain); err != nil {
			_ = hs.Close() // whoever is still at it is cut off
		}
	}
	for range running {
		<-served
	}
	return failed
}

type proxy struct {
	cfg              Config
	encrypted, plain *tunnels // connections that CONNECT opened to port 443, and to port 80
}

// hostPort splits an authority. The host is in lower case, without a final dot.
func hostPort(authority, defaultPort string) (host, port string) {
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		host, port = authority, defaultPort
	}
	return strings.TrimSuffix(strings.ToLower(host), "."), port
}

// answer takes what clients send to a proxy: CONNECT, or a request with an
// absolute URL.
func (p *proxy) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	if !r.URL.IsAbs() {
		http.Error(w, "This is a proxy: set HTTPS_PROXY to its address, and ask for the service's own URLs.", http.StatusBadRequest)
		return
	}
	host, _ := hostPort(r.URL.Host, "80")
	if r.URL.Scheme != "http" || !p.cfg.Serves(host) {
		p.refuse(w, r.URL.Host)
		return
	}
	r.Host = r.URL.Host
	p.cfg.Handler.ServeHTTP(w, r)
}

func (p *proxy) refuse(w http.ResponseWriter, host string) {
	p.cfg.Log.Info("proxy refused", "host", host)
	http.Error(w, fmt.Sprintf("This proxy answers only for the names of the service; %q is not one of them.", host), http.StatusForbidden)
}

// connect hands the client's connection to the server that speaks what the port
// is for.
func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port := hostPort(r.Host, "443")
	to := p.encrypted
	if port == "80" {
		to = p.plain
	}
	if !p.cfg.Serves(host) || port != "443" && port != "80" {
		p.refuse(w, r.Host)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "This connection cannot become a tunnel.", http.StatusInternalServerError)
		return
	}
	_ = conn.SetDeadline(time.Now().Add(headerTimeout))
	_, err = conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	if err == nil {
		err = conn.SetDeadline(time.Time{}) // the next server sets its own
	}
	if err != nil || !to.put(&tunnel{Conn: conn, early: buffered.Reader, host: host}) {
		conn.Close()
	}
}

// certificate finds the one for the name a client asks for, or for the host of
// its CONNECT if it names none.
func (p *proxy) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := strings.ToLower(hello.ServerName)
	if t, ok := hello.Conn.(*tunnel); ok && host == "" {
		host = t.host
	}
	if !p.cfg.Serves(host) {
		return nil, fmt.Errorf("no certificate for %q", host)
	}
	return p.cfg.CA.Certificate(host)
}

// tunnel is a connection after CONNECT.
type tunnel struct {
	net.Conn
	early *bufio.Reader // may hold what the client sent without waiting for the answer
	host  string        // that CONNECT named
}

func (t *tunnel) Read(b []byte) (int, error) {
	if t.early != nil && t.early.Buffered() > 0 {
		return t.early.Read(b[:min(len(b), t.early.Buffered())])
	}
	t.early = nil
	return t.Conn.Read(b)
}

// tunnels is a listener for connections that are there already.
type tunnels struct {
	addr   net.Addr
	conns  chan net.Conn // without a buffer: what is in it has an owner
	closed chan struct{}
	once   sync.Once
}

func newTunnels(addr net.Addr) *tunnels {
	return &tunnels{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// put hands over a connection; false if nobody takes it any more.
func (t *tunnels) put(c net.Conn) bool {
	select {
	case t.conns <- c:
		return true
	case <-t.closed:
		return false
	}
}

// Accept implements net.Listener.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// Addr implements net.Listener.
func (t *tunnels) Addr() net.Addr { return t.addr }
