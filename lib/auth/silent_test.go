package auth

import (
	"context"
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
	entry, err := readNetrc(name)
	if err != nil || entry.found {
		t.Errorf("readNetrc() = %v, %v", entry.found, err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
