package jfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
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

// endpoint is one kind of request.
type endpoint struct {
	name   string
	is     func(*http.Request) bool // tells it from those that are made around it
	do     func(context.Context, *Client) error
	repeat repeat
	there  string // what is at faultPath, if it is looked at first
	answer string // one that is right in all but its MD5, if it has one
}

// repeat says how a request is repeated.
type repeat int

const (
	always repeat = iota // it does no harm to do it twice
	never                // a second time could do harm, or the content is gone
	looked               // only after a look whether it was done
)

const faultPath = Path("/Jotta/Archive/x")

const (
	aFile       = `<file name="x" uuid="one"><currentRevision><number>1</number><state>COMPLETED</state><size>11</size><md5>5eb63bbbe01eeed093cb22bb8f5acdc3</md5></currentRevision></file>`
	trashedFile = `<file name="x" uuid="one" deleted="2017-05-17-T15:40:27Z"><currentRevision><number>1</number><state>COMPLETED</state><size>11</size><md5>5eb63bbbe01eeed093cb22bb8f5acdc3</md5></currentRevision></file>`
	otherFile   = `<file name="x"><currentRevision><state>COMPLETED</state><size>11</size><md5>00000000000000000000000000000000</md5></currentRevision></file>`
)

// endpoints is every request that the programs make of the files API.
var endpoints = []endpoint{
	{name: "account", is: pathIs("/account/v1/customer"), do: func(ctx context.Context, c *Client) error { _, err := c.Customer(ctx); return err }},
	{name: "devices", is: pathIs("/jfs/" + testUser), do: func(ctx context.Context, c *Client) error { _, err := c.Account(ctx); return err }},
	{name: "make device", is: queryHas("type", "CLI"), do: func(ctx context.Context, c *Client) error {
		_, err := c.CreateDevice(ctx, "/nas", DeviceCLI)
		return err
	}},
	{name: "make mount point", is: pathIs("/jfs/" + testUser + "/nas/docs"), do: func(ctx context.Context, c *Client) error {
		_, err := c.CreateMountPoint(ctx, "/nas/docs")
		return err
	}},
	{name: "tree", is: queryHas("mode", "liststream"), do: func(ctx context.Context, c *Client) error { return all(c.ListTree(ctx, faultPath)) }},
	{name: "tree with the trash", is: queryHas("mode", "list"), do: func(ctx context.Context, c *Client) error { return all(c.ListAll(ctx, faultPath)) }},
	{name: "folder", is: plainGet, do: func(ctx context.Context, c *Client) error { _, _, err := c.List(ctx, faultPath); return err }},
	{name: "look", is: plainGet, do: func(ctx context.Context, c *Client) error { _, err := c.Stat(ctx, faultPath); return err }},
	{name: "make folder", is: queryHas("mkDir", "true"), do: func(ctx context.Context, c *Client) error { return c.MkDir(ctx, faultPath) }},
	{name: "trash", is: queryHas("dl", "true"), do: func(ctx context.Context, c *Client) error { return c.Trash(ctx, faultPath) }},
	{name: "trash folder", is: queryHas("dlDir", "true"), do: func(ctx context.Context, c *Client) error { return c.TrashDir(ctx, faultPath) }},
	{name: "delete", is: queryHas("rm", "true"), do: func(ctx context.Context, c *Client) error { return c.Remove(ctx, faultPath) }},
	{name: "delete folder", is: queryHas("rmDir", "true"), do: func(ctx context.Context, c *Client) error { return c.RemoveDir(ctx, faultPath) }},
	{name: "list the trash", is: pathIs("/jfs/" + testUser + "/Jotta/Trash"), do: func(ctx context.Context, c *Client) error { return all(c.Trashed(ctx)) }},
	{name: "restore", is: queryHas("cphash", "true"), do: func(ctx context.Context, c *Client) error { return c.Restore(ctx, faultPath) }, there: trashedFile, answer: otherFile},
	{name: "empty the trash", is: pathIs("/files/v1/purge_trash"), do: func(ctx context.Context, c *Client) error { _, _, err := c.EmptyTrash(ctx); return err }},
	{name: "move", is: queryHas("mv", "/"+testUser+"/Jotta/Archive/y"), do: func(ctx context.Context, c *Client) error {
		return c.Move(ctx, faultPath, "/Jotta/Archive/y")
	}, there: aFile, repeat: looked},
	{name: "move folder", is: queryHas("mvDir", "/"+testUser+"/Jotta/Archive/y"), do: func(ctx context.Context, c *Client) error {
		return c.MoveDir(ctx, faultPath, "/Jotta/Archive/y")
	}, there: `<folder name="x"/>`, repeat: looked},
	{name: "copy", is: queryHas("cp", "/"+testUser+"/Jotta/Archive/y"), do: func(ctx context.Context, c *Client) error {
		_, err := c.Copy(ctx, faultPath, "/Jotta/Archive/y")
		return err
	}, repeat: never},
	{name: "share", is: queryHas("mode", "enableShare"), do: func(ctx context.Context, c *Client) error { _, err := c.Share(ctx, faultPath); return err }},
	{name: "stop sharing", is: queryHas("mode", "disableShare"), do: func(ctx context.Context, c *Client) error { return c.Unshare(ctx, faultPath) }},
	{name: "list what is shared", is: pathIs("/jfs/" + testUser + "/Jotta/Links"), do: func(ctx context.Context, c *Client) error { return all(c.Links(ctx)) }},
	{name: "list the latest", is: pathIs("/jfs/" + testUser + "/Jotta/Latest"), do: func(ctx context.Context, c *Client) error { return all(c.Latest(ctx, 20)) }},
	{name: "events", is: pathIs("/rest/token/" + testUser + "/createToken"), do: func(ctx context.Context, c *Client) error { return all(c.Events(ctx)) }},
	{name: "touch", is: queryHas("cphash", "true"), do: func(ctx context.Context, c *Client) error { return c.TouchFile(ctx, faultPath, hello) }, answer: otherFile},
	{name: "allocate", is: pathIs("/files/v1/allocate"), do: func(ctx context.Context, c *Client) error { _, err := c.Allocate(ctx, faultPath, hello); return err }},
	{name: "upload", is: pathIs("/upload"), do: func(ctx context.Context, c *Client) error {
		a := &Allocation{Path: faultPath, Content: hello, url: c.api + "/upload?token=opaque"}
		return c.Upload(ctx, a, strings.NewReader("hello world"))
	}, repeat: never, answer: `{"md5":"00000000000000000000000000000000","bytes":11}`},
	{name: "download", is: queryHas("mode", "bin"), do: func(ctx context.Context, c *Client) error {
		body, err := c.Open(ctx, faultPath, 0, 11)
		return readAll(body, err)
	}},
	{name: "download a part", is: queryHas("mode", "bin"), do: func(ctx context.Context, c *Client) error {
		body, err := c.Open(ctx, faultPath, 3, -1)
		return readAll(body, err)
	}},
	{name: "download a revision", is: queryHas("revision", "1"), do: func(ctx context.Context, c *Client) error {
		body, err := c.OpenRevision(ctx, faultPath, 1, 0, 11)
		return readAll(body, err)
	}},
}

