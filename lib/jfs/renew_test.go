package jfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// counted are credentials that are numbered; the service takes some.
type counted struct {
	mu      sync.Mutex
	n       int
	renewed []bool // again, of each call
	err     error  // of Renew
}

func (c *counted) Authorize(_ context.Context, req *http.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	req.Header.Set("Authorization", fmt.Sprint("Bearer ", c.n))
	return nil
}

func (c *counted) Renew(_ context.Context, refused *http.Request, again bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = append(c.renewed, again)
	if c.err == nil && refused.Header.Get("Authorization") == fmt.Sprint("Bearer ", c.n) {
		c.n++
	}
	return c.err
}

func (c *counted) Refused() string { return "log in again" }

// renewing returns a client whose service takes credentials from the number good on.
func renewing(t *testing.T, c *counted, good int) *Client {
	client := newTestClient(t, nil)
	signed, err := New(Options{Endpoint: client.api, Credentials: c, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		n := -1
		fmt.Sscanf(req.Header.Get("Authorization"), "Bearer %d", &n)
		if n < good {
			if req.Body != nil {
				req.Body.Close()
			}
			return &http.Response{StatusCode: 401, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: req}, nil
		}
		req.SetBasicAuth("user@example.com", "s3cret")
		return client.http.Transport.(*signer).next.RoundTrip(req)
	})})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestSignedAnew: what the service refuses is signed anew and sent again, whole.
func TestSignedAnew(t *testing.T) {
	for _, test := range []struct {
		good    int // first number that is taken
		renewed string
		ok      bool
	}{
		{0, "[]", true},
		{1, "[false]", true},
		{2, "[false true]", true},
		{100, "[false" + strings.Repeat(" true", maxRenewals-1) + "]", false},
	} {
		c := new(counted)
		customer, err := renewing(t, c, test.good).Customer(t.Context())
		if (err == nil) != test.ok || test.ok && customer.Username == "" || fmt.Sprint(c.renewed) != test.renewed {
			t.Errorf("taken from %d on: %v, renewed %v, want %s", test.good, err, c.renewed, test.renewed)
		}
		if !test.ok && (!errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "log in again")) {
			t.Errorf("the error is %v", err)
		}
	}

	c := &counted{err: errors.New("the login has ended")}
	_, err := renewing(t, c, 1).Customer(t.Context())
	if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "the login has ended") || len(c.renewed) != 1 {
		t.Errorf("a login that has ended: %v, asked %d times", err, len(c.renewed))
	}
}

// TestUploadRefused: content can be read once only. The credentials are renewed, and
// whoever has the content sends the rest.
func TestUploadRefused(t *testing.T) {
	c := new(counted)
	client := renewing(t, c, 1)
	a := &Allocation{Path: "/Jotta/Archive/f", Content: hello, url: client.api + "/upload/x"}
	err := client.Upload(t.Context(), a, strings.NewReader("hello world"))
	var e *Error
	if !errors.As(err, &e) || !e.Retry || !errors.Is(err, ErrAuth) || c.n != 1 {
		t.Errorf("Upload() = %+v after %d renewals; want one, and an error that can be tried again", err, c.n)
	}
}
