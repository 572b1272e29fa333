// Package notify reports the result of a run to a monitor, a web hook or a command.
//
// It reports once to each, with a time limit. If that fails, people see an error, but
// the run does not fail. The address of a monitor is a secret: anybody who knows it can
// report success. So errors name only its host.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// patience is how long one request may take; a test has less.
var patience = 10 * time.Second

// MaxSaid is how many bytes of the messages of a run a monitor gets: the last ones.
// Healthchecks.io keeps 100 kB, others less.
const MaxSaid = 10_000

// Address is an http or https URL to tell something to.
type Address struct{ url *url.URL }

// ParseAddress reads an address.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Address{}, errors.New("it is an address such as https://hc-ping.com/UUID")
	}
	u.Fragment = ""
	return Address{u}, nil
}

// IsZero reports whether there is no address.
func (a Address) IsZero() bool { return a.url == nil }

// at returns the address with a suffix of its path, such as /start.
func (a Address) at(suffix string) *url.URL {
	u := *a.url
	u.Path = strings.TrimSuffix(u.Path, "/") + suffix
	u.RawPath = ""
	return &u
}

// Start tells a monitor that a run begins: POST URL/start.
func Start(ctx context.Context, client *http.Client, a Address) error {
	return post(ctx, client, a.at("/start"), "text/plain; charset=utf-8", nil)
}

// End tells a monitor with which exit code a run ended, and the last lines that it said:
// POST URL/CODE, or URL itself if the code is 0. Healthchecks.io, and monitors that follow
// it, take that so.
func End(ctx context.Context, client *http.Client, a Address, code int, said []byte) error {
	suffix := ""
	if code != 0 {
		suffix = "/" + strconv.Itoa(code)
	}
	return post(ctx, client, a.at(suffix), "text/plain; charset=utf-8", said[max(0, len(said)-MaxSaid):])
}

// Hook posts a JSON document to an address.
func Hook(ctx context.Context, client *http.Client, a Address, document []byte) error {
	return post(ctx, client, a.url, "application/json", document)
}

// Client returns a client for the functions of this package. It follows few redirects,
// and none from https to http.
func Client(userAgent string) *http.Client {
	return &http.Client{
		Transport: &named{http.DefaultTransport.(*http.Transport).Clone(), userAgent},
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects:
				return errors.New("it redirects without end")
			case via[0].URL.Scheme == "https" && to.URL.Scheme != "https":
				return errors.New("it redirects from https to http")
			}
			return nil
		},
	}
}

const maxRedirects = 3

// named is a transport that says which program sends the requests.
type named struct {
	*http.Transport
	userAgent string
}

func (n *named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", n.userAgent)
	return n.Transport.RoundTrip(r)
}

// post sends a body, and returns an error unless the answer says that it has arrived.
func post(ctx context.Context, client *http.Client, to *url.URL, contentType string, body []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it does not answer"))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return hide(to, err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return hide(to, err)
	}
	defer response.Body.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(response.Body, start)
	switch {
	case response.StatusCode/100 != 2:
		return fmt.Errorf("%s: it answers %s", to.Host, response.Status)
	case isPage(start[:n]):
		return fmt.Errorf("%s: it answers with a web page; is the address right, and does this network ask for a login?", to.Host)
	}
	return nil
}

// isPage reports whether an answer is a web page: a monitor has none for programs, but the
// login of a public network has.
func isPage(start []byte) bool {
	return strings.HasPrefix(http.DetectContentType(start), "text/html")
}

// hide returns an error that names the host of an address only.
func hide(to *url.URL, err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("%s: %w", to.Host, err)
}
