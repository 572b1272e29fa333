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

// access says who may use a route.
type access string

const (
	byLogin   access = "login"                 // a password or an access token
	byItself  access = "what is in it"         // a password, a token or a link, which the handler looks at
	byAnyone  access = "anyone"                // it says nothing that is not known
	byMachine access = "this machine or login" // see trusted
)

// route is a path with what is answered there. docs/jserve.md lists them all.
type route struct {
	path    string // "/…" at its end stands for all that begins so
	methods string // separated by blanks; HEAD goes with GET
	access  access
	style   style
	handle  func(*call) error
	asks    bool // a page for people, which itself sees to it that a form is its own
}

var routes = []route{
	{path: "/jfs/…", methods: "GET POST", access: byLogin, style: styleXML, handle: (*call).jfs},
	{path: "/files/v1/allocate", methods: "POST", access: byLogin, style: styleJSON, handle: (*call).allocate},
	{path: "/upload/…", methods: "POST", access: byLogin, style: styleJSON, handle: (*call).upload},
	{path: "/files/v1/purge_trash", methods: "POST", access: byLogin, style: styleJSON, handle: (*call).purgeTrash},
	{path: "/account/v1/customer", methods: "GET", access: byLogin, style: styleJSON, handle: (*call).customer},
	{path: "/rest/token/…", methods: "GET", access: byLogin, style: styleXML, handle: (*call).eventToken},
	{path: "/ws/…", methods: "GET", access: byItself, style: stylePlain, handle: (*call).events},
	{path: "/opin/io/downloadPublic/…", methods: "GET", access: byItself, style: stylePlain, handle: (*call).publicDownload},
	{path: "/p/…", methods: "GET", access: byItself, style: stylePlain, handle: (*call).publicPage},
	{path: "/s/…", methods: "GET", access: byItself, style: stylePlain, handle: (*call).publicPage},
	{path: "/auth/v1/register", methods: "POST", access: byAnyone, style: styleJSON, handle: guarded((*call).register)},
	{path: "/auth/v1/token", methods: "POST", access: byItself, style: styleJSON, handle: guarded((*call).legacyToken)},
	{path: "/_jserve/login-token", methods: "POST", access: byItself, style: stylePlain, handle: guarded((*call).loginToken)},
	{path: "/_jserve/stats", methods: "GET", access: byMachine, style: styleJSON, handle: (*call).showStats},
	{path: "/_jserve/faults", methods: "GET POST", access: byLogin, style: styleJSON, handle: (*call).faults},
}

// realmRoutes are beneath the name of each realm.
var realmRoutes = []route{
	{path: ".well-known/openid-configuration", methods: "GET", access: byAnyone, handle: (*call).discovery},
	{path: "protocol/openid-connect/certs", methods: "GET", access: byAnyone, handle: (*call).certs},
	{path: "protocol/openid-connect/auth", methods: "GET POST", access: byItself, handle: guarded((*call).authorize), asks: true},
	{path: "protocol/openid-connect/token", methods: "POST", access: byItself, handle: guarded((*call).token)},
	{path: "protocol/openid-connect/userinfo", methods: "GET POST", access: byItself, handle: (*call).userInfo},
	{path: "protocol/openid-connect/logout", methods: "GET POST", access: byItself, handle: guarded((*call).logout)},
	{path: "protocol/openid-connect/revoke", methods: "GET POST", access: byItself, handle: guarded((*call).logout)},
}

// realmsPath is where they begin.
const realmsPath = "/auth/realms"

// Routes for what leads nowhere. As at the service, some of it is only said to
// somebody who is signed in.
var (
	nowhere       = &route{access: byAnyone, style: stylePlain, handle: func(*call) error { return errNotFound }}
	nowhereInside = &route{access: byLogin, style: styleJSON, handle: func(*call) error { return errNotFound }}
)

func (rt *route) matches(path string) bool {
	prefix, all := strings.CutSuffix(rt.path, "/…")
	return path == prefix || all && isBeneath(path, prefix)
}

func isBeneath(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// route finds the route of a request. It does not use http.ServeMux, which would
// redirect doubled slashes; clients send them and cannot follow.
func (c *call) route() *route {
	path := c.r.URL.EscapedPath()
	if isBeneath(path, realmsPath) {
		return c.realmRoute(strings.TrimPrefix(path, realmsPath))
	}
	for i := range routes {
		if routes[i].matches(path) {
			return &routes[i]
		}
	}
	for _, prefix := range []string{"/files", "/account", "/auth"} {
		if isBeneath(path, prefix) {
			return nowhereInside
		}
	}
	return nowhere
}

// realmRoute finds the route beneath a realm, and remembers the realm.
func (c *call) realmRoute(path string) *route {
	realm, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if _, known := realms[realm]; !known {
		return &route{style: styleJSON, handle: func(c *call) error {
			return c.refuse(http.StatusNotFound, "Realm does not exist", "docs/protocol.md, section 4.5, lists those there are")
		}}
	}
	c.realm = realm
	for i := range realmRoutes {
		if realmRoutes[i].path == rest {
			rt := realmRoutes[i]
			rt.style = styleJSON
			return &rt
		}
	}
	return &route{style: styleJSON, handle: func(*call) error { return errNotFound }}
}

// serve answers a request if it may be made at all.
func (rt *route) serve(c *call) error {
	if !isSafe(c.r.Method) && !rt.asks {
		if err := c.ownSite(); err != nil {
			return err
		}
	}
	if rt.access == byLogin {
		c.w.Header().Set("Cross-Origin-Resource-Policy", "same-origin") // no page of another site has it as a script or a picture
		if err := c.signIn(); err != nil {
			return err
		}
	}
	if !rt.takes(c.r.Method) {
		return &failure{status: http.StatusMethodNotAllowed, text: fmt.Sprintf("Request method '%s' not supported", c.r.Method)}
	}
	return rt.handle(c)
}

func (rt *route) takes(method string) bool {
	if rt.methods == "" {
		return true
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for m := range strings.FieldsSeq(rt.methods) {
		if m == method {
			return true
		}
	}
	return false
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

// jfs answers everything under /jfs.
func (c *call) jfs() error {
	p, err := c.jfsPath()
	if err != nil {
		return err
	}
	if isSafe(c.r.Method) {
		return c.read(p)
	}
	return c.command(p)
}
