package jserve

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestOnlyHTTP1: whatever a listener offers, nobody is answered in HTTP/2.
func TestOnlyHTTP1(t *testing.T) {
	w := newWorld(t)
	lent := httptest.NewTLSServer(nil) // for its certificate, and a client that trusts it
	defer lent.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "https://" + ln.Addr().String() + "/_jserve/stats"
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.srv.Serve(ctx, tls.NewListener(ln, &tls.Config{Certificates: lent.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}))
	}()
	client := lent.Client()
	defer client.CloseIdleConnections()
	for _, http2 := range []bool{false, true} {
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
		}
		if http2 && err == nil && resp.ProtoMajor != 1 || !http2 && err != nil {
			t.Errorf("a client that offers HTTP/2 (%v): %v, %v", http2, resp, err)
		}
		client.CloseIdleConnections()
		client.Transport = client.Transport.(*http.Transport).Clone()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
