package jfs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	dialTimeout = 20 * time.Second
	tlsTimeout  = 20 * time.Second
	// headerTimeout is how long the service may think before it answers. A tree
	// listing of a large account takes it a while.
	headerTimeout = 3 * time.Minute
	// stallTimeout is how long the content of a request or an answer may stand
	// still. There is no limit on how long it takes altogether.
	stallTimeout = time.Minute
	// minProgress is how much of an answer has to come within stallTimeout, in
	// bytes: a server that sends one now and then would keep us for ever.
	minProgress = 1 << 10
	// maxHeaders bounds the headers of an answer, in bytes.
	maxHeaders = 256 << 10
	// idleConnections is how many connections to one host are kept for the next
	// request: enough for every sensible --jobs. Uploads need two hosts.
	idleConnections = 256
	idleTimeout     = 90 * time.Second
)

// NewTransport returns a transport with timeouts fit for large files over slow
// lines. If socket is not empty, every connection goes to that Unix socket.
//
// It speaks HTTP/1.1 only: parallel uploads want connections of their own, and
// one connection that hangs must not take the others with it.
func NewTransport(socket string) http.RoundTripper {
	return newTransport(socket, patience{dialTimeout, tlsTimeout, headerTimeout, stallTimeout})
}

// patience is how long a transport waits, and for what.
type patience struct{ dial, tls, header, stall time.Duration }

func newTransport(socket string, p patience) *stallGuard {
	dialer := &net.Dialer{Timeout: p.dial, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    p.tls,
		ResponseHeaderTimeout:  p.header,
		MaxResponseHeaderBytes: maxHeaders,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleTimeout,
		WriteBufferSize:        64 << 10, // content goes out in pieces of this size
		ReadBufferSize:         32 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return &stallGuard{next: t, timeout: p.stall}
}

// stallGuard cancels a request whose content stands still, in either direction.
type stallGuard struct {
	next    http.RoundTripper
	timeout time.Duration
}

func (g *stallGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	out := &watch{cancel: cancel, timeout: g.timeout}
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{ReadCloser: req.Body, watch: out}
	}
	resp, err := g.next.RoundTrip(req)
	out.end() // the content of the request is out, or of no more interest
	if err != nil {
		g.suspect(ctx)
		err = stallCause(ctx, err)
		cancel(nil)
		return nil, err
	}
	if conn, ok := resp.Body.(io.ReadWriteCloser); ok { // a connection now, which may be silent for long
		resp.Body = &conversation{conn, cancel}
		return resp, nil
	}
	resp.Body = &receivedBody{ReadCloser: resp.Body, watch: &watch{cancel: cancel, timeout: g.timeout}, ctx: ctx, guard: g}
	return resp, nil
}

// conversation is what a request turned into that asked for another protocol.
type conversation struct {
	io.ReadWriteCloser
	cancel context.CancelCauseFunc
}

func (c *conversation) Close() error {
	defer c.cancel(nil)
	return c.ReadWriteCloser.Close()
}

// CloseIdleConnections passes on http.Client.CloseIdleConnections.
func (g *stallGuard) CloseIdleConnections() { closeIdle(g.next) }

// suspect gives up the idle connections if a request has run out of time: what has
// swallowed that one may have swallowed them, too, and each would cost the next
// request as long to find that out.
func (g *stallGuard) suspect(ctx context.Context) {
	if cause := context.Cause(ctx); errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, errStalled) {
		g.CloseIdleConnections()
	}
}

func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// stallCause returns the true reason of an error that our own cancelling caused.
func stallCause(ctx context.Context, err error) error {
	if err != nil && err != io.EOF && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// watch is a clock that is set back by every sign of life.
type watch struct {
	cancel  context.CancelCauseFunc
	timeout time.Duration

	mu    sync.Mutex // guards timer and off
	timer *time.Timer
	off   bool
}

// alive starts the clock anew.
func (w *watch) alive() { w.run(w.timeout) }

// run starts the clock with what is left.
func (w *watch) run(left time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.off:
	case w.timer == nil:
		w.timer = time.AfterFunc(left, func() { w.cancel(errStalled) })
	default:
		w.timer.Reset(left)
	}
}

// stop stops the clock until the next sign of life.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// end stops the clock for good.
func (w *watch) end() {
	w.mu.Lock()
	w.off = true
	w.mu.Unlock()
	w.stop()
}

// sentBody is the content of a request. After a read the clock runs until the
// line has taken the data.
type sentBody struct {
	io.ReadCloser
	watch *watch
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.watch.stop() // reading may take as long as a bandwidth limit wants
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.watch.alive()
	}
	return n, err
}

// receivedBody is the content of an answer. The clock runs while it is waited for,
// and starts anew when there is some progress.
type receivedBody struct {
	io.ReadCloser
	watch *watch
	ctx   context.Context
	guard *stallGuard

	waited   time.Duration // since the clock started anew
	received int           // likewise
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.watch.run(b.watch.timeout - b.waited)
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.watch.stop() // the reader of the answer may take its time
	b.waited += time.Since(start)
	if b.received += n; b.received >= minProgress {
		b.waited, b.received = 0, 0
	}
	if err != nil && err != io.EOF {
		b.guard.suspect(b.ctx)
	}
	return n, stallCause(b.ctx, err)
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.end()
	b.watch.cancel(nil)
	return err
}
