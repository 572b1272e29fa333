package auth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Loopback listens on this machine for the browser that comes back from a login.
type Loopback struct {
	Redirect string // address that the browser is to be sent back to

	listener net.Listener
}

// loopbackPort is where the browser is sent back to, if the port is free: the one
// that the service is known to take (docs/protocol.md, section 4.4).
const loopbackPort = 53682

// Listen opens a port for the browser. The caller closes it.
func Listen() (*Loopback, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(loopbackPort)))
	if err != nil {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, unauthorized("listen for the browser: %w", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return &Loopback{Redirect: "http://localhost:" + port + "/", listener: ln}, nil
}

// Close closes the port.
func (l *Loopback) Close() error { return l.listener.Close() }

// browserPatience is how long a person may take to log in.
const browserPatience = 15 * time.Minute

// Await returns the code that the browser brings, or that somebody pastes. If pasted
// text makes no sense, Await calls complain and goes on waiting, as it does when
// pasted ends.
func (b *Browser) Await(ctx context.Context, l *Loopback, pasted <-chan string, complain func(error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, browserPatience, unauthorized("nobody logged in for %v; begin again", browserPatience))
	defer cancel()
	type result struct {
		code string
		err  error
	}
	came := make(chan result, 1)
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code, err := b.Code(r.URL.RawQuery)
			if errors.Is(err, ErrNotOurs) { // of the icon of the page, or of somebody who guesses
				http.Error(w, "This is not the login that jlogin waits for.", http.StatusNotFound)
				return
			}
			text := "You are logged in. This page can be closed; go on in the terminal.\n"
			if err != nil {
				text = "You are not logged in. The terminal says why.\n"
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("Referrer-Policy", "no-referrer")
			io.WriteString(w, text)
			select {
			case came <- result{code, err}:
			default: // the browser came twice
			}
		}),
	}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(l.listener) }()
	defer func() {
		// The page is given a moment to get to the browser.
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
		<-served
	}()
	for {
		select {
		case r := <-came:
			return r.code, r.err
		case line, more := <-pasted:
			if !more {
				pasted = nil
				continue
			}
			if line == "" {
				continue
			}
			code, err := b.Code(line)
			if !errors.Is(err, ErrNotOurs) {
				return code, err
			}
			complain(err)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
