package jserve

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"jottatools/lib/jserve/store"
)

// oauthError is a refusal that leaves what was shown unspent.
type oauthError struct {
	status     int
	code, text string
}

func (e *oauthError) Error() string { return e.code + ": " + e.text }

// Refusals in the service's words (docs/protocol.md, sections 4.1 and 4.2).
var (
	errCredentials = &oauthError{http.StatusUnauthorized, "invalid_grant", "Invalid user credentials"}
	errStale       = &oauthError{http.StatusBadRequest, "invalid_grant", "Stale token"}
	errNoSession   = &oauthError{http.StatusBadRequest, "invalid_grant", "Session doesn't have required client"}
	errRefresh     = &oauthError{http.StatusBadRequest, "invalid_grant", "Invalid refresh token"}
	errClient      = &oauthError{http.StatusBadRequest, "invalid_client", "Invalid client credentials"}
	errScope       = &oauthError{http.StatusBadRequest, "invalid_scope", "Invalid scopes"}
	errCode        = &oauthError{http.StatusBadRequest, "invalid_grant", "Code not valid"}
	errGrantType   = &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant_type"}
)

// token exchanges what a client has for tokens (docs/protocol.md, sections 4.1,
// 4.2 and 4.4).
func (c *call) token() error {
	realm := c.realm
	err := c.r.ParseForm()
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return c.refuse(http.StatusBadRequest, "invalid_request", "Malformed form")
	}
	form := c.r.PostForm // never the query: it ends up in logs
	client, _, err := c.clientID(form)
	switch {
	case err != nil || !knowsClient(realm, client):
		return c.answerToken(nil, errClient)
	case form.Get("grant_type") == "password":
		c.stats.count("token_password")
		return c.answerToken(c.byLoginToken(realm, client, form))
	case form.Get("grant_type") == "authorization_code":
		c.stats.count("token_code")
		return c.answerToken(c.byCode(realm, client, form))
	case form.Get("grant_type") == "refresh_token":
		c.stats.count("token_refresh")
		return c.answerToken(c.byRefresh(client, form.Get("refresh_token")))
	case form.Get("grant_type") == "":
		return c.refuse(http.StatusBadRequest, "invalid_request", "Missing form parameter: grant_type")
	}
	return c.answerToken(nil, errGrantType)
}

// answerToken sends tokens, or the refusal.
func (c *call) answerToken(t *tokenAnswer, err error) error {
	var refused *oauthError
	switch {
	case errors.As(err, &refused):
		if refused.code == "invalid_grant" {
			c.missed()
		}
		return c.refuse(refused.status, refused.code, refused.text)
	case err != nil:
		return err
	}
	return c.answerJSON(http.StatusOK, t)
}

// byLoginToken spends a personal login token.
func (c *call) byLoginToken(realm, client string, form url.Values) (*tokenAnswer, error) {
	scope, ok := grantedScope(realm, form.Get("scope"))
	if !ok {
		return nil, errScope
	}
	if c.walled() && !c.store.HasTicket(form.Get("password")) {
		return nil, errWall
	}
	first, id := randomID(), randomID()
	session, err := c.store.Redeem(form.Get("password"), ticketLogin, func(t store.Ticket) (store.Session, error) {
		if store.Fold(t.User) != store.Fold(form.Get("username")) || t.Terms["realm"] != realm {
			return store.Session{}, errCredentials
		}
		return store.Session{ID: id, User: t.User, Client: client, Realm: realm, Scope: scope, Token: first}, nil
	})
	if errors.Is(err, store.ErrNoTicket) {
		return nil, errCredentials
	}
	if err != nil {
		return nil, err
	}
	return c.tokens(session, "")
}

// byCode spends an authorization code.
func (c *call) byCode(realm, client string, form url.Values) (*tokenAnswer, error) {
	if c.walled() && !c.store.HasTicket(form.Get("code")) {
		return nil, errWall
	}
	first, id, nonce := randomID(), randomID(), ""
	session, err := c.store.Redeem(form.Get("code"), ticketCode, func(t store.Ticket) (store.Session, error) {
		nonce = t.Terms["nonce"]
		if t.Terms["realm"] != realm || t.Terms["client"] != client || t.Terms["redirect"] != form.Get("redirect_uri") ||
			!provesChallenge(t.Terms["challenge"], t.Terms["method"], form.Get("code_verifier")) {
			return store.Session{}, errCode
		}
		return store.Session{ID: id, User: t.User, Client: client, Realm: realm, Scope: t.Terms["scope"], Token: first}, nil
	})
	if errors.Is(err, store.ErrNoTicket) {
		return nil, errCode
	}
	if err != nil {
		return nil, err
	}
	return c.tokens(session, nonce)
}

// provesChallenge checks the verifier of PKCE. A client that sent no challenge,
// as rclone, must not come with a verifier: somebody took the challenge away.
func provesChallenge(challenge, method, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(challenge), []byte(verifier)) == 1
}

