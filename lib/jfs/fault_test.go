package jfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"jottatools/lib/record"
)

// endpoints is every request that the pipe makes, with what tells it from the
// others.
var endpoints = []struct {
	name   string
	is     func(*http.Request) bool
	do     func(context.Context, *Client) error
	once   bool   // it must not be repeated: a second time could do harm, or cannot be sent
	answer string // that is right in all but its MD5, if it has one
}{
	{"account", pathIs("/account/v1/customer"), func(ctx context.Context, c *Client) error { _, err := c.Customer(ctx); return err }, false, ""},
	{"tree", queryHas("mode", "liststream"), func(ctx context.Context, c *Client) error { _, err := lines(c.ListTree(ctx, faultPath)); return err }, false, ""},
	{"folder", plainGet, func(ctx context.Context, c *Client) error { _, _, err := c.List(ctx, faultPath); return err }, false, ""},
	{"look", plainGet, func(ctx context.Context, c *Client) error { _, err := c.Stat(ctx, faultPath); return err }, false, ""},
	{"make folder", queryHas("mkDir", "true"), func(ctx context.Context, c *Client) error { return c.MkDir(ctx, faultPath) }, false, ""},
	{"trash", queryHas("dl", "true"), func(ctx context.Context, c *Client) error { return c.Trash(ctx, faultPath) }, false, ""},
	{"trash folder", queryHas("dlDir", "true"), func(ctx context.Context, c *Client) error { return c.TrashDir(ctx, faultPath) }, false, ""},
	{"touch", queryHas("cphash", "true"), func(ctx context.Context, c *Client) error { return c.TouchFile(ctx, faultPath, hello) }, false,
		`<file name="x"><currentRevision><state>COMPLETED</state><size>11</size><md5>00000000000000000000000000000000</md5></currentRevision></file>`},
	{"allocate", pathIs("/files/v1/allocate"), func(ctx context.Context, c *Client) error { _, err := c.Allocate(ctx, faultPath, hello); return err }, false, ""},
	{"upload", pathIs("/upload"), func(ctx context.Context, c *Client) error {
		a := &Allocation{Path: faultPath, Content: hello, url: c.api + "/upload?token=opaque"}
		return c.Upload(ctx, a, strings.NewReader("hello world"))
	}, true, `{"md5":"00000000000000000000000000000000","bytes":11}`},
	{"download", queryHas("mode", "bin"), func(ctx context.Context, c *Client) error {
		body, err := c.Open(ctx, faultPath, 0, 11)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(io.Discard, body)
		return err
	}, false, ""},
}

const faultPath = Path("/Jotta/Archive/x")

func pathIs(path string) func(*http.Request) bool {
	return func(req *http.Request) bool { return req.URL.Path == path }
}

func queryHas(key, value string) func(*http.Request) bool {
	return func(req *http.Request) bool { return req.URL.Query().Get(key) == value }
}

func plainGet(req *http.Request) bool {
	return req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/jfs/") && req.URL.RawQuery == ""
}

// faults is what may happen to a request, and how often it is tried then if it
// may be. Where endpoints differ, except says so.
var faults = []struct {
	name   string
	happen func(*http.Request) (*http.Response, error)
	class  record.Class
	tries  int
	except map[string]record.Class
}{
	{"400", answersStatus(400, ""), record.ClassNameInvalid, 1, nil},
	{"403", answersStatus(403, ""), record.ClassForbidden, 1, nil},
	{"404", answersStatus(404, ""), record.ClassNotFound, 1, nil},
	{"409", answersStatus(409, ""), record.ClassKindConflict, 1, nil},
	{"416", answersStatus(416, ""), record.ClassRange, 1, nil},
	{"420", answersStatus(420, ""), record.ClassIncomplete, 1, nil},
	{"421", answersStatus(421, ""), record.ClassCorrupt, 1, nil},
	{"429", answersStatus(429, ""), record.ClassRateLimited, faultTries, nil},
	{"429, to wait 9 s", answersStatus(429, "9"), record.ClassRateLimited, faultTries, nil},
	{"429, to wait for a day", answersStatus(429, "86400"), record.ClassRateLimited, 1, nil},
	{"460", answersStatus(460, ""), record.ClassQuota, 1, nil},
	{"500", answersStatus(500, ""), record.ClassServer, faultTries, nil},
	{"502", answersStatus(502, ""), record.ClassServer, faultTries, nil},
	{"503", answersStatus(503, ""), record.ClassServer, faultTries, nil},
	{"504", answersStatus(504, ""), record.ClassServer, faultTries, nil},
	{"509", answersStatus(509, ""), record.ClassRateLimited, faultTries, nil},
	{"connection refused", fails(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), record.ClassNetwork, faultTries, nil},
	{"no such host", fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "jfs.jottacloud.com", IsNotFound: true}}), record.ClassNetwork, faultTries, nil},
	{"certificate not valid", fails(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}), record.ClassNetwork, 1, nil},
	{"reset before the body", fails(&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), record.ClassNetwork, faultTries, nil},
	{"reset during the body", func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			io.ReadFull(req.Body, make([]byte, 5))
		}
		return nil, &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.ECONNRESET)}
	}, record.ClassNetwork, faultTries, nil},
	{"closed after the body", fails(io.EOF), record.ClassNetwork, faultTries, nil},
	{"no answer", fails(errors.New("net/http: timeout awaiting response headers")), record.ClassNetwork, faultTries, nil},
	{"answer breaks", answers(io.MultiReader(strings.NewReader("<"), breaks{syscall.ECONNRESET})), record.ClassNetwork, 1, nil},
	{"answer cut short", answers(io.MultiReader(strings.NewReader("<"), breaks{io.ErrUnexpectedEOF})), record.ClassNetwork, 1, nil},
	{"answer is empty", answers(strings.NewReader("")), record.ClassServer, 1, map[string]record.Class{"download": record.ClassNetwork}},
	// Content is content; whoever downloads holds it against its MD5.
	{"web page", answers(strings.NewReader("<html><body>sign in</body></html>")), record.ClassServer, 1, map[string]record.Class{"download": ""}},
}

