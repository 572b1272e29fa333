package jserve

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"strings"

	"jottatools/lib/jserve/store"
)

// maxQuery is how long the query of a login page may be, in bytes.
const maxQuery = 8 << 10

// formCookie ties the form to the browser it was shown in.
const formCookie = "jserve_form"

// authorization is what a client asks of the login page (docs/protocol.md,
// section 4.4).
type authorization struct {
	realm, client, redirect, state, scope string
	challenge, method, nonce              string
}

// parseAuthorization reads the query. As long as client and redirect are in
// doubt nobody is sent anywhere: the error is for the person at the browser. What
// the client got wrong otherwise is told to the client, as wrong.
func parseAuthorization(realm string, q url.Values) (a authorization, wrong string, err error) {
	a = authorization{
		realm: realm, client: q.Get("client_id"), redirect: q.Get("redirect_uri"), state: q.Get("state"),
		challenge: q.Get("code_challenge"), method: q.Get("code_challenge_method"), nonce: q.Get("nonce"),
	}
	if !knowsClient(realm, a.client) {
		return a, "", invalid("The program %q is not known here.", a.client)
	}
	if !isLoopbackURL(a.redirect) {
		return a, "", invalid("The program wants the login sent to %q, which is not on this machine.", a.redirect)
	}
	scope, ok := grantedScope(realm, q.Get("scope"))
	a.scope = scope
	if a.challenge != "" && a.method == "" {
		a.method = "plain"
	}
	switch {
	case q.Get("response_type") != "code":
		wrong = "unsupported_response_type"
	case !ok:
		wrong = "invalid_scope"
	case a.challenge == "" && a.method != "", a.challenge != "" && a.method != "plain" && a.method != "S256",
		len(a.challenge) > 128, q.Has("response_mode") && q.Get("response_mode") != "query":
		wrong = "invalid_request"
	}
	return a, wrong, nil
}

// isLoopbackURL tells whether a program on this machine listens there: the only
// place that codes are sent to.
func isLoopbackURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// sendBack sends the browser to the client.
func (c *call) sendBack(a authorization, name, value string) error {
	u, err := url.Parse(a.redirect)
	if err != nil {
		return invalid("malformed redirect_uri")
	}
	q := u.Query()
	q.Set(name, value)
	if a.state != "" {
		q.Set("state", a.state)
	}
	u.RawQuery = q.Encode()
	c.w.Header().Set("Location", u.String())
	c.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// authorize shows the login page, and takes what is typed into it.
func (c *call) authorize() error {
	c.stats.count("login_page")
	if len(c.r.URL.RawQuery) > maxQuery {
		return invalid("the query is too long")
	}
	a, wrong, err := parseAuthorization(c.realm, c.r.URL.Query())
	if err != nil {
		return c.showPage(http.StatusBadRequest, a, asFailure(err).text, false)
	}
	if wrong != "" {
		return c.sendBack(a, "error", wrong)
	}
	if c.r.Method == http.MethodPost {
		return c.logIn(a)
	}
	return c.showPage(http.StatusOK, a, "", true)
}

// logIn checks the form. It must come from the page that this server has shown
// to this browser, for this very query: otherwise another site could log its
// visitors in as somebody else.
func (c *call) logIn(a authorization) error {
	if err := c.r.ParseForm(); err != nil {
		return invalid("malformed form")
	}
	cookie, err := c.r.Cookie(formCookie)
	sealed, hexErr := hex.DecodeString(c.r.PostForm.Get("form"))
	if err != nil || hexErr != nil || c.ownSite() != nil || !hmac.Equal(sealed, c.seal(cookie.Value)) {
		c.stats.failed(http.StatusForbidden)
		return c.showPage(http.StatusForbidden, a, "This form was not shown to you by this server, or long ago. Please log in here.", true)
	}
	if c.walled() {
		return c.refuse(errWall.status, errWall.code, errWall.text)
	}
	user := c.checkPassword(c.r.PostForm.Get("username"), c.r.PostForm.Get("password"))
	if user == nil {
		c.missed()
		c.stats.failed(http.StatusForbidden)
		return c.showPage(http.StatusForbidden, a, "Wrong user name or password.", true)
	}
	code := randomID()
	err = c.store.AddTicket(code, store.Ticket{
		User: user.name, Purpose: ticketCode, Expires: c.cfg.Now().Add(codeLife).Unix(),
		Terms: map[string]string{
			"realm": a.realm, "client": a.client, "redirect": a.redirect, "scope": a.scope,
			"challenge": a.challenge, "method": a.method, "nonce": a.nonce,
		},
	})
	if err != nil {
		return err
	}
	return c.sendBack(a, "code", code)
}

// seal ties a form to a browser's cookie and to the query.
func (c *call) seal(cookie string) []byte {
	return mac(c.login.keys.form, cookie, c.r.URL.Path, c.r.URL.RawQuery)
}

// loginHead is how the login page begins.
const loginHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in to jserve</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff; }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
input { padding: .5rem; margin-bottom: 1rem; border: 1px solid #888; border-radius: .25rem; }
button { padding: .6rem; border: 0; border-radius: .25rem; color: #fff; background: #6a1b7a; }
.wrong { padding: .5rem .75rem; border-left: .25rem solid #b00020; background: #fdecee; }
</style>
</head>
<body>
<h1>Log in</h1>
`

// loginPage returns the login page. It says what was wrong, if anything, and has the form
// for a client unless seal is empty.
func loginPage(client, wrong, seal string) []byte {
	var b bytes.Buffer
	b.WriteString(loginHead)
	if wrong != "" {
		fmt.Fprintf(&b, "<p class=\"wrong\" role=\"alert\">%s</p>\n", html.EscapeString(wrong))
	}
	if seal != "" {
		fmt.Fprintf(&b, `<p>The program <strong>%s</strong> on this machine asks for your files on this server.</p>
<form method="post">
<input type="hidden" name="form" value="%s">
<label for="username">User name or e-mail</label>
<input id="username" name="username" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>
`, html.EscapeString(client), html.EscapeString(seal))
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// showPage answers with the login page, with or without the form.
func (c *call) showPage(status int, a authorization, wrong string, form bool) error {
	h := c.w.Header()
	seal := ""
	target := "'none'"
	if form {
		cookie := randomID()
		if old, err := c.r.Cookie(formCookie); err == nil && len(old.Value) == len(cookie) {
			cookie = old.Value // another page in this browser may be waiting
		}
		http.SetCookie(c.w, &http.Cookie{
			Name: formCookie, Value: cookie, Path: "/auth/realms/", MaxAge: 3600,
			HttpOnly: true, Secure: strings.HasPrefix(c.external(), "https:"), SameSite: http.SameSiteLaxMode,
		})
		seal = hexString(c.seal(cookie))
		target = "'self'"
		if u, err := url.Parse(a.redirect); err == nil && safeHost(u.Host) {
			target += " http://" + u.Host // browsers hold the redirect after a form to this, too
		}
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; form-action "+target)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	c.answer(status, "text/html; charset=utf-8", loginPage(a.client, wrong, seal))
	return nil
}

// safeHost tells whether a host can stand in a header as it is.
func safeHost(host string) bool {
	return host != "" && strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:[]-") == ""
}
