package jfs

import (
	"context"
	"errors"
	"fmt"
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
	// slowTimeout is how long slowBytes of an answer may take, however evenly they
	// come, unless [Options].Timeout says otherwise: 55 bytes a second, which each of
	// several transfers over the slowest line exceeds. Content that is sent is taken
	// faster than that or stands still, since it goes out in large pieces. Neither
	// counts time that a bandwidth limit takes.
	slowTimeout = 5 * time.Minute
	slowBytes   = 16 << 10
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
func NewTransport(socket string) http.RoundTripper { return newTransport(socket, patienceOf(0)) }

// patience is how long a transport waits, and for what.
type patience struct{ dial, tls, header, stall, slow time.Duration }

// patienceOf returns how long to wait if slowBytes may take so long; 0: the default. Who
// has more patience with that has it with what stands still, too.
func patienceOf(slow time.Duration) patience {
	p := patience{dialTimeout, tlsTimeout, headerTimeout, stallTimeout, slowTimeout}
	if slow > 0 {
		p.slow = slow
	}
	if slow > slowTimeout {
		p.stall = slow / (slowTimeout / stallTimeout)
	}
	return p
}

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
	return &stallGuard{next: t, timeout: p.stall, slow: p.slow}
}

// stallGuard cancels a request whose content stands still, in either direction, or
// never gets anywhere.
type stallGuard struct {
	next    http.RoundTripper
	timeout time.Duration
	slow    time.Duration // for slowBytes; 0: without limit
}

// stallError is the cause of a request that was cut off for standing still, or because
// it would have gone on for ever.
type stallError struct{ text string }

func (e *stallError) Error() string { return e.text }

// Is makes all of them one.
func (e *stallError) Is(target error) bool { return target == errStalled }

// stalled is what it means that nothing has moved for the timeout.
func (g *stallGuard) stalled() error {
	if g.timeout == stallTimeout {
		return errStalled
	}
	return &stallError{"no data for " + g.timeout.String()}
}

// slowed is what it means that too little has come.
func (g *stallGuard) slowed() error {
	return &stallError{fmt.Sprintf("less than %d KiB within %v; if the line is that slow, give it more time with --timeout", slowBytes>>10, g.slow)}
}

func (g *stallGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	out := &watch{cancel: cancel, timeout: g.timeout, stalled: g.stalled()}
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
	resp.Body = &receivedBody{ReadCloser: resp.Body, watch: &watch{cancel: cancel, timeout: g.timeout, stalled: out.stalled}, ctx: ctx, guard: g}
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
		return context.Cause(ctx)
	}
	return err
}

// watch is a clock that is set back by every sign of life.
type watch struct {
	cancel  context.CancelCauseFunc
	timeout time.Duration
	stalled error // what it means

	mu    sync.Mutex // guards timer, cause and off
	timer *time.Timer
	cause error // what it means when the clock has run down
	off   bool
}

// alive starts the clock anew.
func (w *watch) alive() { w.run(w.timeout, w.stalled) }

// run starts the clock with what is left, until something is cancelled for cause.
func (w *watch) run(left time.Duration, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cause = cause
	switch {
	case w.off:
	case w.timer == nil:
		w.timer = time.AfterFunc(left, w.expire)
	default:
		w.timer.Reset(left)
	}
}

func (w *watch) expire() {
	w.mu.Lock()
	cause := w.cause
	w.mu.Unlock()
	w.cancel(cause)
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
	// The same for the longer span in which more has to come.
	slowWaited   time.Duration
	slowReceived int
}

func (b *receivedBody) Read(p []byte) (int, error) {
	left, cause := b.watch.timeout-b.waited, b.watch.stalled
	if slow := b.guard.slow; slow > 0 && slow-b.slowWaited < left {
		left, cause = slow-b.slowWaited, b.guard.slowed()
	}
	b.watch.run(left, cause)
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.watch.stop() // the reader of the answer may take its time
	waited := time.Since(start)
	b.waited, b.slowWaited = b.waited+waited, b.slowWaited+waited
	if b.received += n; b.received >= minProgress {
		b.waited, b.received = 0, 0
	}
	if b.slowReceived += n; b.slowReceived >= slowBytes {
		b.slowWaited, b.slowReceived = 0, 0
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