// faultTries is how often the programs try a request.
const faultTries = 5

type breaks struct{ err error }

func (f breaks) Read([]byte) (int, error) { return 0, f.err }

func answersStatus(code int, wait string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
		if wait != "" {
			resp.Header.Set("Retry-After", wait)
		}
		return resp, nil
	}
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func answers(body io.Reader) func(*http.Request) (*http.Response, error) {
	b, err := io.ReadAll(body)
	return func(*http.Request) (*http.Response, error) {
		again := io.Reader(strings.NewReader(string(b)))
		if err != nil {
			again = io.MultiReader(again, breaks{err})
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(again)}, nil
	}
}

// faulty is a service at which one kind of request meets a fault, always.
type faulty struct {
	is      func(*http.Request) bool
	happen  func(*http.Request) (*http.Response, error)
	account string
	tries   int
}

func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.is(req) {
		f.tries++
		return f.happen(req)
	}
	if req.URL.Path != "/account/v1/customer" {
		return answersStatus(404, "")(req) // what is asked for to explain an error
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f.account))}, nil
}

// TestFaults: whatever happens to whichever request, it ends in bounded time with
// an error of the right class that says on what, is tried again only if that can
// help, and shows no secret. docs/reliability.md says what people see.
func TestFaults(t *testing.T) {
	account := sample(t, "constructed-customer.json")
	for _, e := range endpoints {
		cases := slices.Clone(faults)
		if e.answer != "" {
			cases = append(cases, faults[0])
			wrong := &cases[len(cases)-1]
			wrong.name, wrong.class = "wrong MD5", record.ClassCorrupt
			wrong.except = map[string]record.Class{"touch": record.ClassIncomplete}
			wrong.happen = answers(strings.NewReader(e.answer))
		}
		for _, fault := range cases {
			t.Run(e.name+"/"+fault.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					service := &faulty{is: e.is, happen: fault.happen, account: account}
					c, err := New(Options{Endpoint: "http://service.example", Credentials: basic{}, Transport: service, Wrap: func(next http.RoundTripper) http.RoundTripper {
						return Retry(next, RetryOptions{Attempts: faultTries})
					}})
					if err != nil {
						t.Fatal(err)
					}
					start := time.Now()
					err = e.do(t.Context(), c)
					class, tries := fault.class, fault.tries
					if other, differs := fault.except[e.name]; differs {
						class = other
					}
					if e.once {
						tries = 1
					}
					if class == "" {
						if err != nil {
							t.Errorf("error %v, want none", err)
						}
						return
					}
					var got *Error
					if !errors.As(err, &got) {
						t.Fatalf("error %v, want one of the service", err)
					}
					if got.Class != class || service.tries != tries {
						t.Errorf("%v\nis of class %s after %d tries, want %s after %d", err, got.Class, service.tries, class, tries)
					}
					if took := time.Since(start); took > 2*time.Minute {
						t.Errorf("it took %v", took)
					}
					if text := fmt.Sprint(err); strings.Contains(text, "opaque") || strings.Contains(text, "s3cret") || !strings.Contains(text, ": ") {
						t.Errorf("the message is %q", text)
					}
				})
			})
		}
	}
}
