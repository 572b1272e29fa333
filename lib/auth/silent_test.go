package auth

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"jottatools/lib/record"
)

// TestSilentLogin: a login whose server says nothing is given up.
func TestSilentLogin(t *testing.T) {
	o := Options{Transport: func(string) (http.RoundTripper, error) {
		return trip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, context.Cause(req.Context())
		}), nil
	}}
	for what, test := range map[string]struct {
		do   func(context.Context) error
		most time.Duration
	}{
		"discovery": {func(ctx context.Context) error {
			_, err := discover(ctx, o, "https://id.example/.well-known/openid-configuration")
			return err
		}, discoveryTimeout},
		"renewal": {func(ctx context.Context) error {
			g, err := o.grants("c", "https://id.example/t", nil)
			if err != nil {
				return err
			}
			_, _, err = g.byRefresh(ctx, "r")
			return err
		}, answerTimeout},
		"logout": {func(ctx context.Context) error { return o.revoke(ctx, login{LogoutURL: "https://id.example/l"}) }, answerTimeout},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			err := test.do(ctx)
			if took := time.Since(start); took > test.most || classOf(err) != record.ClassNetwork {
				t.Errorf("%s: %v after %v, want an error of class network after %v", what, err, took, test.most)
			}
		})
	}
}

// deaf is a port that nobody ever calls.
type deaf struct{ closed chan struct{} }

func (d deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }
func (d deaf) Close() error              { close(d.closed); return nil }
func (d deaf) Addr() net.Addr            { return &net.TCPAddr{} }

// TestPatience: neither a lock that somebody keeps nor a person who does not come is
// waited for for ever.
func TestPatience(t *testing.T) {
	s := store{path: filepath.Join(t.TempDir(), "x.token.json")}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		unlock, err := s.lock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		start := time.Now()
		if _, err := s.lock(ctx); classOf(err) != record.ClassNetwork || time.Since(start) > lockPatience {
			t.Errorf("lock: %v after %v", err, time.Since(start))
		}
		start = time.Now()
		b := &Browser{state: "x"}
		_, err = b.Await(ctx, &Loopback{listener: deaf{make(chan struct{})}}, nil, func(error) {})
		if classOf(err) != record.ClassAuth || time.Since(start) > browserPatience+time.Second {
			t.Errorf("browser: %v after %v", err, time.Since(start))
		}
	})
}

// TestLargeFiles: a file that can be no login is not read into memory.
func TestLargeFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 64<<20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := (store{path: name}).read(); err == nil {
		t.Error("it was taken for a login")
	}
	entry, err := readNetrc(name, netrcMachine)
	if err != nil || entry.found {
		t.Errorf("readNetrc() = %v, %v", entry.found, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
