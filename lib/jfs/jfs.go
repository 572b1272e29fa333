// Package jfs is a client of Jottacloud: the account and its devices, folders and
// files, listings, content, the trash and public links, in local names and typed
// errors.
//
// A [Client] makes one request per method, unless the method says otherwise. After New
// it changes only one thing, the customer that it remembers once it has asked, and
// that under a lock. So any number of goroutines can use it at the same time. Listings of unknown length are iterators, in constant
// memory. What repeats, slows down or watches requests is a [http.RoundTripper]
// around it: [Retry], [Limit]; see [Options].Wrap. It does not log in: that is
// the business of [Credentials], made by package auth. It does not walk local
// folders or run several transfers at once: that is package transfer.
//
// Every error of the service is an [*Error], and errors.Is finds its kind, one of
// the Err… variables.
//
// What is known of the service's protocol is written down in docs/protocol.md;
// the sections are cited where they are used. [OldAPI] speaks to services that
// have only its older half.
package jfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"jottatools/lib/record"
)

// Credentials sign requests. Implementations are in package auth and are safe
// for concurrent use. An error is final for the request and ends up with the
// caller as it is.
type Credentials interface {
	Authorize(ctx context.Context, req *http.Request) error
}

// Renewer are credentials that can be renewed when the service has refused them.
type Renewer interface {
	// Renew returns nil if there are other credentials than those that signed the
	// refused request. again says that the request had been signed anew already.
	Renew(ctx context.Context, refused *http.Request, again bool) error
}

// Options say how a [Client] reaches the service.
type Options struct {
	// Endpoint is one base address that stands for all hosts of the service,
	// such as http://127.0.0.1:7070 or unix:///run/jserve.sock (the environment
	// variable JOTTA_ENDPOINT). Empty means Jottacloud itself.
	Endpoint string
	// Credentials sign every request.
	Credentials Credentials
	// UploadHosts are hosts besides those of the service, or of the endpoint, that
	// content and credentials may be sent to when an answer says so, such as
	// up.example.com or up.example.com:8443.
	UploadHosts []string
	// Transport carries the requests. Nil means NewTransport for the endpoint.
	Transport http.RoundTripper
	// Timeout is how long 16 KiB of an answer may take, if Transport is nil; 0: 5
	// minutes. What comes more slowly is given up. With more than that, content may
	// stand still for longer, too.
	Timeout time.Duration
	// Wrap, if set, is put around the transport, for instance Retry. What it
	// sends again is signed again.
	Wrap func(http.RoundTripper) http.RoundTripper
	// UserAgent is sent with every request.
	UserAgent string
	// Old, if set, keeps to the API that the service had before 2018.
	Old *OldAPI
}

// Client speaks to the service. Make one with [New].
type Client struct {
	http   *http.Client
	jfs    string  // base address of XML requests, without a slash at the end
	api    string  // base address of JSON requests
	up     string  // base address of uploads with the old API
	web    string  // base address of public links
	events string  // base address of events
	hosts  hosts   // where requests may go
	old    *OldAPI // nil: the current API

	unsigned  http.RoundTripper // beneath http, for what is signed in another way
	userAgent string
	refused   string // what to say when the service refuses the credentials

	user struct {
		lock  chan struct{} // holds one token; guards value, and unlike a mutex can be waited for with a context
		value *Customer
	}
}

// The hosts of the service (docs/protocol.md, section 1).
const (
	jfsHost = "https://jfs.jottacloud.com"
	apiHost = "https://api.jottacloud.com"
	upHost  = "https://up.jottacloud.com"
	webHost = "https://www.jottacloud.com"

	eventsHost = "wss://websocket.jottacloud.com"
)

