package jserve

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"jottatools/lib/jserve/store"
)

// realms are the brands of the service, by the name in the path of their login
// (docs/protocol.md, section 4.5).
var realms = map[string]struct {
	domain    string
	plain     bool // does not know the scope jotta-default
	noDesktop bool // knows the client desktop-win, but not desktop
}{
	"jottacloud": {domain: "id.jottacloud.com"},
	"elgiganten": {domain: "cloud.elgiganten.dk"}, // and cloud.elgiganten.se
	"elkjop":     {domain: "cloud.elkjop.no", plain: true},
	"elko":       {domain: "cloud.elko.is", plain: true},
	"gigantti":   {domain: "cloud.gigantti.fi"},
	"letsgo":     {domain: "letsgo.jotta.cloud", plain: true, noDesktop: true},
	"mediamarkt": {domain: "mediamarkt.jottacloud.com"},
	"onlime_wl":  {domain: "cloud-auth.onlime.dk"},
	"phonero":    {domain: "sky.phonero.no", plain: true, noDesktop: true},
	"comhem":     {domain: "mittcloud-auth.tele2.se"},
	"get":        {domain: "sky-auth.telia.no"},
	"telia_se":   {domain: "cloud-auth.telia.se"},
}

// knownHosts are the service's names besides the login domains (docs/protocol.md, section 1).
var knownHosts = []string{
	"jottacloud.com", "www.jottacloud.com", "jfs.jottacloud.com", "api.jottacloud.com", "up.jottacloud.com", "down.jottacloud.com",
	"websocket.jottacloud.com", "www.jotta.no", "cloud.elgiganten.se",
}

var uploadHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^up-[a-z]{2}-[0-9]{1,4}\.jottacloud\.com$`) })

// IsServiceHost tells whether a host name, in lower case and without a port, is
// one that clients of the service use.
func IsServiceHost(host string) bool {
	for _, r := range realms {
		if host == r.domain {
			return true
		}
	}
	return slices.Contains(knownHosts, host) || uploadHost().MatchString(host)
}

// ServiceDomains returns domains that all names of the service are in, sorted.
func ServiceDomains() []string {
	domains := []string{"jottacloud.com", "www.jotta.no", "cloud.elgiganten.se"}
	for _, r := range realms {
		if !strings.HasSuffix(r.domain, ".jottacloud.com") {
			domains = append(domains, r.domain)
		}
	}
	slices.Sort(domains)
	return domains
}

// clients are the programs that may log in, as they call themselves.
var clients = []string{"jottacli", "desktop", "desktop-win"}

// knowsClient tells whether a realm lets a client log in.
func knowsClient(realm, client string) bool {
	return slices.Contains(clients, client) && !(realms[realm].noDesktop && client == "desktop")
}

// knownScopes are what clients may ask for; all get the same.
var knownScopes = []string{"openid", "offline_access", "email", "profile", "jotta-default"}

// grantedScope reads the scope a client asks for and returns the one it gets.
// Old clients send their separators encoded twice.
func grantedScope(realm, asked string) (string, bool) {
	granted := "openid email offline_access"
	for _, s := range strings.Fields(strings.NewReplacer("+", " ", "%20", " ").Replace(asked)) {
		if !slices.Contains(knownScopes, s) || s == "jotta-default" && realms[realm].plain {
			return "", false
		}
		if s == "jotta-default" && !strings.HasSuffix(granted, s) {
			granted += " " + s
		}
	}
	return granted, true
}

// How long what logs in once may wait for its use.
const (
	loginTokenLife = 24 * time.Hour
	codeLife       = time.Minute
)

// Purposes of tickets in the store.
const (
	ticketLogin = "login token"
	ticketCode  = "authorization code"
)

// logins is what the server needs to let clients in.
type logins struct {
	keys keys
	ttl  time.Duration // of access tokens
	wall limiter
}

func (l *logins) open(st *store.Store, ttl time.Duration) error {
	key, err := st.LoginKey()
	if ttl <= 0 {
		ttl = time.Hour
	}
	l.keys, l.ttl = newKeys(key), ttl
	return err
}

func hexString(b []byte) string { return hex.EncodeToString(b) }

// limiter slows down password guessing. The zero value is ready.
type limiter struct {
	mu     sync.Mutex
	misses map[string]miss // guarded by mu; by address
}

// miss is the state of one address: so many wrong guesses, of which one is
// forgiven every second.
type miss struct {
	count int64
	since int64 // Unix seconds
}

const (
	maxMisses    = 50
	maxAddresses = 4096 // beyond it all is forgiven, rather than memory used without end
)

// refuses tells whether an address has to wait.
func (l *limiter) refuses(address string, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(address, now) >= maxMisses
}

// count returns how many misses of an address are not forgiven yet. A clock that was
// ahead when they were noted, and is not any more, must not make them last until it
// is there again: they count from now on.
func (l *limiter) count(address string, now int64) int64 {
	m, known := l.misses[address]
	if known && m.since > now {
		m.since = now
		l.misses[address] = m
	}
	return max(0, m.count-(now-m.since))
}

// missed notes a wrong guess.
func (l *limiter) missed(address string, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.misses == nil || len(l.misses) >= maxAddresses {
		l.misses = make(map[string]miss)
	}
	l.misses[address] = miss{count: l.count(address, now) + 1, since: now}
}

// address is where a request comes from, as the limiter counts: of IPv6 the
// network, since a client may have all of it.
func (c *call) address() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

func (c *call) missed() { c.login.wall.missed(c.address(), c.cfg.Now().Unix()) }

// walled tells whether an address that guesses has to wait. It is asked before a
// password is compared, but not when a token proves itself: tokens cannot be guessed,
// and whoever shares an address with somebody who guesses must not be shut out, too.
func (c *call) walled() bool { return c.login.wall.refuses(c.address(), c.cfg.Now().Unix()) }

// errWall is errGuessing in the words of OAuth.
var errWall = &oauthError{http.StatusTooManyRequests, "temporarily_unavailable", "Too many wrong credentials"}

// guarded keeps a handler that checks secrets from being told too much, and its
// answers out of caches.
func guarded(h func(*call) error) func(*call) error {
	return func(c *call) error {
		c.w.Header().Set("Cache-Control", "no-store")
		c.w.Header().Set("Pragma", "no-cache")
		c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxForm)
		return h(c)
	}
}

// refuse answers as OAuth does.
func (c *call) refuse(status int, code, text string) error {
	c.stats.failed(status)
	if status == http.StatusTooManyRequests {
		c.w.Header().Set("Retry-After", "1") // when the next guess is forgiven
	}
	c.cfg.Log.Info("login refused", "path", c.r.URL.Path, "error", code, "text", text)
	return c.answerJSON(status, struct {
		Error string `json:"error"`
		Text  string `json:"error_description"`
	}{code, text})
}

// checkPassword returns the account that a name and a password belong to, or
// nil. It takes the same time whether or not there is such an account.
func (s *Server) checkPassword(name, password string) *account {
	user := s.users[store.Fold(name)]
	if !user.hasPassword(password) {
		return nil
	}
	return user
}

// certs answers that there are no public keys: tokens are signed with a secret.
func (c *call) certs() error {
	return c.answerJSON(http.StatusOK, map[string][]string{"keys": {}})
}

func (c *call) issuer(realm string) string { return c.external() + "/auth/realms/" + realm }

// discovery says where everything is.
func (c *call) discovery() error {
	c.stats.count("discovery")
	issuer := c.issuer(c.realm)
	base := issuer + "/protocol/openid-connect/"
	return c.answerJSON(http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                base + "auth",
		"token_endpoint":                        base + "token",
		"userinfo_endpoint":                     base + "userinfo",
		"end_session_endpoint":                  base + "logout",
		"revocation_endpoint":                   base + "revoke",
		"jwks_uri":                              base + "certs",
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", "password"},
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"HS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"claims_supported":                      []string{"aud", "sub", "iss", "preferred_username", "email"},
		"scopes_supported":                      knownScopes,
		"code_challenge_methods_supported":      []string{"plain", "S256"},
	})
}

// loginToken answers POST /_jserve/login-token: what the service's web interface
// shows to be pasted into a client. ?realm= chooses another brand.
func (c *call) loginToken() error {
	c.stats.count("login_token")
	realm := c.r.URL.Query().Get("realm")
	if realm == "" {
		realm = "jottacloud"
	}
	if _, known := realms[realm]; !known {
		return invalid("unknown realm %q", realm)
	}
	if scheme, _, _ := strings.Cut(c.r.Header.Get("Authorization"), " "); !strings.EqualFold(scheme, "Basic") {
		return errBadCredentials // an access token is for an hour, and must not get itself a longer life
	}
	if c.walled() {
		return errGuessing
	}
	if c.user, _ = c.authenticate(c.r.Header.Get("Authorization")); c.user == nil {
		c.missed()
		return errBadCredentials
	}
	secret := randomID()
	err := c.store.AddTicket(secret, store.Ticket{
		User: c.user.name, Purpose: ticketLogin, Expires: c.cfg.Now().Add(loginTokenLife).Unix(), Terms: map[string]string{"realm": realm},
	})
	if err != nil {
		return err
	}
	text, err := json.Marshal(struct {
		Username  string `json:"username"`
		Realm     string `json:"realm"`
		WellKnown string `json:"well_known_link"`
		AuthToken string `json:"auth_token"`
	}{c.user.name, realm, c.issuer(realm) + "/.well-known/openid-configuration", secret})
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, "text/plain; charset=utf-8", []byte(base64.RawURLEncoding.EncodeToString(text)+"\n"))
	return nil
}

// userInfo says who a token belongs to (docs/protocol.md, section 4.3).
func (c *call) userInfo() error {
	c.stats.count("userinfo")
	scheme, rest, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	user, _ := c.bearer(rest)
	if !strings.EqualFold(scheme, "Bearer") || user == nil {
		return c.refuse(http.StatusUnauthorized, "invalid_token", "Token verification failed")
	}
	return c.answerJSON(http.StatusOK, struct {
		Subject  string `json:"sub"`
		Verified bool   `json:"email_verified"`
		Name     string `json:"name"`
		Realm    string `json:"realm"`
		User     string `json:"preferred_username"`
		Given    string `json:"given_name"`
		Family   string `json:"family_name"`
		Email    string `json:"email"`
		Username string `json:"username"`
	}{user.subject(), true, user.name, c.realm, user.name, user.name, "", user.email, user.name})
}

// logout ends the session of a token: a refresh token in a form, as end_session
// and revocation have it, or an id token in the query, as browsers are sent.
func (c *call) logout() error {
	c.stats.count("logout")
	if err := c.r.ParseForm(); err != nil {
		return c.refuse(http.StatusBadRequest, "invalid_request", "Malformed form")
	}
	var session string
	for _, name := range []string{"refresh_token", "token"} {
		if t, err := c.login.keys.verify(c.r.PostForm.Get(name), tokenRefresh); err == nil {
			session = t.Session
		}
	}
	if t, err := c.login.keys.verify(c.r.Form.Get("id_token_hint"), tokenID); err == nil {
		session = t.Session
	}
	revoking := strings.HasSuffix(c.r.URL.Path, "/revoke") // which answers 200 whatever the token (RFC 7009)
	if session == "" && !revoking {
		return c.refuse(http.StatusBadRequest, "invalid_request", "No token of a session")
	}
	if session != "" {
		if err := c.store.EndSession(session); err != nil {
			return err
		}
	}
	if revoking || c.r.Method == http.MethodGet {
		c.answer(http.StatusOK, "text/plain; charset=utf-8", []byte("You are logged out.\n"))
		return nil
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// clientID reads who asks: HTTP Basic with any secret, or the form.
func (c *call) clientID(form url.Values) (id, secret string, err error) {
	header := c.r.Header.Get("Authorization")
	if header == "" {
		return form.Get("client_id"), form.Get("client_secret"), nil
	}
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", errors.New("the client must use Basic")
	}
	if id, secret, err = parseBasic(rest); err != nil {
		return "", "", err
	}
	// The two parts are form-encoded (RFC 6749, section 2.3.1); ours look the same either way.
	if inForm := form.Get("client_id"); inForm != "" && inForm != id {
		return "", "", fmt.Errorf("two clients, %q and %q", id, inForm)
	}
	return id, secret, nil
}
