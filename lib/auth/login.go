package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"jottatools/lib/local"
)

// Info is what can be said of a login without asking anybody. It holds no secret.
type Info struct {
	Profile  string    `json:"profile"`
	Service  string    `json:"service,omitempty"`  // name
	Endpoint string    `json:"endpoint,omitempty"` // server of the user's own; empty: the service itself
	Username string    `json:"username,omitempty"`
	LoggedIn time.Time `json:"logged_in,omitzero"`
	Expires  time.Time `json:"token_expires,omitzero"` // the access token; it is renewed by itself
	Problem  string    `json:"problem,omitempty"`      // why the login is of no use, if so
}

// Look returns what the store says of a profile.
func Look(o Options) (Info, error) {
	o = o.withDefaults()
	info := Info{Profile: o.Profile}
	l, err := o.store().read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return info, noLogin(o.Profile)
	case err != nil:
		info.Problem = err.Error()
		return info, nil
	}
	info.Endpoint, info.Username, info.LoggedIn, info.Expires = l.Endpoint, l.Username, l.LoggedIn, l.Expires
	info.Service = l.Service
	if service, ok := LookUpService(l.Service); ok {
		info.Service = service.Name
	}
	switch {
	case l.Ended != nil:
		info.Problem = "ended by the service: " + printable(l.Ended.Why)
	case l.Renewing && !o.now().Before(l.Expires):
		info.Problem = "the service's answer to a renewal is lost"
	}
	return info, nil
}

// LogIn makes a login of a login token and keeps it under the profile.
func LogIn(ctx context.Context, o Options, t LoginToken) error {
	o = o.withDefaults()
	at, err := discover(ctx, o, t.wellKnown)
	if err != nil {
		return err
	}
	g, err := o.grants(loginClient, at.Token, loginScopes)
	if err != nil {
		return err
	}
	host := ""
	if u, err := url.Parse(t.wellKnown); err == nil {
		host = u.Hostname()
	}
	l := login{Service: serviceOf(host, t.realm).Key, Username: t.username, Client: loginClient, TokenURL: at.Token, LogoutURL: at.Logout}
	return o.begin(ctx, l, func(ctx context.Context) (*oauth2.Token, error) {
		token, fate, err := g.byLoginToken(ctx, t)
		if fate == dead {
			err = unauthorized("the service does not take the login token (%s): each is good for one login, and not for long; make a new one at %s", err.Error(), tokenPage)
		}
		return token, err
	})
}

// begin gets the first tokens of a login and keeps them. The login that the
// profile had is given up.
func (o Options) begin(ctx context.Context, l login, first func(context.Context) (*oauth2.Token, error)) error {
	s := o.store()
	unlock, err := s.lock(ctx) // nobody renews the old login meanwhile
	if err != nil {
		return err
	}
	defer unlock()
	if err := local.MayReplace(s.path); err != nil {
		return unauthorized("the login cannot be kept: %w", err)
	}
	old, oldErr := s.read()
	l.Version, l.ID, l.Endpoint, l.LoggedIn = storeVersion, rand.Text(), o.Endpoint, o.now().UTC().Truncate(time.Second)
	ctx = context.WithoutCancel(ctx) // what is handed out must not be lost
	asked := o.now()
	token, err := first(ctx)
	if err != nil {
		return err
	}
	if err := l.take(token, asked); err != nil {
		return err
	}
	if err := s.write(l); err != nil {
		return unauthorized("the login cannot be kept: %w", err)
	}
	if oldErr == nil && old.Ended == nil {
		o.Endpoint = old.Endpoint
		_ = o.revoke(ctx, old) // a courtesy: nobody has its tokens any more
	}
	return nil
}

// SetUsername notes whose login it is, once the service has said so.
func SetUsername(ctx context.Context, o Options, name string) error {
	return o.withDefaults().store().change(ctx, func(l *login) error {
		l.Username = name
		return nil
	})
}

// LogOut ends the login of a profile at the service and forgets it. If the service
// cannot be asked, the login is kept, unless force is set.
func LogOut(ctx context.Context, o Options, force bool) error {
	o = o.withDefaults()
	s := o.store()
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noLogin(o.Profile)
	case err != nil && !force:
		return fmt.Errorf("%w; or forget it with jlogin logout --force", err)
	case err == nil && l.Ended == nil:
		o.Endpoint = l.Endpoint
		if err := o.revoke(ctx, l); err != nil && !force {
			return fmt.Errorf("%w; or forget the login, without ending it at the service, with jlogin logout --force", err)
		}
	}
	if err := s.remove(); err != nil {
		return unauthorized("forget the login: %w", err)
	}
	return nil
}

// Browser is a login by browser under way (docs/protocol.md, section 4.4).
type Browser struct {
	o        Options
	service  Service
	at       endpoints
	grants   *grants
	state    string
	verifier string
}

// NewBrowser prepares a login by browser. The browser is sent back to redirect, an
// address on this machine.
func NewBrowser(ctx context.Context, o Options, service Service, redirect string) (*Browser, error) {
	o = o.withDefaults()
	at, err := discover(ctx, o, service.wellKnown())
	if err != nil {
		return nil, err
	}
	if at.Authorize == "" {
		return nil, unauthorized("%s has no login by browser; use a login token", service.Name)
	}
	g, err := o.grants(service.client, at.Token, service.scopes)
	if err != nil {
		return nil, err
	}
	g.config.RedirectURL, g.config.Endpoint.AuthURL = redirect, at.Authorize
	return &Browser{o: o, service: service, at: at, grants: g, state: rand.Text(), verifier: oauth2.GenerateVerifier()}, nil
}

// URL returns the address for the browser.
func (b *Browser) URL() string {
	return b.grants.config.AuthCodeURL(b.state, oauth2.AccessTypeOffline, oauth2.S256ChallengeOption(b.verifier))
}

// ErrNotOurs says that an address is not the one that the browser is sent back to
// for this login.
var ErrNotOurs = errors.New("this is not the address that the browser was sent back to for this login; it begins with the address above and has state= and code= in it")

// Code reads the address that the browser was sent back to, or what follows its
// question mark. Errors: ErrNotOurs, or of class auth if the service refused.
func (b *Browser) Code(address string) (string, error) {
	address = strings.TrimSpace(address)
	if _, query, ok := strings.Cut(address, "?"); ok {
		address = query
	}
	address, _, _ = strings.Cut(address, "#")
	q, err := url.ParseQuery(address)
	switch {
	case err != nil || q.Get("state") != b.state:
		return "", ErrNotOurs
	case q.Get("error") != "":
		why := q.Get("error_description")
		if why == "" {
			why = q.Get("error")
		}
		return "", unauthorized("%s refuses the login (%s)", b.service.Name, printable(why))
	case q.Get("code") == "":
		return "", ErrNotOurs
	}
	return q.Get("code"), nil
}

// Finish makes a login of the code and keeps it under the profile.
func (b *Browser) Finish(ctx context.Context, code string) error {
	l := login{Service: b.service.Key, Client: b.service.client, TokenURL: b.at.Token, LogoutURL: b.at.Logout}
	return b.o.begin(ctx, l, func(ctx context.Context) (*oauth2.Token, error) {
		token, fate, err := b.grants.byCode(ctx, code, b.verifier)
		if fate == dead {
			err = unauthorized("the service does not take the code (%s): it is good once, and for a minute; begin again", err.Error())
		}
		return token, err
	})
}