// New returns a Client. It sends nothing yet.
func New(o Options) (*Client, error) {
	if o.Credentials == nil {
		return nil, errors.New("jfs.New: no credentials")
	}
	c := &Client{
		jfs: jfsHost, api: apiHost, up: upHost, web: webHost, events: eventsHost,
		userAgent: o.UserAgent, refused: "the service refused the credentials",
	}
	if hint, ok := o.Credentials.(interface{ Refused() string }); ok {
		c.refused = hint.Refused()
	}
	if o.Old != nil {
		old := *o.Old
		if c.old = &old; old.User == "" || strings.ContainsAny(old.User, "/?#") {
			return nil, errors.New("jfs.New: the old API needs the user name of the account, which has no slash, ? or #")
		}
	}
	socket := ""
	if o.Endpoint != "" {
		base, sock, err := ParseEndpoint(o.Endpoint)
		if err != nil {
			return nil, err
		}
		c.jfs, c.api, c.up, c.web, c.events, socket = base, base, base, base, base, sock
	}
	var err error
	if c.hosts, err = newHosts([]string{c.jfs, c.api, c.up}, o.Endpoint == "", o.UploadHosts); err != nil {
		return nil, fmt.Errorf("JOTTA_UPLOAD_HOSTS: %w", err)
	}
	c.user.lock = make(chan struct{}, 1)

	transport := o.Transport
	if transport == nil {
		transport = newTransport(socket, patienceOf(o.Timeout))
	}
	c.unsigned = transport
	transport = &signer{next: transport, hosts: c.hosts, credentials: o.Credentials, userAgent: o.UserAgent}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	c.http = &http.Client{
		Transport: transport,
		// The service does not redirect. What does is a sign-in page in between,
		// and it must not get to see the credentials.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// ParseEndpoint reads what [Options].Endpoint takes. It returns the base address,
// and the socket to dial if it is one.
func ParseEndpoint(endpoint string) (base, socket string, err error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("endpoint %s: it is not a URL; write it like http://127.0.0.1:7070", withoutSecrets(endpoint))
	case u.Scheme == "unix" && u.Path != "" && u.Host == "" && u.User == nil && u.RawQuery == "" && u.Fragment == "":
		return "http://localhost", u.Path, nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return "", "", fmt.Errorf("endpoint %s: leave out user, query and fragment", withoutSecrets(endpoint))
		}
		return strings.TrimRight(endpoint, "/"), "", nil
	}
	return "", "", fmt.Errorf("endpoint %s: write it like http://127.0.0.1:7070 or unix:///run/jserve.sock", withoutSecrets(endpoint))
}

// withoutSecrets returns an address that is to be quoted in an error without what may be
// secret in it: user, password, query and fragment, in whatever form they are.
func withoutSecrets(address string) string {
	scheme, rest, found := strings.Cut(address, "//")
	if !found {
		scheme, rest = "", address
	} else {
		scheme += "//"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		scheme, rest = scheme+"…", rest[i:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i+1] + "…"
	}
	return quoted(scheme + rest)
}

// signer adds to each request what every request has. It sits inside the
// wrappers, so that a request which is repeated gets fresh credentials.
type signer struct {
	next        http.RoundTripper
	hosts       hosts
	credentials Credentials
	userAgent   string
}

// maxRenewals bounds how often one request is signed anew. Credentials say after
// the first time that it is no use, unless they may have reached their end again: on
// a busy machine a token that lives for a second does so several times.
const maxRenewals = 20

func (s *signer) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := s.hosts.guard(req); err != nil {
		return nil, err
	}
	for renewals := 0; ; renewals++ {
		signed, err := s.sign(req)
		if err != nil {
			return nil, err
		}
		resp, err := s.next.RoundTrip(signed)
		renewer, ok := s.credentials.(Renewer)
		if err != nil || resp.StatusCode != http.StatusUnauthorized || !ok || renewals == maxRenewals {
			return resp, err
		}
		body, repeatable, bodyErr := bodyAgain(req)
		closeBody(resp)
		if bodyErr != nil {
			return nil, bodyErr
		}
		if err := renewer.Renew(req.Context(), signed, renewals > 0); err != nil {
			if body != nil {
				body.Close()
			}
			return nil, credentialsError(req.Context(), err)
		}
		if !repeatable {
			return nil, &Error{Class: record.ClassAuth, Status: http.StatusUnauthorized, Retry: true, Message: "the login had reached its end and is renewed"}
		}
		req = req.Clone(req.Context())
		req.Body = body
	}
}

// bodyAgain returns the body of a request from its start, if it can be had.
func bodyAgain(req *http.Request) (body io.ReadCloser, repeatable bool, err error) {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return req.Body, true, nil
	case req.GetBody == nil:
		return nil, false, nil
	}
	body, err = req.GetBody()
	return body, true, err
}

// sign returns the request with what every request has.
func (s *signer) sign(req *http.Request) (*http.Request, error) {
	signed := req.Clone(req.Context()) // a RoundTripper must not change its request
	if s.userAgent != "" {
		signed.Header.Set("User-Agent", s.userAgent)
	}
	if !s.hosts.sign(req.URL, s.credentials) {
		return signed, nil
	}
	if err := s.credentials.Authorize(req.Context(), signed); err != nil {
		if req.Body != nil {
			req.Body.Close() // as a RoundTripper must, also on error
		}
		return nil, credentialsError(req.Context(), err)
	}
	return signed, nil
}

// credentialsError gives an error of Credentials its class: the one it has, or
// auth.
func credentialsError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	e := &Error{Class: record.ClassAuth, Message: err.Error(), Err: err}
	var classed *record.Error
	if errors.As(err, &classed) {
		e.Class, e.Retry = classed.Class, classed.Retry
	}
	return e
}

