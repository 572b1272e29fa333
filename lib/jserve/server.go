// Package jserve is a Jottacloud-compatible server: the HTTP side of the
// protocol described in docs/protocol.md, over the accounts kept by lib/jserve/store.
//
// It is a real store, meant for keeping backups on one's own disk, for the
// tests of this toolkit, and for authors of other clients. It is not a proxy
// to the real service and shares no accounts with it.
//
// One handler answers for all of the service's hosts; their paths are disjoint
// (docs/protocol.md, section 1). In a test:
//
//	srv, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "u", Password: "p"}}})
//	…
//	defer srv.Close()
//	ts := httptest.NewServer(srv)
package jserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"jottatools/lib/jserve/store"
)

// User is an account the server lets in.
type User struct {
	Name     string // as in paths; letter case does not matter
	Password string // for HTTP Basic; must not be empty
	Email    string // optional second login name
	Quota    int64  // bytes; 0 or less means unlimited
}

// Config says what a server keeps and for whom. Dir and Users are needed.
type Config struct {
	Dir   string
	Users []User

	// ExternalURL begins the absolute URLs in answers, such as upload targets.
	// Empty means the host that the request was sent to.
	ExternalURL string
	// Host is the node name shown in answers; empty means "jserve".
	Host string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// TokenTTL is how long access tokens are good; 0 means an hour.
	TokenTTL time.Duration
	// Latency is waited before each answer.
	Latency time.Duration
	// Rate limits how fast bodies come and go.
	Rate Rate
	// Faults are rules by which requests go wrong on purpose, in the grammar of
	// docs/jserve.md, and Seed decides which ones do.
	Faults string
	Seed   uint64
	// SharedDedup gives an account the contents of others for their digests alone.
	// Without it, an account has to have sent a content before it gets it so.
	SharedDedup bool
	// AllowFaults lets any account change those while the server runs, at
	// /_jserve/faults.
	AllowFaults bool
	// Log gets a line for each failed request, at level Error if that was the
	// server's own trouble; nil means none.
	Log *slog.Logger
}

// Limits on what a connection may cost.
const (
	headerTimeout = 10 * time.Second // to send the request's header
	idleTimeout   = 2 * time.Minute  // between requests
	formTimeout   = time.Minute      // to send the whole body, unless it is content
	stallTimeout  = time.Minute      // without a byte moving in a content, either way
	drainTimeout  = 5 * time.Second  // for requests under way when the server is stopped
	maxForm       = 64 << 10         // body of a command or of allocate, in bytes
)

// Server answers requests. It is safe for concurrent use.
type Server struct {
	cfg   Config
	store *store.Store
	users map[string]*account // by folded name and folded e-mail address
	stats stats
	login logins
	sites *http.CrossOriginProtection // whose pages may ask for changes

	trouble   trouble
	announcer announcer
	thumbs    chan struct{} // holds a place for each thumbnail being made
}

