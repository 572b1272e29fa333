package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"jottatools/lib/record"
)

// answerTimeout is how long the service may take to hand out tokens.
const answerTimeout = time.Minute

// fate is what became of the token that was shown to the service.
type fate int

const (
	spent   fate = iota // it was exchanged
	unspent             // it was not: it did not get there, or the answer says so
	dead                // the service does not take it, now or later
	inDoubt             // the answer is lost: it may be spent
)

// grants exchanges secrets for tokens.
type grants struct {
	config *oauth2.Config
	client *http.Client
}

func (o Options) grants(client, tokenURL string, scopes []string) (*grants, error) {
	c, err := o.client()
	if err != nil {
		return nil, err
	}
	c.Timeout = answerTimeout
	return &grants{client: c, config: &oauth2.Config{
		ClientID: client, Scopes: scopes,
		// Said outright: to find it out, a token would be shown twice.
		Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams},
	}}, nil
}

// ask makes one request for tokens, and says what became of what it showed.
func (g *grants) ask(ctx context.Context, request func(context.Context) (*oauth2.Token, error)) (*oauth2.Token, fate, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	token, err := request(context.WithValue(ctx, oauth2.HTTPClient, g.client))
	if err == nil {
		return token, spent, nil
	}
	host := g.host()
	var refused *oauth2.RetrieveError
	var broken *url.Error
	switch {
	case errors.As(err, &refused):
		fate, err := judge(host, refused)
		return nil, fate, err
	case !sent.Load():
		return nil, unspent, unreachable(ctx, host, err)
	case errors.As(err, &broken):
		return nil, inDoubt, unreachable(ctx, host, err)
	}
	// The error may hold a part of the answer, and that a part of a token.
	return nil, inDoubt, unauthorized("the answer of %s was cut short, or is a web page", host)
}

// judge reads an answer that gives no tokens (docs/protocol.md, section 4.2).
func judge(host string, refused *oauth2.RetrieveError) (fate, error) {
	status := refused.Response.StatusCode
	said := printable(refused.ErrorDescription)
	if said == "" {
		said = printable(refused.ErrorCode)
	}
	switch {
	case refused.ErrorCode == "invalid_grant":
		return dead, unauthorized("%s", said)
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		// A gateway in front of the service has lost the answer.
		return inDoubt, &record.Error{Class: record.ClassServer, HTTP: status, Retry: true, Message: fmt.Sprintf("log in at %s: the service answered %d", host, status)}
	case refused.ErrorCode != "" && status < 500 && status != http.StatusTooManyRequests:
		return unspent, unauthorized("%s refuses the login (%s)", host, said)
	}
	if err := refusedAnswer(host, refused.Response, refused.Body); err != nil {
		return unspent, err
	}
	return inDoubt, unauthorized("the answer of %s makes no sense", host)
}

func (g *grants) host() string {
	u, err := url.Parse(g.config.Endpoint.TokenURL)
	if err != nil {
		return "the service"
	}
	return u.Host
}

func (g *grants) byLoginToken(ctx context.Context, t LoginToken) (*oauth2.Token, fate, error) {
	return g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return g.config.PasswordCredentialsToken(ctx, t.username, string(t.secret))
	})
}

func (g *grants) byCode(ctx context.Context, code, verifier string) (*oauth2.Token, fate, error) {
	return g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return g.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

func (g *grants) byRefresh(ctx context.Context, refresh secret) (*oauth2.Token, fate, error) {
	return g.ask(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return g.config.TokenSource(ctx, &oauth2.Token{RefreshToken: string(refresh)}).Token()
	})
}

// take puts the tokens of an answer into the login. asked is when the request
// began: a token's life is counted from there.
func (l *login) take(t *oauth2.Token, asked time.Time) error {
	if t.AccessToken == "" || t.RefreshToken == "" {
		return unauthorized("the service gave no token that lasts; log in again with jlogin")
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 {
		life = time.Hour // what the service is known to give (docs/protocol.md, section 4.1)
	}
	l.Access, l.Refresh = secret(t.AccessToken), secret(t.RefreshToken)
	l.Lifetime, l.Expires = int64(life/time.Second), asked.Add(life).Round(0).UTC()
	l.Generation++
	return nil
}

// revoke ends a login at the service (Keycloak's logout endpoint). It is no error
// if it has ended already.
func (o Options) revoke(ctx context.Context, l login) error {
	if l.LogoutURL == "" {
		return nil
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	client.Timeout = answerTimeout
	form := url.Values{"client_id": {l.Client}, "refresh_token": {string(l.Refresh)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.LogoutURL, strings.NewReader(form.Encode()))
	if err != nil {
		return unauthorized("the address of the login is malformed")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return unreachable(ctx, req.URL.Host, err)
	}
	defer resp.Body.Close()
	switch s := resp.StatusCode; {
	case s < 300, s == http.StatusBadRequest:
		return nil
	default:
		return &record.Error{Class: record.ClassServer, HTTP: s, Retry: true, Message: fmt.Sprintf("log out at %s: the service answered %d", req.URL.Host, s)}
	}
}

// printable makes text that came from elsewhere fit for one line of a terminal.
func printable(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