// all reads a listing to its end.
func all[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

func readAll(body io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

func pathIs(path string) func(*http.Request) bool {
	return func(req *http.Request) bool { return req.URL.Path == path }
}

func queryHas(key, value string) func(*http.Request) bool {
	return func(req *http.Request) bool { return req.URL.Query().Get(key) == value }
}

func plainGet(req *http.Request) bool {
	return req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/jfs/") && req.URL.RawQuery == ""
}

// fault is what may happen to a request.
type fault struct {
	name   string
	happen func(*http.Request) (*http.Response, error)
	class  record.Class            // what it is taken for
	tries  int                     // how often a request is tried then that may be; once beyond what is lost
	except map[string]record.Class // where endpoints differ; "": no error
}

// lost is the tries of a fault that leaves open whether the request was carried
// out: it is not repeated blindly, but a move looks.
const lost = -1

// Content is content; whoever downloads holds it against its MD5.
var contentIsContent = map[string]record.Class{"download": "", "download a revision": "", "download a part": ""}

var faults = []fault{
	{"400", answersStatus(400, ""), record.ClassNameInvalid, 1, nil},
	{"401", answersStatus(401, ""), record.ClassAuth, 1, nil},
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
	{"answer breaks", answers(io.MultiReader(strings.NewReader("<"), breaks{syscall.ECONNRESET})), record.ClassNetwork, lost, nil},
	{"answer cut short", answers(io.MultiReader(strings.NewReader("<"), breaks{io.ErrUnexpectedEOF})), record.ClassNetwork, lost, nil},
	{"answer is empty", answers(strings.NewReader("")), record.ClassServer, lost, map[string]record.Class{
		"download": record.ClassNetwork, "download a revision": record.ClassNetwork, "download a part": "",
	}},
	{"web page", answers(strings.NewReader("<html><body>sign in</body></html>")), record.ClassServer, lost, contentIsContent},
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
	there   string // what is at faultPath
	tries   int
}

func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	if !f.is(req) {
		return f.around(req)
	}
	f.tries++
	resp, err := f.happen(req)
	if part, ok := strings.CutPrefix(req.Header.Get("Range"), "bytes="); ok && err == nil && resp.StatusCode == http.StatusOK && req.Method == http.MethodGet {
		first, _, _ := strings.Cut(part, "-")
		resp.StatusCode = http.StatusPartialContent
		resp.Header.Set("Content-Range", "bytes "+first+"-10/11")
	}
	return resp, err
}

// around answers what is asked for before and after, to explain an error.
func (f *faulty) around(req *http.Request) (*http.Response, error) {
	text := ""
	switch req.URL.Path {
	case "/account/v1/customer":
		text = f.account
	case "/jfs/" + testUser + string(faultPath):
		text = f.there
	}
	if text == "" {
		return answersStatus(404, "")(req)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// newFaulty returns a service at which e meets a fault, and a client of it that
// repeats requests as those of the programs do.
func newFaulty(t *testing.T, e *endpoint, credentials Credentials, happen func(*http.Request) (*http.Response, error)) (*faulty, *Client) {
	t.Helper()
	service := &faulty{is: e.is, happen: happen, account: sample(t, "constructed-customer.json"), there: e.there}
	c, err := New(Options{Endpoint: "http://service.example", Credentials: credentials, Transport: service, Wrap: func(next http.RoundTripper) http.RoundTripper {
		return Retry(next, RetryOptions{Attempts: faultTries})
	}})
	if err != nil {
		t.Fatal(err)
	}
	return service, c
}

// want returns class and tries of a fault at an endpoint.
func (e *endpoint) want(f *fault) (record.Class, int) {
	class, tries := f.class, f.tries
	if other, differs := f.except[e.name]; differs {
		class = other
	}
	switch {
	case e.repeat == looked && tries != 1:
		return class, moveTries
	case e.repeat == never || tries == lost:
		return class, 1
	}
	return class, tries
}

// TestFaults: whatever happens to whichever request, it ends in bounded time with
// an error of the right class that says on what, is tried again only if that can
// help, and shows no secret. docs/reliability.md says what people see.
func TestFaults(t *testing.T) {
	for _, e := range endpoints {
		cases := slices.Clone(faults)
		if e.answer != "" {
			cases = append(cases, fault{"wrong MD5", answers(strings.NewReader(e.answer)), record.ClassCorrupt, lost,
				map[string]record.Class{"touch": record.ClassIncomplete, "restore": record.ClassIncomplete}})
		}
		for _, fault := range cases {
			t.Run(e.name+"/"+fault.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					service, c := newFaulty(t, &e, basic{}, fault.happen)
					class, tries := e.want(&fault)
					start := time.Now()
					err := e.do(t.Context(), c)
					if took := time.Since(start); took > 2*time.Minute {
						t.Errorf("it took %v", took)
					}
					if service.tries != tries {
						t.Errorf("%d tries, want %d", service.tries, tries)
					}
					if class == "" {
						if err != nil {
							t.Errorf("error %v, want none", err)
						}
						return
					}
					var got *Error
					if !errors.As(err, &got) || got.Class != class {
						t.Fatalf("error %#v, want one of class %s", err, class)
					}
					if text := fmt.Sprint(err); strings.Contains(text, "opaque") || strings.Contains(text, "s3cret") || !strings.Contains(text, ": ") {
						t.Errorf("the message is %q", text)
					}
				})
			})
		}
	}
}

// TestLoginEndsInTheMiddle: a login that has reached its end is renewed, and the
// request that found it out is made again. Content cannot be sent again from here:
// whoever has it is told that now it can be.
func TestLoginEndsInTheMiddle(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service, c := newFaulty(t, &e, new(counted), func(req *http.Request) (*http.Response, error) {
					if req.Header.Get("Authorization") == "Bearer 0" {
						return answersStatus(401, "")(req)
					}
					return answersStatus(460, "")(req)
				})
				err := e.do(t.Context(), c)
				var got *Error
				switch {
				case !errors.As(err, &got):
					t.Fatalf("error %v, want one of the service", err)
				case e.name == "upload" && (got.Class != record.ClassAuth || !got.Retry || service.tries != 1):
					t.Errorf("%+v after %d tries, want one that can be tried again after 1", got, service.tries)
				case e.name != "upload" && (got.Class != record.ClassQuota || service.tries != 2):
					t.Errorf("%v after %d tries, want the second answer after 2", err, service.tries)
				}
			})
		})
	}
}
