package jserve

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"jottatools/lib/jserve/store"
)

var errGuessing = &failure{status: http.StatusTooManyRequests, text: "Too many wrong credentials"}

// account is a user with what signing in and quota checks need.
type account struct {
	name     string
	email    string
	password [sha256.Size]byte // hashed, so that comparing takes the same time for any length
	quota    int64             // below 0: unlimited
	login    string            // of those who show the password itself; another after each change of it
}

// accounts indexes users by the names they may sign in with.
func accounts(users []User) (map[string]*account, error) {
	byName := make(map[string]*account)
	for _, u := range users {
		if u.Password == "" {
			return nil, fmt.Errorf("account %s: no password given", u.Name)
		}
		a := &account{name: u.Name, email: u.Email, password: sha256.Sum256([]byte(u.Password)), quota: u.Quota}
		if a.quota <= 0 {
			a.quota = -1
		}
		for _, login := range []string{u.Name, u.Email} {
			if login == "" {
				continue
			}
			if byName[store.Fold(login)] != nil {
				return nil, fmt.Errorf("account %s: the name is taken", login)
			}
			byName[store.Fold(login)] = a
		}
	}
	return byName, nil
}

// signIn finds the account of a request. Clients that guess passwords have to wait;
// expired tokens do not count as guesses.
func (c *call) signIn() error {
	header := c.r.Header.Get("Authorization")
	scheme, _, _ := strings.Cut(header, " ")
	password := strings.EqualFold(scheme, "Basic")
	if password && c.walled() {
		return errGuessing
	}
	if c.user, c.session = c.authenticate(header); c.user != nil {
		return nil
	}
	if password {
		c.missed()
	}
	return errBadCredentials
}

// authenticate returns the account that an Authorization header proves, or nil, and
// the login that it does so by.
func (s *Server) authenticate(header string) (user *account, session string) {
	scheme, rest, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return s.bearer(rest)
	case strings.EqualFold(scheme, "Basic"):
		name, password, err := parseBasic(rest)
		if err != nil {
			return nil, ""
		}
		if user = s.checkPassword(name, password); user != nil {
			session = user.login
		}
		return user, session
	}
	return nil, ""
}

// bearer returns the account of an access token that has not expired, or nil, and
// its session. A token ends with its session, too.
func (s *Server) bearer(token string) (user *account, session string) {
	c, err := s.login.keys.verify(strings.TrimSpace(token), tokenAccess)
	if err != nil || s.cfg.Now().Unix() >= c.Expires {
		return nil, ""
	}
	if user = s.users[store.Fold(c.User)]; user == nil || !s.store.HasSession(c.Session) {
		return nil, ""
	}
	return user, c.Session
}

// lasts tells whether a login of an account is still good: a session, or the password.
func (s *Server) lasts(user *account, session string) bool {
	return session == user.login || s.store.HasSession(session)
}

// passwordRounds makes it slow to try passwords with what a store keeps of one. That
// it keeps nothing better is for those who use a password twice: the store itself is
// open to whoever can read it.
const passwordRounds = 20_000

// endOldLogins ends the logins of an account whose password has changed since the
// store was last served.
func (s *Server) endOldLogins(user *account, password string) error {
	var failed error
	salt, ended, err := s.store.PasswordIs(user.name, func(salt []byte) []byte {
		digest, err := pbkdf2.Key(sha256.New, password, salt, passwordRounds, sha256.Size)
		failed = errors.Join(failed, err)
		return digest
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if ended > 0 {
		s.cfg.Log.Info("the password has changed: all logins have ended", "user", user.name, "logins", ended)
	}
	user.login = "password " + hexString(mac(s.login.keys.form, "login", user.name, string(salt)))
	return nil
}

// hasPassword compares in constant time; a nil account costs the same and has none.
func (a *account) hasPassword(password string) bool {
	want := [sha256.Size]byte{}
	if a != nil {
		want = a.password
	}
	got := sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && a != nil
}

// parseBasic decodes the credentials of HTTP Basic.
func parseBasic(credentials string) (name, password string, err error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials))
	if err != nil {
		return "", "", errors.New("malformed Basic credentials")
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", "", errors.New("malformed Basic credentials")
	}
	return name, password, nil
}

// trusted returns nil if a request may read the server's counters: it comes from
// this machine itself, not through a proxy or from a page of another site, or has
// a login. The name of the host counts, too: any site may have its own name lead to
// this machine, and a browser takes the answer for that site's.
func (c *call) trusted() error {
	h := c.r.Header
	if fromLoopback(c.r) && isLoopbackHost(c.r.Host) && h.Get("Origin") == "" && h.Get("X-Forwarded-For") == "" && h.Get("Forwarded") == "" {
		return nil
	}
	return c.signIn()
}

// isLoopbackHost tells whether a host, with or without a port, is named as this machine.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fromLoopback tells whether a request came from this machine.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
