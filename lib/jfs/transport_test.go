package jfs

import (
	"context"
	"errors"
	"net/http"
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
