package jserve

import (
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

// account is a user with what signing in and quota checks need.
type account struct {
	name     string
	email    string
	password [sha256.Size]byte // hashed, so that comparing takes the same time for any length
	quota    int64             // below 0: unlimited
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

// signedIn lets a request through to h once its credentials are checked.
func signedIn(h func(*call) error) func(*call) error {
	return func(c *call) error {
		user := c.authenticate(c.r.Header.Get("Authorization"))
		if user == nil {
			return errBadCredentials
		}
		c.user = user
		return h(c)
	}
}

// authenticate returns the account that an Authorization header proves, or nil.
// Each scheme is one case; bearer tokens will be another.
func (s *Server) authenticate(header string) *account {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	name, password, err := parseBasic(rest)
	if err != nil {
		return nil
	}
	user := s.users[store.Fold(name)]
	want := [sha256.Size]byte{} // unknown users cost the same comparison
	if user != nil {
		want = user.password
	}
	got := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return nil
	}
	return user
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

// fromLoopback tells whether a request came from this machine.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
