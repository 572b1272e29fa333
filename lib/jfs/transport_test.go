package jfs

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// silent never answers, and counts how often its idle connections were given up.
type silent struct{ closed int }

func (s *silent) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func (s *silent) CloseIdleConnections() { s.closed++ }

// TestSuspicion: a request that has run out of time makes the idle connections
// suspicious; one that somebody has broken off does not.
func TestSuspicion(t *testing.T) {
	for name, test := range map[string]struct {
		cause error
		want  int
	}{
		"time": {context.DeadlineExceeded, 1}, "stalled": {errStalled, 1}, "broken off": {nil, 0}, "another reason": {errors.New("x"), 0},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(test.cause)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/", nil)
		if err != nil {
			t.Fatal(err)
		}
		line := &silent{}
		if _, err := (&stallGuard{next: line, timeout: stallTimeout}).RoundTrip(req); err == nil || line.closed != test.want {
			t.Errorf("%s: %v, idle connections given up %d times, want %d", name, err, line.closed, test.want)
		}
	}
}

// TestConnectionsKept: each of many jobs has its connections, one to the host that
// announces an upload and one to the host that takes it, and keeps them.
func TestConnectionsKept(t *testing.T) {
	const jobs = 100
	transport := NewTransport("")
	t.Cleanup(func() { closeIdle(transport) })
	client := &http.Client{Transport: transport}
	var opened atomic.Int64
	var met sync.WaitGroup // so that no request can have another's connection
	var hosts []string
	for range 2 {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			met.Done()
			met.Wait()
		}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		t.Cleanup(server.Close)
		hosts = append(hosts, server.URL)
	}
	for range 3 {
		for _, host := range hosts {
			met.Add(jobs)
			var asked sync.WaitGroup
			for range jobs {
				asked.Go(func() {
					resp, err := client.Get(host)
					if err != nil {
						t.Error(err)
						met.Done()
						return
					}
					closeBody(resp)
				})
			}
			asked.Wait()
		}
	}
	if n := opened.Load(); n != 2*jobs {
		t.Errorf("%d connections for %d jobs and two hosts, want %d", n, jobs, 2*jobs)
	}
}