// New opens the store in cfg.Dir and makes the accounts that are not there yet.
// Close must be called when no request is under way any more.
func New(cfg Config) (*Server, error) {
	if cfg.Host == "" {
		cfg.Host = "jserve"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	users, err := accounts(cfg.Users)
	if err != nil {
		return nil, err
	}
	rules, err := parseFaults(cfg.Faults)
	if err != nil {
		return nil, err
	}
	st, err := store.Open(cfg.Dir, store.Options{Now: cfg.Now, SharedDedup: cfg.SharedDedup})
	if err != nil {
		return nil, err
	}
	for _, u := range cfg.Users {
		err := st.EnsureUser(u.Name)
		var stored store.Entry
		if err == nil {
			stored, err = st.Stat(u.Name, nil)
		}
		if err != nil {
			return nil, errors.Join(err, st.Close())
		}
		users[store.Fold(u.Name)].name = stored.Name // as first spelled
	}
	s := &Server{thumbs: make(chan struct{}, 1), cfg: cfg, store: st, users: users, sites: ownSites(cfg.ExternalURL)}
	if err := s.login.open(st, cfg.TokenTTL); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	for _, u := range cfg.Users {
		if err := s.endOldLogins(users[store.Fold(u.Name)], u.Password); err != nil {
			return nil, errors.Join(err, st.Close())
		}
	}
	s.announcer.open(st)
	s.trouble.setRules(rules, cfg.Seed)
	s.trouble.setPace(cfg.Latency, cfg.Rate)
	return s, nil
}

// Close ends the conversations of those who listen for events, and closes the store.
func (s *Server) Close() error {
	s.announcer.close()
	return s.store.Close()
}

// Handler returns the server as an http.Handler, which it is.
func (s *Server) Handler() http.Handler { return s }

// Serve answers on ln until ctx ends, then gives requests under way a few
// seconds to finish. It closes ln, and returns nil after a requested end.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	hs := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		Protocols:         new(http.Protocols),
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	hs.Protocols.SetHTTP1(true) // and not HTTP/2, until the server that Go has for it is mended
	served := make(chan error, 1)
	go func() { served <- hs.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	s.announcer.stop() // Shutdown does not know of them
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := hs.Shutdown(drain); err != nil {
		_ = hs.Close() // whoever is still at it is cut off; uploads can be resumed
	}
	<-served
	return nil
}

// call is one request on its way through the server.
type call struct {
	*Server
	w       *response
	r       *http.Request
	body    *requestBody // what r.Body began as
	user    *account
	session string // the login that user came by
	realm   string // of a login; empty elsewhere
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Server: s, r: r}
	c.w = &response{ResponseWriter: w, stats: &s.stats, control: http.NewResponseController(w)}
	c.w.extend()
	if r.Body != nil && r.Body != http.NoBody {
		c.body = &requestBody{ReadCloser: r.Body, call: c, due: time.Now().Add(formTimeout)}
		r.Body, c.w.body = c.body, c.body
		// Also for what net/http reads of a body that no handler wants, before or
		// after the answer.
		_ = c.w.control.SetReadDeadline(c.body.due)
	}
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	rt := c.route()
	err := c.disturb()
	if err != nil && r.Context().Err() != nil {
		return // the client did not want to wait
	}
	if err == nil {
		err = rt.serve(c)
		c.sever()
	}
	if err == nil {
		return
	}
	level := slog.LevelInfo
	gone := r.Context().Err() != nil // a client that does not wait is nobody's trouble
	if asFailure(err).ours && !c.w.begun && !gone || errors.Is(err, syscall.ENOSPC) {
		level = slog.LevelError
	}
	s.cfg.Log.Log(r.Context(), level, "request failed", "method", r.Method, "path", loggable(r), "error", err)
	if c.w.begun {
		// A listing or download broke off in the middle. The client must not
		// take what it has for the whole, so the connection ends with it.
		panic(http.ErrAbortHandler)
	}
	c.fail(rt.style, err)
}

// response counts the bytes of an answer and limits how long the client may
// stall it.
type response struct {
	http.ResponseWriter
	stats   *stats
	control *http.ResponseController
	begun   bool    // the header is out
	passed  bool    // and it has really gone, no fault kept it back
	tamper  *tamper // what a fault does to the bodies; usually nil
	body    *requestBody
}

func (w *response) WriteHeader(status int) {
	w.begun = true
	if w.body != nil && w.body.abandoned.Load() {
		// net/http may have met the deadline that was to end the reading, and would
		// tell each further request of this connection that its client has gone.
		w.Header().Set("Connection", "close")
	}
	if w.tamper != nil && !w.tamper.header(w.Header()) {
		return
	}
	w.passed = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.begun = true
	w.extend()
	if w.tamper != nil {
		n, err := w.tamper.write(w.ResponseWriter, p)
		w.stats.bytesOut.Add(int64(n))
		return n, err
	}
	n, err := w.ResponseWriter.Write(p)
	w.stats.bytesOut.Add(int64(n))
	return n, err
}

// ReadFrom keeps sendfile within reach of downloads.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.begun = true
	w.extend()
	if w.tamper != nil {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.stats.bytesOut.Add(n)
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend gives the connection another stallTimeout. A recorder in a test has no deadlines.
func (w *response) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(stallTimeout)) }

// requestBody counts the bytes of a body and limits how long the client may take
// for it: a content may come as slowly as it likes, as long as it comes.
type requestBody struct {
	io.ReadCloser
	call      *call
	due       time.Time // when all of it must be here; zero for content
	abandoned atomic.Bool
}

// isContent lifts the limit on the whole.
func (b *requestBody) isContent() { b.due = time.Time{} }

// abandon makes a Read under way, and those to come, return soon. Unlike the
// other methods it may be called at any time.
func (b *requestBody) abandon() {
	b.abandoned.Store(true)
	_ = b.call.w.control.SetReadDeadline(time.Now())
}

func (b *requestBody) Read(p []byte) (int, error) {
	due := b.due
	if due.IsZero() {
		due = time.Now().Add(stallTimeout)
	}
	_ = b.call.w.control.SetReadDeadline(due)
	if b.abandoned.Load() { // looked at after the deadline was set, so that one of the two sees the other
		return 0, errAbandoned
	}
	var n int
	var err error
	if t := b.call.w.tamper; t != nil {
		n, err = t.read(b.ReadCloser, p)
	} else {
		n, err = b.ReadCloser.Read(p)
	}
	b.call.stats.bytesIn.Add(int64(n))
	if err == io.EOF {
		// From here on net/http waits for the client to go away. A deadline that
		// passes meanwhile would look like that.
		_ = b.call.w.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

var errAbandoned = errors.New("the same upload came again over another connection")
