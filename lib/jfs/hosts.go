package jfs

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"jottatools/lib/record"
)

// Homebound are credentials that must not leave the hosts that the client itself asks,
// such as a password: an address in an answer has a token of its own.
type Homebound interface{ Homebound() bool }

// hosts says which addresses may be sent content and credentials, so that no answer
// can lead them elsewhere.
type hosts struct {
	home    map[string]bool // origins that the client asks of its own accord
	service bool            // they are those of the service
	secure  bool            // they are encrypted, and so is all that is sent
	allowed map[string]bool // hosts, or hosts with ports, that the user names
}

func newHosts(bases []string, service bool, allowed []string) (hosts, error) {
	h := hosts{home: make(map[string]bool), service: service, secure: true, allowed: make(map[string]bool)}
	for _, base := range bases {
		u, err := url.Parse(base)
		if err != nil {
			return h, errors.New("the address of the service is malformed")
		}
		h.home[originOf(u)] = true
		h.secure = h.secure && u.Scheme == "https"
	}
	for _, host := range allowed {
		u, err := url.Parse("https://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" || strings.Contains(host, "*") {
			return h, fmt.Errorf("%s is not the name of a host; write it like up.example.com or up.example.com:8443", quoted(host))
		}
		h.allowed[strings.ToLower(host)] = true
	}
	return h, nil
}

// serviceDomain is where all hosts of the service are that take requests
// (docs/protocol.md, section 1): those for uploads were seen to be like
// up-no-001.jottacloud.com.
const serviceDomain = "jottacloud.com"

// errElsewhere says that an answer names a server that is not to be trusted; to ask again
// is of no use.
var errElsewhere = errors.New("the answer wants the content sent to another server")

// check returns an error if an address must not be sent content and credentials.
func (h hosts) check(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	switch {
	case h.home[originOf(u)] && u.User == nil:
		return nil
	case u.Host == "" || host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the answer has no usable upload address")
	case u.User != nil:
		return errors.New("the answer has an upload address with a user name in it, which is not used: is somebody in between?")
	case u.Scheme != "https" && h.secure:
		return errors.New("the answer has an upload address that is not encrypted")
	case h.allowed[host], h.allowed[strings.ToLower(u.Host)]:
		return nil
	case h.service && u.Scheme == "https" && (host == serviceDomain || strings.HasSuffix(host, "."+serviceDomain)):
		return nil
	}
	return fmt.Errorf("%w, %s; it is not done: is somebody in between? if it is right, set JOTTA_UPLOAD_HOSTS=%s", errElsewhere, clip(printable(u.Scheme+"://"+u.Host), 300), clip(printable(host), 300))
}

// sign reports whether credentials may be sent to an address.
func (h hosts) sign(u *url.URL, credentials Credentials) bool {
	if home, ok := credentials.(Homebound); ok && home.Homebound() {
		return h.home[originOf(u)]
	}
	return true
}

// checkUploadURL makes sure that credentials and content do not go elsewhere, or leave
// a safe connection, because of an address in an answer.
func (c *Client) checkUploadURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the answer has no usable upload address")
	}
	return c.hosts.check(u)
}

// originOf returns scheme, host and port of an address.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// guard refuses requests to addresses that h does not know, whatever made them.
func (h hosts) guard(req *http.Request) error {
	if h.check(req.URL) == nil {
		return nil
	}
	if req.Body != nil {
		req.Body.Close() // as a RoundTripper must, also on error
	}
	return &Error{Class: record.ClassInternal, Message: "a request to " + quoted(req.URL.Host) + ", which must not see the login, was not sent"}
}
