package auth

import (
	"bytes"
	"context"
	"crypto/tls"
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

// endpoints are where a login is made, renewed and ended.
type endpoints struct {
	Authorize string
	Token     string
	Logout    string // may be empty
}

const (
	maxDiscovery     = 256 << 10
	discoveryTimeout = time.Minute
)

// discover asks the service where its login is (docs/protocol.md, section 4.1).
//
// The host that answers later receives the refresh token, which gives access to the
// account. So the request is encrypted, or goes to the user's own server in
// JOTTA_ENDPOINT. Redirects are not followed, and the answer may name only the host
// that was asked, or that endpoint.
func discover(ctx context.Context, o Options, link string) (endpoints, error) {
	address, trusted, err := o.discoveryAddress(link)
	if err != nil {
		return endpoints{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	client, err := o.client()
	if err != nil {
		return endpoints{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return endpoints{}, unauthorized("the address of the login is malformed")
	}
	host := req.URL.Host
	resp, err := client.Do(req)
	if err != nil {
		return endpoints{}, unreachable(ctx, host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDiscovery))
	if err != nil {
		return endpoints{}, unreachable(ctx, host, err)
	}
	if err := refusedAnswer(host, resp, body); err != nil {
		return endpoints{}, err
	}
	return parseDiscovery(body, host, trusted)
}

// parseDiscovery reads the answer of a host to the question where its login is.
func parseDiscovery(body []byte, host string, trusted origins) (endpoints, error) {
	var document struct {
		Issuer    string `json:"issuer"`
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
		Logout    string `json:"end_session_endpoint"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.Token == "" {
		return endpoints{}, unauthorized("%s does not say how to log in: its answer is not a discovery document, or was cut short", host)
	}
	for _, named := range []string{document.Issuer, document.Authorize, document.Token, document.Logout} {
		if named != "" && !trusted.has(named) {
			return endpoints{}, unauthorized("%s wants the login sent to %s, which is another server; it is not done: is somebody in between?", host, originOf(named))
		}
	}
	return endpoints{document.Authorize, document.Token, document.Logout}, nil
}

// WantsTLS reports whether what came back for a request that was not encrypted, an answer's
// body or the text of an error, says that the port speaks TLS.
func WantsTLS(text string) bool {
	text = strings.ToLower(text)
	for _, said := range []string{
		"http request to an https server",                   // Go
		"plain http request was sent to https port",         // nginx
		"speaking plain http to an ssl-enabled server port", // Apache
		`malformed http response "\x15\x03`,                 // a TLS alert, as net/http shows it
	} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}

// wantsTLS is the error of a server that speaks TLS where it should not.
func wantsTLS(host string) error {
	return &record.Error{Class: record.ClassNetwork, Message: fmt.Sprintf("log in at %s: it speaks TLS; write https:// in place of http:// in JOTTA_ENDPOINT", host)}
}

// refusedAnswer returns the error of an answer that is not what was asked for.
func refusedAnswer(host string, resp *http.Response, body []byte) error {
	page := bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
	switch status := resp.StatusCode; {
	case status == http.StatusBadRequest && WantsTLS(string(body)):
		return wantsTLS(host)
	case status >= 300 && status < 400, page && status < 400:
		return unauthorized("%s answers with a web page; open a browser: perhaps this network wants you to sign in first", host)
	case status == http.StatusTooManyRequests || status >= 500:
		return &record.Error{Class: record.ClassServer, HTTP: status, Retry: true, Message: fmt.Sprintf("log in at %s: the service answered %d; try again later", host, status)}
	case status != http.StatusOK:
		return unauthorized("%s has no such login (it answered %d); check the service, and JOTTA_ENDPOINT if it is set", host, status)
	}
	return nil
}

// origins are the servers that may be told secrets of a login: scheme, host and
// port.
type origins []string

func (o origins) has(address string) bool {
	for _, origin := range o {
		if originOf(address) == origin {
			return true
		}
	}
	return false
}

// originOf returns scheme, host and port of an address, or "nowhere" for one that
// has none or holds a user.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "nowhere"
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + host + ":" + port
}

// discoveryAddress returns where to ask, and whom the answer may name. With an
// endpoint the question goes there, by path, as all requests do.
func (o Options) discoveryAddress(link string) (string, origins, error) {
	u, err := url.Parse(link)
	if err != nil || originOf(link) == "nowhere" || u.RawQuery != "" || u.Fragment != "" {
		return "", nil, errTokenWrong
	}
	if o.Endpoint == "" {
		if u.Scheme != "https" {
			return "", nil, unauthorized("the login is for %s, which is not encrypted; if that is a server of your own, set JOTTA_ENDPOINT=%s://%s", u.Host, u.Scheme, u.Host)
		}
		return link, origins{originOf(link)}, nil
	}
	base := baseOf(o.Endpoint)
	trusted := origins{originOf(base)}
	if u.Scheme == "https" || strings.HasPrefix(base, "http:") {
		trusted = append(trusted, originOf(link))
	}
	return base + u.EscapedPath(), trusted, nil
}

// baseOf returns what addresses at an endpoint begin with.
func baseOf(endpoint string) string {
	if strings.HasPrefix(endpoint, "unix:") {
		return "http://localhost" // the transport dials the socket
	}
	return strings.TrimRight(endpoint, "/")
}

// client returns an HTTP client for the login. It follows no redirect, and its
// connections are new: a request on an old one may be lost without a trace.
func (o Options) client() (*http.Client, error) {
	transport, err := o.Transport(o.Endpoint)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport:     &named{next: transport, userAgent: o.UserAgent},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// named adds the name of this program to requests.
type named struct {
	next      http.RoundTripper
	userAgent string
}

func (n *named) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if n.userAgent != "" {
		req.Header.Set("User-Agent", n.userAgent)
	}
	req.Close = true
	return n.next.RoundTrip(req)
}

// unreachable returns the error of a login host that gave no answer.
func unreachable(ctx context.Context, host string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address may hold what is nobody's business
	}
	var cert *tls.CertificateVerificationError
	switch {
	case WantsTLS(err.Error()):
		return wantsTLS(host)
	case errors.As(err, &cert):
		return unauthorized("the connection to %s is not safe: %w; check this computer's clock (it says %s), its certificates, and who is in between",
			host, err, time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	case ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded:
		return context.Cause(ctx)
	}
	return &record.Error{Class: record.ClassNetwork, Retry: true, Message: fmt.Sprintf("log in at %s: %s; check the network and JOTTA_ENDPOINT, then try again", host, printable(err.Error()))}
}
