package jserve

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"jottatools/lib/jserve/store"
)

const (
	tokenPath = "/auth/realms/jottacloud/protocol/openid-connect/token"
	authPath  = "/auth/realms/jottacloud/protocol/openid-connect/auth"
)

// form posts a form without signing in; client is sent by Basic unless it is empty.
func (w *world) form(path, client string, form url.Values) answer {
	w.t.Helper()
	req, err := http.NewRequest("POST", w.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != "" {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(client+":")))
	}
	return w.do(w.http, req)
}

func (w *world) do(client *http.Client, req *http.Request) answer {
	w.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, body.String()}
}

// as makes a request with an access token.
func (w *world) as(token, method, path string) answer {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return w.do(w.http, req)
}

type loginToken struct {
	Username  string `json:"username"`
	Realm     string `json:"realm"`
	WellKnown string `json:"well_known_link"`
	AuthToken string `json:"auth_token"`
}

func (w *world) loginToken() loginToken {
	w.t.Helper()
	a := w.want(200, "POST", "/_jserve/login-token")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(a.body))
	var t loginToken
	if err == nil {
		err = json.Unmarshal(raw, &t)
	}
	if err != nil || t.Username != "user01" || t.Realm != "jottacloud" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		w.t.Fatalf("login token %q: %+v, %v", a.body, t, err)
	}
	return t
}

// exchange spends a login token as rclone does.
func (w *world) exchange(t loginToken) answer {
	return w.form(tokenPath, "", url.Values{
		"client_id": {"jottacli"}, "grant_type": {"password"}, "password": {t.AuthToken}, "scope": {"openid offline_access"}, "username": {t.Username},
	})
}

