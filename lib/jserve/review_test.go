package jserve

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP;q=0.5": true, "deflate, gzip": true, "identity": false, "*": true, "gzip; q=0": false, "*;q=0": false,
		"*;q=0, gzip": true, "gzip;q=0, *": false, "*, gzip;q=0.000": false, "x-gzip": false,
	} {
		r := &http.Request{Header: http.Header{"Accept-Encoding": {header}}}
		if got := acceptsGzip(r); got != want {
			t.Errorf("Accept-Encoding %q: gzip %t, want %t", header, got, want)
		}
	}
}

// TestImpatientClientIsNoTrouble has a client leave while its thumbnail waits for
// another: whoever runs the server has no need to hear of it.
func TestImpatientClientIsNoTrouble(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	})
	w.put("/Jotta/Archive/a.png", "not really")
	w.srv.thumbs <- struct{}{}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	req := httptest.NewRequestWithContext(ctx, "GET", "/jfs/user01/Jotta/Archive/a.png?mode=thumb", nil)
	req.SetBasicAuth("user01", "secret")
	w.srv.ServeHTTP(httptest.NewRecorder(), req)
	<-w.srv.thumbs
	if log.Len() > 0 {
		t.Errorf("logged as an error: %s", log.String())
	}
}

// TestSecretsStayOutOfLogs looks for what is as good as a password where requests
// are written down.
func TestSecretsStayOutOfLogs(t *testing.T) {
	for path, want := range map[string]string{
		"/ws/user01/token": "/ws/…", "/upload/token": "/upload/…", "/jfs/user01/Jotta": "/jfs/user01/Jotta",
	} {
		if got := loggable(httptest.NewRequest("GET", path, strings.NewReader(""))); got != want {
			t.Errorf("%s is logged as %s, want %s", path, got, want)
		}
	}
}
