package jserve

import (
	"fmt"
	"net/http"
	"strings"
)

// style says how errors are written.
type style int

const (
	styleXML style = iota
	styleJSON
	stylePlain
)

// route finds the handler for a path. It does not use http.ServeMux, which
// would redirect doubled slashes; clients send them and cannot follow.
func (s *Server) route(r *http.Request) (style, func(*call) error) {
	path := r.URL.EscapedPath()
	is := func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
	switch {
	case is("/jfs"):
		return styleXML, signedIn((*call).jfs)
	case is("/upload"):
		return styleJSON, signedIn(method(http.MethodPost, (*call).upload))
	case path == "/files/v1/allocate":
		return styleJSON, signedIn(method(http.MethodPost, (*call).allocate))
	case path == "/files/v1/purge_trash":
		return styleJSON, signedIn(method(http.MethodPost, (*call).purgeTrash))
	case path == "/account/v1/customer":
		return styleJSON, signedIn(method(http.MethodGet, (*call).customer))
	case is("/auth/realms"):
		return styleJSON, (*call).openID
	case path == "/auth/v1/register":
		return styleJSON, method(http.MethodPost, guarded((*call).register))
	case path == "/auth/v1/token":
		return styleJSON, method(http.MethodPost, guarded((*call).legacyToken))
	case path == "/_jserve/login-token":
		return stylePlain, method(http.MethodPost, guarded((*call).loginToken))
	case is("/files"), is("/account"), is("/auth"):
		return styleJSON, signedIn(func(*call) error { return errNotFound })
	case is("/rest/token"):
		return styleXML, signedIn(method(http.MethodGet, (*call).eventToken))
	case is("/opin/io/downloadPublic"):
		return stylePlain, method(http.MethodGet, (*call).publicDownload)
	case is("/p"), is("/s"):
		return stylePlain, method(http.MethodGet, (*call).publicPage)
	case is("/ws"):
		return stylePlain, method(http.MethodGet, (*call).events)
	case path == "/_jserve/faults":
		return styleJSON, (*call).faults
	case path == "/_jserve/stats":
		return styleJSON, method(http.MethodGet, (*call).showStats)
	}
	return stylePlain, func(*call) error { return errNotFound }
}

// loggable is the path of a request without what is as good as a password.
func loggable(r *http.Request) string {
	for _, secret := range []string{"/ws/", "/upload/"} {
		if strings.HasPrefix(r.URL.Path, secret) {
			return secret + "…"
		}
	}
	return r.URL.Path
}

// method lets one method through, and HEAD where GET is meant.
func method(want string, h func(*call) error) func(*call) error {
	return func(c *call) error {
		if c.r.Method != want && (want != http.MethodGet || c.r.Method != http.MethodHead) {
			return &failure{status: http.StatusMethodNotAllowed, text: fmt.Sprintf("Request method '%s' not supported", c.r.Method)}
		}
		return h(c)
	}
}

// jfs answers everything under /jfs.
func (c *call) jfs() error {
	p, err := c.jfsPath()
	if err != nil {
		return err
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return c.read(p)
	case http.MethodPost:
		return c.command(p)
	}
	return &failure{status: http.StatusMethodNotAllowed, text: fmt.Sprintf("Request method '%s' not supported", c.r.Method)}
}