func (a answer) tokens(t testing.TB) (out tokenAnswer) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("token endpoint: %d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) logIn() tokenAnswer { return w.exchange(w.loginToken()).tokens(w.t) }

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func (w *world) refresh(token string) answer {
	return w.form(tokenPath, "jottacli", refreshForm(token))
}

// oauthFails checks a refusal of the token endpoint.
func (w *world) oauthFails(a answer, status int, code, text string) {
	w.t.Helper()
	var got struct {
		Code string `json:"error"`
		Text string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != status || got.Code != code || !strings.HasPrefix(got.Text, text) {
		w.t.Errorf("got %d %s, want %d %s %q", a.status, a.body, status, code, text)
	}
}

// payload reads a token as clients do, without its key.
func payload(t testing.TB, token string) (c claims) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token %q is no JWT", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoginToken(t *testing.T) {
	w := newWorld(t)
	login := w.loginToken()
	if want := w.url + "/auth/realms/jottacloud/.well-known/openid-configuration"; login.WellKnown != want {
		t.Errorf("well_known_link %s, want %s", login.WellKnown, want)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(w.want(200, "GET", login.WellKnown).body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["token_endpoint"] != w.url+tokenPath || doc["authorization_endpoint"] != w.url+authPath {
		t.Errorf("discovery: %v", doc)
	}

	first := w.exchange(login)
	if first.header.Get("Cache-Control") != "no-store" {
		t.Error("tokens may be cached")
	}
	tokens := first.tokens(t)
	if tokens.ExpiresIn != 3600 || tokens.RefreshExpires != 0 || tokens.TokenType != "Bearer" || tokens.Scope != "openid email offline_access" {
		t.Errorf("token answer %s", first.body)
	}
	for _, token := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.IDToken} {
		if c := payload(t, token); !strings.HasSuffix(c.Subject, ":user01") || c.User != "user01" {
			t.Errorf("claims %+v", c)
		}
	}
	for path, want := range map[string]int{"/jfs/user01/Jotta": 200, "/account/v1/customer": 200, "/jfs/other/Jotta": 401} {
		if a := w.as(tokens.AccessToken, "GET", path); a.status != want {
			t.Errorf("%s with an access token: %d, want %d", path, a.status, want)
		}
	}
	for _, token := range []string{tokens.RefreshToken, tokens.IDToken, tokens.AccessToken + "x", "x", ""} {
		if a := w.as(token, "GET", "/jfs/user01/Jotta"); a.status != 401 {
			t.Errorf("with %q for an access token: %d", token, a.status)
		}
	}
	if a := w.as(tokens.AccessToken, "POST", "/_jserve/login-token"); a.status != 401 {
		t.Errorf("an access token got a login token: %d", a.status)
	}
	if a := w.as(tokens.AccessToken, "GET", "/auth/realms/jottacloud/protocol/openid-connect/userinfo"); a.status != 200 || !strings.Contains(a.body, `"username":"user01"`) {
		t.Errorf("userinfo: %d %s", a.status, a.body)
	}

	// The second use is refused, and costs the login that the first one got.
	w.oauthFails(w.exchange(login), 401, "invalid_grant", "Invalid user credentials")
	w.oauthFails(w.refresh(tokens.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	late := w.loginToken()
	w.clock.Add(25 * 3600)
	w.oauthFails(w.exchange(late), 401, "invalid_grant", "Invalid user credentials")
}

func TestTokenExpires(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TokenTTL = time.Minute })
	tokens := w.logIn()
	if tokens.ExpiresIn != 60 {
		t.Errorf("expires_in %d", tokens.ExpiresIn)
	}
	w.clock.Add(59)
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 200 {
		t.Errorf("a second before its end: %d", a.status)
	}
	w.clock.Add(1)
	a := w.as(tokens.AccessToken, "GET", "/jfs/user01")
	if a.status != 401 || a.xml(t).text("message") != "org.springframework.security.authentication.BadCredentialsException: Bad credentials" {
		t.Errorf("expired, at jfs: %d %s", a.status, a.body)
	}
	a = w.as(tokens.AccessToken, "GET", "/account/v1/customer")
	if a.status != 401 || !strings.Contains(a.body, `"error_id":"BadCredentialsException"`) {
		t.Errorf("expired, at the API: %d %s", a.status, a.body)
	}
	next := w.refresh(tokens.RefreshToken).tokens(t)
	if a := w.as(next.AccessToken, "GET", "/jfs/user01"); a.status != 200 {
		t.Errorf("after the refresh: %d", a.status)
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	first, other := w.logIn(), w.logIn()
	// By Basic, and by the form.
	second := w.refresh(first.RefreshToken).tokens(t)
	form := refreshForm(second.RefreshToken)
	form.Set("client_id", "jottacli")
	third := w.form(tokenPath, "", form).tokens(t)
	if first.RefreshToken == second.RefreshToken || second.RefreshToken == third.RefreshToken {
		t.Error("refresh tokens stay the same")
	}

	// What is refused otherwise spends nothing.
	w.oauthFails(w.form(tokenPath, "", refreshForm(third.RefreshToken)), 400, "invalid_client", "")
	w.oauthFails(w.form(tokenPath, "nobody", refreshForm(third.RefreshToken)), 400, "invalid_client", "")
	w.oauthFails(w.form(tokenPath, "desktop", refreshForm(third.RefreshToken)), 400, "invalid_grant", "Invalid refresh token")
	w.oauthFails(w.form(tokenPath, "jottacli", url.Values{"grant_type": {"REFRESH_TOKEN"}, "refresh_token": {third.RefreshToken}}), 400, "unsupported_grant_type", "")
	w.oauthFails(w.form(tokenPath, "jottacli", url.Values{}), 400, "invalid_request", "")
	w.oauthFails(w.form(tokenPath+"?"+refreshForm(third.RefreshToken).Encode(), "jottacli", url.Values{}), 400, "invalid_request", "")
	w.oauthFails(w.refresh(third.AccessToken), 400, "invalid_grant", "Invalid refresh token")
	fourth := w.refresh(third.RefreshToken).tokens(t)

	// Reuse kills the family, and only that.
	w.oauthFails(w.refresh(second.RefreshToken), 400, "invalid_grant", "Stale token")
	w.oauthFails(w.refresh(fourth.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	if a := w.as(fourth.AccessToken, "GET", "/jfs/user01"); a.status != 401 {
		t.Errorf("access token of a family that is dead: %d", a.status)
	}
	w.refresh(other.RefreshToken).tokens(t)

	stats := w.srv.Stats()
	if stats.TokenReuse != 1 || stats.Requests["token_password"] != 2 || stats.Requests["token_refresh"] != 8 {
		t.Errorf("stats %+v", stats)
	}
}

func TestLogout(t *testing.T) {
	w := newWorld(t)
	path := "/auth/realms/jottacloud/protocol/openid-connect/"
	tokens := w.logIn()
	if a := w.form(path+"logout", "", url.Values{"client_id": {"jottacli"}, "refresh_token": {tokens.RefreshToken}}); a.status != 204 {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
	w.oauthFails(w.refresh(tokens.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	tokens = w.logIn()
	if a := w.form(path+"revoke", "", url.Values{"token": {tokens.RefreshToken}}); a.status != 200 {
		t.Errorf("revoke: %d %s", a.status, a.body)
	}
	w.oauthFails(w.refresh(tokens.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	tokens = w.logIn()
	w.want(200, "GET", path+"logout?id_token_hint="+tokens.IDToken)
	w.oauthFails(w.refresh(tokens.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	w.oauthFails(w.form(path+"logout", "", url.Values{"refresh_token": {"x"}}), 400, "invalid_request", "")
}

// What a login has been given dies with it: nothing is good until it expires.
func TestTokensDieWithTheirSession(t *testing.T) {
	w := newWorld(t)
	w.srv.announcer.pings = 10 * time.Millisecond
	tokens, other := w.logIn(), w.logIn()
	userInfo := "/auth/realms/jottacloud/protocol/openid-connect/userinfo"
	event := w.as(tokens.AccessToken, "GET", "/rest/token/user01/createToken").xml(t).text("authToken")
	conn, _, err := websocket.Dial(t.Context(), w.url+"/ws/user01/"+event, &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	listener := &ear{t, conn}
	for _, path := range []string{"/jfs/user01", userInfo} {
		if a := w.as(tokens.AccessToken, "GET", path); a.status != 200 {
			t.Fatalf("%s: %d", path, a.status)
		}
	}
	if a := w.form("/auth/realms/jottacloud/protocol/openid-connect/revoke", "", url.Values{"token": {tokens.RefreshToken}}); a.status != 200 {
		t.Fatalf("revoke: %d", a.status)
	}
	for _, path := range []string{"/jfs/user01", userInfo} {
		if a := w.as(tokens.AccessToken, "GET", path); a.status != 401 {
			t.Errorf("%s after the end: %d", path, a.status)
		}
		if a := w.as(other.AccessToken, "GET", path); a.status != 200 {
			t.Errorf("%s of another login: %d", path, a.status)
		}
	}
	if _, resp, err := websocket.Dial(t.Context(), w.url+"/ws/user01/"+event, &websocket.DialOptions{HTTPClient: w.http}); err == nil || resp == nil || resp.StatusCode != 401 {
		t.Errorf("listening with a token of the login: %v", err)
	}
	if got := listener.ends(); got.Reason != errLoggedOut.Error() {
		t.Errorf("who listened already is told %v", got)
	}
}

// Another password ends all that was gained with the old one, and nobody else's.
func TestChangedPasswordEndsLogins(t *testing.T) {
	dir := t.TempDir()
	serve := func(password string) *world {
		return newWorld(t, func(c *Config) {
			c.Dir, c.Users = dir, []User{{Name: "user01", Password: password}, {Name: "other", Password: "pass"}}
		})
	}
	w := serve("secret")
	tokens, pending := w.logIn(), w.loginToken()
	byPassword := w.eventURL(t)
	theirs := w.legacyLogIn("other", "pass")
	reopen := func(password string) {
		t.Helper()
		if err := w.srv.Close(); err != nil {
			t.Fatal(err)
		}
		w = serve(password)
	}
	listens := func() bool {
		conn, _, err := websocket.Dial(t.Context(), w.url+byPassword[strings.Index(byPassword, "/ws/"):], &websocket.DialOptions{HTTPClient: w.http})
		if err == nil {
			_ = conn.CloseNow()
		}
		return err == nil
	}
	reopen("secret")
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 200 || !listens() {
		t.Errorf("with the same password: %d", a.status)
	}
	reopen("another")
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 401 {
		t.Errorf("access token after the change: %d", a.status)
	}
	w.oauthFails(w.refresh(tokens.RefreshToken), 400, "invalid_grant", "Session doesn't have required client")
	w.oauthFails(w.exchange(pending), 401, "invalid_grant", "")
	if listens() {
		t.Error("an event token that the old password got is still good")
	}
	if a := w.as(theirs, "GET", "/jfs/other"); a.status != 200 {
		t.Errorf("another account: %d", a.status)
	}
	reopen("secret") // the old password does not bring the old logins back
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 401 {
		t.Errorf("access token once the password is the old one again: %d", a.status)
	}
}

// legacyLogIn logs in by password and returns the access token.
func (w *world) legacyLogIn(user, password string) string {
	w.t.Helper()
	a := w.form("/auth/v1/token", builtInClient, url.Values{"grant_type": {"PASSWORD"}, "username": {user}, "password": {password}})
	return a.tokens(w.t).AccessToken
}

// Logging in again and again costs nobody but oneself.
func TestLoginsOfOneAccount(t *testing.T) {
	w := newWorld(t)
	tokens := w.logIn()
	ticket := w.loginToken()
	for i := range 1100 {
		w.clock.Add(1)
		err := errors.Join(
			w.srv.store.BeginSession(store.Session{ID: fmt.Sprint(i), User: "other"}),
			w.srv.store.AddTicket(fmt.Sprint(i), store.Ticket{User: "other", Expires: w.clock.Load() + 100_000}))
		if err != nil {
			t.Fatal(err)
		}
	}
	w.refresh(tokens.RefreshToken).tokens(t)
	w.exchange(ticket).tokens(t)
}

// browser keeps cookies and does not follow what leads away.
func (w *world) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Transport: w.http.Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

const redirect = "http://localhost:53682/"

func authQuery(extra ...string) string {
	q := url.Values{
		"access_type": {"offline"}, "client_id": {"desktop"}, "redirect_uri": {redirect}, "response_type": {"code"},
		"scope": {"openid jotta-default offline_access"}, "state": {"a state&="},
	}
	for i := 0; i < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	return authPath + "?" + q.Encode()
}

var formField = regexp.MustCompile(`name="form" value="([0-9a-f]+)"`)

// page opens the login page and returns what its form hides.
func (w *world) page(browser *http.Client, query string) string {
	w.t.Helper()
	req, err := http.NewRequest("GET", w.url+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.do(browser, req)
	m := formField.FindStringSubmatch(a.body)
	if a.status != 200 || m == nil || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		w.t.Fatalf("login page: %d %s", a.status, a.body)
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://localhost:53682") || !strings.Contains(csp, "frame-ancestors 'none'") {
		w.t.Errorf("Content-Security-Policy %q", csp)
	}
	return m[1]
}

func (w *world) submit(browser *http.Client, query, seal, password string, headers ...string) answer {
	w.t.Helper()
	body := url.Values{"form": {seal}, "username": {"USER@example.com"}, "password": {password}}.Encode()
	req, err := http.NewRequest("POST", w.url+query, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.do(browser, req)
}

// code logs in with a browser and returns the code that the client gets.
func (w *world) code(query string) string {
	w.t.Helper()
	browser := w.browser()
	a := w.submit(browser, query, w.page(browser, query), "secret")
	to, err := url.Parse(a.header.Get("Location"))
	if a.status != 303 || err != nil || !strings.HasPrefix(to.String(), redirect) || to.Query().Get("state") != "a state&=" {
		w.t.Fatalf("after the login: %d %v %s", a.status, to, a.body)
	}
	return to.Query().Get("code")
}

func codeForm(code string, extra ...string) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
	for i := 0; i < len(extra); i += 2 {
		form.Set(extra[i], extra[i+1])
	}
	return form
}

func TestLoginPage(t *testing.T) {
	w := newWorld(t)
	// As rclone: without PKCE.
	code := w.code(authQuery("nonce", "n1"))
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code, "redirect_uri", redirect+"x")), 400, "invalid_grant", "Code not valid")
	w.oauthFails(w.form(tokenPath, "jottacli", codeForm(code)), 400, "invalid_grant", "Code not valid")
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code, "code_verifier", "v")), 400, "invalid_grant", "Code not valid")
	tokens := w.form(tokenPath, "desktop", codeForm(code)).tokens(t)
	if tokens.Scope != "openid email offline_access jotta-default" || payload(t, tokens.IDToken).Nonce != "n1" {
		t.Errorf("tokens %+v", tokens)
	}
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 200 {
		t.Errorf("with the token: %d", a.status)
	}
	next := w.form(tokenPath, "desktop", refreshForm(tokens.RefreshToken)).tokens(t)
	// A code that comes twice was stolen once.
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code)), 400, "invalid_grant", "Code not valid")
	w.oauthFails(w.form(tokenPath, "desktop", refreshForm(next.RefreshToken)), 400, "invalid_grant", "Session doesn't have required client")

	sum := sha256.Sum256([]byte("verifier"))
	code = w.code(authQuery("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256"))
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code)), 400, "invalid_grant", "Code not valid")
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code, "code_verifier", "other")), 400, "invalid_grant", "Code not valid")
	w.form(tokenPath, "desktop", codeForm(code, "code_verifier", "verifier")).tokens(t)
	code = w.code(authQuery("code_challenge", "verifier"))
	w.form(tokenPath, "desktop", codeForm(code, "code_verifier", "verifier")).tokens(t)

	code = w.code(authQuery())
	w.clock.Add(60)
	w.oauthFails(w.form(tokenPath, "desktop", codeForm(code)), 400, "invalid_grant", "Code not valid")
}

