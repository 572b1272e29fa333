package jserve

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// A browser sends what it knows about a server, such as a password it was once
// given, along with every request, whichever site's page has asked for it; and it
// runs what it gets in the name of the server it came from. Other clients send
// none of the headers that are checked here, so this does not affect them.

var errForeign = &failure{status: http.StatusForbidden, exception: "AccessDeniedException", text: "A page of another site asked for this"}

// isSafe tells whether a method is one that changes nothing by its definition.
// Some of the protocol's GETs do; see modes.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// ownSite refuses what a page of another site has made a browser ask for. It is
// asked before anything is changed, whatever the method.
func (c *call) ownSite() error {
	asPost := *c.r
	asPost.Method = http.MethodPost // Check lets every GET pass
	if c.sites.Check(&asPost) != nil {
		return errForeign
	}
	if c.r.Header.Get("Sec-Fetch-Site") != "" || c.r.Header.Get("Origin") != "" {
		return nil
	}
	// Browsers that are older than these headers, or take this server for one not to
	// be trusted with them, send but this with the GET of a picture.
	if from, err := url.Parse(c.r.Header.Get("Referer")); err != nil || from.Host != "" && from.Host != c.r.Host {
		return errForeign
	}
	return nil
}

// ownSites are those whose pages may ask for changes: the server's own, under the
// name that the request gives it or the one that it is known by.
func ownSites(external string) *http.CrossOriginProtection {
	sites := new(http.CrossOriginProtection)
	if u, err := url.Parse(external); err == nil && u.Host != "" {
		_ = sites.AddTrustedOrigin(u.Scheme + "://" + u.Host) // it is well-formed
	}
	return sites
}

// saved has a browser save the answer under a name. Whatever it holds, it is not run
// or shown in the name of this server.
func (c *call) saved(name string) {
	h := c.w.Header()
	h.Set("Content-Disposition", disposition(extractable(name)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
}

// disposition has a file saved under a name. Clients that do not know the form for names
// beyond ASCII, such as wget and older proxies, take the plain one (RFC 6266, appendix D).
func disposition(name string) string {
	value := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	kind, extended, isExtended := strings.Cut(value, "; ")
	if !isExtended || !strings.HasPrefix(extended, "filename*=") {
		return value
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf(`%s; filename="%s"; %s`, kind, plain, extended)
}

// extractable is a name that means one entry and nothing else on every system: on
// Windows a backslash separates names, and dots and blanks at the end of a name do not
// count. What is replaced looks like what it was.
func extractable(name string) string {
	name = strings.ReplaceAll(name, `\`, "＼")
	if strings.Trim(name, ". ") == "" {
		name = strings.NewReplacer(".", "．", " ", "␠").Replace(name)
	}
	return name
}

// extractablePath does so for each name on a path.
func extractablePath(path string) string {
	names := strings.Split(path, "/")
	for i := range names {
		names[i] = extractable(names[i])
	}
	return strings.Join(names, "/")
}