// byRefresh replaces a refresh token by the next one of its family. The change
// is on disk before it is answered.
func (c *call) byRefresh(client, token string) (*tokenAnswer, error) {
	shown, err := c.login.keys.verify(token, tokenRefresh)
	if err != nil {
		return nil, errRefresh
	}
	session, err := c.store.Renew(shown.Session, shown.ID, randomID(), func(s store.Session) error {
		if s.Client != client {
			return errRefresh
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrStale):
		c.stats.tokenReuse.Add(1)
		return nil, errStale
	case errors.Is(err, store.ErrNoSession):
		return nil, errNoSession
	case err != nil:
		return nil, err
	}
	return c.tokens(session, "")
}

// tokens makes the tokens of a session.
func (c *call) tokens(session store.Session, nonce string) (*tokenAnswer, error) {
	user := c.users[store.Fold(session.User)]
	if user == nil {
		return nil, errNoSession // the account is not served any more
	}
	now := c.cfg.Now()
	base := claims{
		Issuer: c.issuer(session.Realm), Subject: user.subject(), Audience: "account", Issued: now.Unix(), Client: session.Client,
		Session: session.ID, Scope: session.Scope, User: user.name, Email: user.email,
	}
	answer := &tokenAnswer{
		ExpiresIn: int64(c.login.ttl.Seconds()), TokenType: "Bearer", SessionState: session.ID, Scope: session.Scope,
	}
	for _, t := range []struct {
		kind, id, nonce string
		expires         int64
		to              *string
	}{
		{tokenAccess, randomID(), "", now.Add(c.login.ttl).Unix(), &answer.AccessToken},
		{tokenRefresh, session.Token, "", 0, &answer.RefreshToken},
		{tokenID, randomID(), nonce, now.Add(c.login.ttl).Unix(), &answer.IDToken},
	} {
		one := base
		one.Kind, one.ID, one.Nonce, one.Expires = t.kind, t.id, t.nonce, t.expires
		if t.kind == tokenID {
			one.Audience = session.Client
		}
		signed, err := c.login.keys.sign(one)
		if err != nil {
			return nil, err
		}
		*t.to = signed
	}
	return answer, nil
}

// subject is what tokens call the account: clients take what follows the last
// colon for its name (docs/protocol.md, section 4.1).
func (a *account) subject() string { return "f:2d6a3c1e-6f0b-4b6d-8f3a-0d1c2b3a4f5e:" + a.name }

// The old login by password (docs/protocol.md, section 4.6).

// machineToken is what every old client registers itself with.
const machineToken = "c2xrZmpoYWRsZmFramhkc2xma2phaHNkbGZramhhc2xkZmtqaGFzZGxrZmpobGtq"

// register hands out a name and a secret for a machine. Nothing is kept: the
// secret follows from the name.
func (c *call) register() error {
	c.stats.count("register")
	if err := c.r.ParseForm(); err != nil {
		return c.refuse(http.StatusBadRequest, "invalid_request", "Malformed form")
	}
	scheme, rest, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(rest), []byte(machineToken)) != 1 {
		return errBadCredentials
	}
	if c.r.Form.Get("device_id") == "" {
		return invalid("device_id is missing")
	}
	id := randomID()
	return c.answerJSON(http.StatusOK, map[string]string{"client_id": id, "client_secret": c.machineSecret(id)})
}

func (c *call) machineSecret(id string) string {
	return hexString(mac(c.login.keys.machine, id))[:26]
}

// builtInClient is what rclone calls itself on a machine that it has not
// registered. Its secret is in every copy of rclone, so it is not asked for.
const builtInClient = "nibfk8biu12ju7hpqomr8b1e40"

// legacyText is the old wording, for every grant that is no good.
const legacyText = "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, " +
	"expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."

var errLegacy = &oauthError{http.StatusBadRequest, "invalid_grant", legacyText}

// legacyRealm marks the sessions of the old login.
const legacyRealm = "jottacloud"

// legacyToken answers POST /auth/v1/token. Parameters come in the query or in
// the form, whichever the client likes.
func (c *call) legacyToken() error {
	c.stats.count("token_legacy")
	if err := c.r.ParseForm(); err != nil {
		return c.refuse(http.StatusBadRequest, "invalid_request", "Malformed form")
	}
	form := c.r.Form
	client, secret, err := c.clientID(form)
	if err != nil {
		return c.answerToken(nil, errClient)
	}
	var t *tokenAnswer
	switch form.Get("grant_type") {
	case "PASSWORD":
		if c.walled() {
			return c.answerToken(nil, errWall)
		}
		if client != builtInClient && subtle.ConstantTimeCompare([]byte(secret), []byte(c.machineSecret(client))) != 1 {
			c.missed()
			return c.answerToken(nil, errClient)
		}
		t, err = c.byPassword(client, form)
	case "REFRESH_TOKEN": // lower case is refused, as there
		// No secret is asked for: rclone sends its own in the form in which it
		// keeps it, not as it got it. The token has to be this client's.
		t, err = c.byRefresh(client, form.Get("refresh_token"))
	default:
		err = errGrantType
	}
	var refused *oauthError
	if errors.As(err, &refused) && refused.code == "invalid_grant" {
		err = errLegacy
	}
	if err != nil {
		return c.answerToken(nil, err)
	}
	return c.answerJSON(http.StatusOK, struct {
		TokenType    string `json:"token_type"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		SessionID    string `json:"session_id"`
		ExpiresIn    int64  `json:"expires_in"`
	}{"bearer", t.AccessToken, t.RefreshToken, t.SessionState, t.ExpiresIn})
}

func (c *call) byPassword(client string, form url.Values) (*tokenAnswer, error) {
	user := c.checkPassword(form.Get("username"), form.Get("password"))
	if user == nil {
		return nil, errLegacy
	}
	session := store.Session{ID: randomID(), User: user.name, Client: client, Realm: legacyRealm, Scope: "openid email offline_access", Token: randomID()}
	if err := c.store.BeginSession(session); err != nil {
		return nil, err
	}
	return c.tokens(session, "")
}