func TestLoginPageRefuses(t *testing.T) {
	w := newWorld(t)
	// In doubt about the client, nobody is sent anywhere.
	for _, query := range []string{
		authQuery("client_id", "nobody"), authQuery("redirect_uri", "https://evil.example/"), authQuery("redirect_uri", "http://localhost.evil.example/"),
		authQuery("redirect_uri", "http://localhost@evil.example/"), authQuery("redirect_uri", "javascript:alert(1)"), authQuery("redirect_uri", ""),
		strings.Replace(authQuery(), "jottacloud", "phonero", 1), // knows no desktop
		authPath + "?" + strings.Repeat("x", maxQuery+1),
	} {
		a := w.send("GET", query, nil)
		if a.status != 400 || a.header.Get("Location") != "" || strings.Contains(a.body, "<form") {
			t.Errorf("%.100s: %d %s", query, a.status, a.body)
		}
	}
	// Its other mistakes are told to the client.
	for wrong, query := range map[string]string{
		"unsupported_response_type": authQuery("response_type", "token"),
		"invalid_scope":             authQuery("scope", "openid admin"),
		"invalid_request":           authQuery("code_challenge", "x", "code_challenge_method", "S1"),
	} {
		req, err := http.NewRequest("GET", w.url+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := w.do(w.browser(), req)
		if to := a.header.Get("Location"); a.status != 303 || !strings.HasPrefix(to, redirect+"?error="+wrong+"&state=") {
			t.Errorf("%s: %d %s", wrong, a.status, to)
		}
	}

	browser := w.browser()
	query := authQuery()
	seal := w.page(browser, query)
	refused := func(what string, a answer) {
		t.Helper()
		if a.status != 403 || a.header.Get("Location") != "" || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	refused("a wrong password", w.submit(browser, query, seal, "wrong"))
	refused("a form without its seal", w.submit(browser, query, "", "secret"))
	refused("a form of another query", w.submit(browser, authQuery("state", "other"), seal, "secret"))
	refused("a form of another browser", w.submit(w.browser(), query, seal, "secret"))
	refused("a form on another site", w.submit(browser, query, seal, "secret", "Sec-Fetch-Site", "cross-site"))
	refused("a form on another origin", w.submit(browser, query, seal, "secret", "Origin", "https://evil.example"))
	if a := w.submit(browser, query, seal, "secret", "Sec-Fetch-Site", "same-origin"); a.status != 303 {
		t.Errorf("the right form: %d %s", a.status, a.body)
	}

	req, err := http.NewRequest("GET", w.url+authQuery("client_id", `"><script>alert(1)</script>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := w.do(browser, req); strings.Contains(a.body, "<script") {
		t.Errorf("markup of the query is in the page: %s", a.body)
	}
}

// A clock that was ahead when somebody guessed locks nobody out once it is right.
func TestGuessingWithAWrongClock(t *testing.T) {
	var l limiter
	const now, day = 1_700_000_000, 86_400
	for range maxMisses {
		l.missed("a", now+day)
	}
	if !l.refuses("a", now) {
		t.Error("the guesses are forgotten at once")
	}
	if l.refuses("a", now+1) {
		t.Error("a second later none is forgiven")
	}
	for range maxMisses {
		l.missed("b", now+day)
	}
	l.missed("b", now)
	if !l.refuses("b", now) || l.refuses("b", now+2) {
		t.Error("a miss keeps the wrong clock alive")
	}
}

// Guessing becomes slow, for who guesses.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	query := authQuery()
	seal := w.page(browser, query)
	for i := range maxMisses {
		if a := w.submit(browser, query, seal, fmt.Sprint("guess ", i)); a.status != 403 {
			t.Fatalf("guess %d: %d", i, a.status)
		}
	}
	a := w.submit(browser, query, seal, "secret")
	if a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("after %d guesses: %d", maxMisses, a.status)
	}
	w.clock.Add(1)
	if a := w.submit(browser, query, seal, "secret"); a.status != 303 {
		t.Errorf("a second later: %d", a.status)
	}

	// The same goes for Basic, but not for tokens.
	tokens := w.logIn()
	for range 2 * maxMisses {
		if a := w.as(tokens.AccessToken+"x", "GET", "/jfs/user01"); a.status != 401 {
			t.Fatalf("with a bad token: %d", a.status)
		}
	}
	w.want(200, "GET", "/jfs/user01")
	for {
		req, err := http.NewRequest("GET", w.url+"/jfs/user01", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("user01", "guess")
		if a := w.do(w.http, req); a.status == 429 && a.header.Get("Retry-After") != "" {
			break
		} else if a.status != 401 {
			t.Fatalf("a guess: %d", a.status)
		}
	}
	w.want(429, "GET", "/jfs/user01")
	if a := w.as(tokens.AccessToken, "GET", "/jfs/user01"); a.status != 200 {
		t.Errorf("with a token, while somebody guesses: %d", a.status)
	}
	if a := w.form(tokenPath, "jottacli", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}); a.status != 200 {
		t.Errorf("with a refresh token, while somebody guesses: %d %s", a.status, a.body)
	}
	if a := w.form(tokenPath, "jottacli", url.Values{"grant_type": {"password"}, "username": {"user01"}, "password": {"guess"}}); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("with a login token that is a guess: %d %s", a.status, a.body)
	}
	if a := w.want(429, "POST", "/_jserve/login-token"); a.header.Get("Retry-After") == "" {
		t.Error("a login token is refused without a word about when to come again")
	}
	w.clock.Add(1)
	w.want(200, "GET", "/jfs/user01")

	l := new(limiter)
	for i := range 2 * maxAddresses {
		l.missed(fmt.Sprint(i), 0)
		if len(l.misses) > maxAddresses {
			t.Fatal("the limiter grows without end")
		}
	}
}

func TestLegacyLogin(t *testing.T) {
	w := newWorld(t)
	register := func(path string, form url.Values, auth string) answer {
		req, err := http.NewRequest("POST", w.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", auth)
		return w.do(w.http, req)
	}
	var machine struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	for _, a := range []answer{
		register("/auth/v1/register?device_id=rclone-AbCdEfGhIjKlMnOpQrStU", nil, "Bearer "+machineToken),
		register("/auth/v1/register", url.Values{"device_id": {"x"}}, "Bearer "+machineToken),
	} {
		if err := json.Unmarshal([]byte(a.body), &machine); err != nil || a.status != 200 || machine.ID == "" || machine.Secret == "" {
			t.Fatalf("register: %d %s", a.status, a.body)
		}
	}
	if a := register("/auth/v1/register?device_id=x", nil, "Bearer x"); a.status != 401 {
		t.Errorf("register with another token: %d", a.status)
	}

	params := url.Values{"grant_type": {"PASSWORD"}, "username": {"user@example.com"}, "password": {"secret"}, "client_id": {machine.ID}, "client_secret": {machine.Secret}}
	inQuery := w.form("/auth/v1/token?"+params.Encode(), "", nil)
	inForm := w.form("/auth/v1/token", "", params)
	var tokens struct {
		Access    string `json:"access_token"`
		Refresh   string `json:"refresh_token"`
		Type      string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Session   string `json:"session_id"`
	}
	for _, a := range []answer{inQuery, inForm} {
		if err := json.Unmarshal([]byte(a.body), &tokens); err != nil || a.status != 200 || tokens.Type != "bearer" || tokens.ExpiresIn != 3600 || tokens.Session == "" {
			t.Fatalf("token: %d %s", a.status, a.body)
		}
	}
	if a := w.as(tokens.Access, "GET", "/jfs/user01"); a.status != 200 {
		t.Errorf("with the token: %d", a.status)
	}

	basic := machine.ID + ":not as it was given"
	refresh := func(grant, token string) answer {
		req, err := http.NewRequest("POST", w.url+"/auth/v1/token", strings.NewReader(url.Values{"grant_type": {grant}, "refresh_token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(basic)))
		return w.do(w.http, req)
	}
	w.oauthFails(refresh("refresh_token", tokens.Refresh), 400, "unsupported_grant_type", "")
	basic = builtInClient + ":x"
	w.oauthFails(refresh("REFRESH_TOKEN", tokens.Refresh), 400, "invalid_grant", "The provided authorization grant (e.g.")
	basic = machine.ID + ":not as it was given"
	if a := refresh("REFRESH_TOKEN", tokens.Refresh); a.status != 200 {
		t.Errorf("refresh: %d %s", a.status, a.body)
	}
	w.oauthFails(refresh("REFRESH_TOKEN", tokens.Refresh), 400, "invalid_grant", "The provided authorization grant (e.g.")
	params.Set("password", "wrong")
	w.oauthFails(w.form("/auth/v1/token", "", params), 400, "invalid_grant", "The provided authorization grant (e.g.")
	params.Set("client_secret", "wrong")
	builtIn := url.Values{"grant_type": {"PASSWORD"}, "username": {"user01"}, "password": {"secret"}, "client_id": {builtInClient}, "client_secret": {"its own"}}
	if a := w.form("/auth/v1/token", "", builtIn); a.status != 200 {
		t.Errorf("a client that is not registered: %d %s", a.status, a.body)
	}
	w.oauthFails(w.form("/auth/v1/token", "", params), 400, "invalid_client", "")
}

func TestRealms(t *testing.T) {
	w := newWorld(t)
	for realm, r := range realms {
		path := "/auth/realms/" + realm + "/.well-known/openid-configuration"
		if a := w.want(200, "GET", path); !strings.Contains(a.body, "/auth/realms/"+realm+"/protocol/openid-connect/token") {
			t.Errorf("%s: %s", realm, a.body)
		}
		if !IsServiceHost(r.domain) {
			t.Errorf("%s is no host of the service", r.domain)
		}
	}
	for _, host := range append([]string{"up-no-001.jottacloud.com"}, knownHosts...) {
		within := false
		for _, d := range ServiceDomains() {
			within = within || host == d || strings.HasSuffix(host, "."+d)
		}
		if !IsServiceHost(host) || !within {
			t.Errorf("%s is no host of the service", host)
		}
	}
	for _, host := range []string{"", "example.com", "evil-jottacloud.com", "jottacloud.com.evil.example", "xup-no-001.jottacloud.com", "localhost"} {
		if IsServiceHost(host) {
			t.Errorf("%q is a host of the service", host)
		}
	}
	w.oauthFails(w.send("GET", "/auth/realms/unknown/.well-known/openid-configuration", nil), 404, "Realm does not exist", "")
	w.oauthFails(w.form("/auth/realms/phonero/protocol/openid-connect/token", "desktop", refreshForm("x")), 400, "invalid_client", "")
	login := w.loginToken()
	form := url.Values{"grant_type": {"password"}, "password": {login.AuthToken}, "username": {login.Username}}
	w.oauthFails(w.form("/auth/realms/phonero/protocol/openid-connect/token", "jottacli", form), 401, "invalid_grant", "Invalid user credentials")
	form.Set("scope", "openid jotta-default")
	w.oauthFails(w.form("/auth/realms/phonero/protocol/openid-connect/token", "jottacli", form), 400, "invalid_scope", "")
	for _, realm := range []string{"elkjop", "elko"} {
		w.oauthFails(w.form("/auth/realms/"+realm+"/protocol/openid-connect/token", "desktop", form), 400, "invalid_scope", "")
	}
	form.Set("scope", "offline_access%20openid") // encoded twice
	w.form(tokenPath, "jottacli", form).tokens(t)
}

// Whoever asks by the service's names stays behind the proxy.
func TestServiceNamesKeepTheirLinks(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.ExternalURL = "https://jserve.example.net" })
	for host, want := range map[string]string{"id.jottacloud.com": "http://id.jottacloud.com/auth/", "10.0.0.1": "https://jserve.example.net/auth/"} {
		req, err := http.NewRequest("GET", w.url+"/auth/realms/jottacloud/.well-known/openid-configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		if a := w.do(w.http, req); !strings.Contains(a.body, `"issuer":"`+want) {
			t.Errorf("asked as %s: %s", host, a.body)
		}
	}
}

func FuzzToken(f *testing.F) {
	k := newKeys([]byte("key"))
	good, err := k.sign(claims{Kind: tokenAccess, User: "u"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("a.b.c")
	f.Add(good + "\n")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(strings.Replace(good, ".", "", 1))
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := k.verify(token, tokenAccess); err == nil && token != good {
			t.Errorf("%q is taken for %+v", token, c)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	f.Add("client_id=desktop&redirect_uri=http%3A%2F%2Flocalhost%3A1%2F&response_type=code")
	f.Add("client_id=desktop&redirect_uri=http%3A%2F%2F%5B%3A%3A1%5D&response_type=code")
	f.Add("client_id=desktop&redirect_uri=//localhost\\@evil.example")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a, _, err := parseAuthorization("jottacloud", q)
		if err != nil {
			return
		}
		u, err := url.Parse(a.redirect)
		if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" && !strings.HasPrefix(u.Hostname(), "127.") && !strings.Contains(u.Hostname(), ":") {
			t.Errorf("%q leads to %q", query, a.redirect)
		}
	})
}