// request is one request on its way.
type request struct {
	op     string
	path   Path
	method string
	url    string
	header http.Header
	body   io.Reader
	size   int64 // of body, in bytes
}

// send sends a request and returns the answer if its status is 200, 201 or 206.
// The caller closes the body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, r.body)
	if err != nil {
		return nil, &Error{Op: r.op, Path: r.path, Class: record.ClassInternal, Message: "the address of the request is malformed"}
	}
	if r.body != nil {
		req.ContentLength = r.size
		if r.size == 0 {
			req.Body = http.NoBody // anything else would be sent chunked
		}
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, transportError(ctx, r.op, r.path, err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusPartialContent:
		return resp, nil
	}
	defer closeBody(resp)
	return nil, statusError(r.op, r.path, resp, c.refused)
}

// closeBody closes an answer after reading what little may be left of it, so
// that the connection can be used again.
func closeBody(resp *http.Response) {
	io.CopyN(io.Discard, resp.Body, 16<<10)
	resp.Body.Close()
}

// entryURL returns the address of an entry of the account.
func (c *Client) entryURL(ctx context.Context, op string, p Path, query string) (string, error) {
	escaped, err := p.escaped()
	if err != nil {
		return "", atPath(op, p, err)
	}
	return c.addressAt(ctx, c.jfs, escaped, query)
}

// addressAt is entryURL for a path that is escaped already, on the host base.
func (c *Client) addressAt(ctx context.Context, base, escaped, query string) (string, error) {
	customer, err := c.Customer(ctx)
	if err != nil {
		return "", err
	}
	var user strings.Builder
	escape(&user, customer.Username)
	address := base + "/jfs/" + user.String() + escaped
	if query != "" {
		address += "?" + query
	}
	return address, nil
}

// atPath adds act and object to an error about a name.
func atPath(op string, p Path, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	at := *e
	at.Op, at.Path = op, p
	return &at
}

// maxJSON bounds the answers of the JSON API, which are small, in bytes.
const maxJSON = 1 << 20

// getJSON reads an answer of the JSON API into v and closes it.
func getJSON(r request, ctx context.Context, resp *http.Response, v any) error {
	defer closeBody(resp)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJSON))
	if err != nil {
		return transportError(ctx, r.op, r.path, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		what := "the answer is not JSON, or was cut short"
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
			what = "the answer is a web page: is there a proxy or a sign-in page in between?"
		}
		return &Error{Op: r.op, Path: r.path, Class: record.ClassServer, Status: resp.StatusCode, Message: what, Retry: true}
	}
	return nil
}

// Customer is the account as the JSON API describes it.
type Customer struct {
	Username    string // internal name, the first part of every path of the service
	Quota       int64  // bytes; negative if there is no limit
	Usage       int64  // bytes
	WriteLocked bool   // the service takes no uploads
	ReadLocked  bool   // the service hands nothing out
}

// Customer returns the account. It is asked for once and remembered: the
// figures are those at the time of the first call; [Client.Account] asks anew.
// Source: docs/protocol.md, section 5.
func (c *Client) Customer(ctx context.Context) (Customer, error) {
	select {
	case c.user.lock <- struct{}{}:
		defer func() { <-c.user.lock }()
	case <-ctx.Done():
		return Customer{}, context.Cause(ctx)
	}
	if c.user.value != nil {
		return *c.user.value, nil
	}
	if c.old != nil {
		customer, err := c.oldCustomer(ctx)
		if err == nil {
			c.user.value = &customer
		}
		return customer, err
	}
	r := request{op: "ask for the account", method: http.MethodGet, url: c.api + "/account/v1/customer"}
	resp, err := c.send(ctx, r)
	if err != nil {
		return Customer{}, err
	}
	var answer struct {
		Username    string      `json:"username"`
		Usage       json.Number `json:"usage"`
		Quota       json.Number `json:"quota"`
		WriteLocked bool        `json:"write_locked"`
		ReadLocked  bool        `json:"read_locked"`
	}
	if err := getJSON(r, ctx, resp, &answer); err != nil {
		return Customer{}, err
	}
	if answer.Username == "" || strings.ContainsAny(answer.Username, "/?#") {
		return Customer{}, &Error{Op: r.op, Class: record.ClassServer, Message: "the answer names no user"}
	}
	usage, _ := answer.Usage.Int64()
	quota, _ := answer.Quota.Int64()
	c.user.value = &Customer{
		Username: answer.Username, Usage: usage, Quota: quota,
		WriteLocked: answer.WriteLocked, ReadLocked: answer.ReadLocked,
	}
	return *c.user.value, nil
}
