package auth

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
)

// ErrNoLogin says that a profile has no login.
var ErrNoLogin = errors.New("not logged in")

func noLogin(profile string) error {
	what := "not logged in; log in with jlogin"
	if profile != DefaultProfile {
		what = "not logged in as profile " + profile + "; log in with jlogin --profile " + profile
	}
	return &Error{message: what, err: ErrNoLogin}
}

// Session is a login of the token store. It signs requests with an access token
// that it renews ahead of its end, once for all processes that share the login. It
// is safe for concurrent use.
//
// Using a refresh token twice ends the login (docs/protocol.md, section 4.2). So a
// process renews it under a lock, and only if no other process has done so before.
// The new tokens are on disk before they are used.
type Session struct {
	o     Options
	store store

	lock    chan struct{} // holds one token; guards current, and can be waited for with a context
	current login
	pause   time.Time // until when a renewal that failed is not tried again, if the token is good
}

// Open returns the login of a profile. It asks nobody. Errors: ErrNoLogin; one of
// class auth if the login is damaged, has ended, or is for another endpoint.
func Open(o Options) (*Session, error) {
	o = o.withDefaults()
	s := &Session{o: o, store: o.store(), lock: make(chan struct{}, 1)}
	var err error
	if s.current, err = s.store.read(); errors.Is(err, fs.ErrNotExist) {
		return nil, noLogin(o.Profile)
	} else if err != nil {
		return nil, err
	}
	if o.Endpoint != "" && o.Endpoint != s.current.Endpoint {
		return nil, unauthorized("the login of profile %s is for %s, and JOTTA_ENDPOINT is %s; log in there with jlogin, or choose another profile",
			o.Profile, s.current.place(), o.Endpoint)
	}
	s.o.Endpoint = s.current.Endpoint
	if s.current.Ended != nil {
		return nil, s.ended(context.Background(), s.current.Ended.Why)
	}
	return s, nil
}

// place is where a login is good.
func (l login) place() string {
	if l.Endpoint != "" {
		return l.Endpoint
	}
	return "Jottacloud"
}

// Endpoint returns the server that the login is for; empty means Jottacloud.
func (s *Session) Endpoint() string { return s.o.Endpoint }

// Authorize signs the request. It renews the login if need be.
func (s *Session) Authorize(ctx context.Context, req *http.Request) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if !s.fresh() {
		if err := s.reload(); err != nil {
			return err
		}
	}
	if now := s.o.now(); !s.fresh() && (now.After(s.pause) || !s.stillGood()) {
		if err := s.renew(ctx); err != nil && !s.stillGood() {
			return err
		}
		s.pause = now.Add(renewPause)
	}
	req.Header.Set("Authorization", "Bearer "+string(s.current.Access))
	return nil
}

// Renew is called when the service has refused what signed a request. It returns
// nil if there is something else to sign it with. again says that this request was
// signed anew before: then that is tried once more only if the token may have
// reached its end meanwhile, since another one would be refused, too.
func (s *Session) Renew(ctx context.Context, refused *http.Request, again bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := s.reload(); err != nil {
		return err
	}
	if refused.Header.Get("Authorization") != "Bearer "+string(s.current.Access) {
		return nil // somebody has renewed it
	}
	// The service counts whole seconds.
	if again && s.o.now().Before(s.current.Expires.Add(-time.Second)) {
		return unauthorized("the service refuses a login that it has just renewed; log in again with jlogin")
	}
	return s.renew(ctx)
}

// Refused says what to do when the service refuses the login.
func (s *Session) Refused() string {
	return "the service refused the login; log in again with " + s.o.jlogin()
}

func (s *Session) enter(ctx context.Context) error {
	select {
	case s.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Session) leave() { <-s.lock }

// maxAhead is how long before its end a token is renewed; one that lives less than
// twenty minutes, for the last tenth of its life. The service counts whole seconds:
// a token of a few is renewed when it has ended.
const maxAhead = 2 * time.Minute

// fresh reports whether the token can be used without more ado. One whose end is
// further off than its life is long comes of a clock that was wrong.
func (s *Session) fresh() bool {
	life := time.Duration(s.current.Lifetime) * time.Second
	ahead := min(maxAhead, life/10).Truncate(time.Second)
	left := s.current.Expires.Sub(s.o.now())
	return left > ahead && left <= life+time.Minute
}

// renewPause is how long a renewal ahead of the end is not tried again after one
// that failed.
const renewPause = 5 * time.Second

// stillGood reports whether a renewal that fails can wait: the token has not
// reached its end, and the service has not ended the login.
func (s *Session) stillGood() bool {
	return s.current.Ended == nil && s.o.now().Before(s.current.Expires)
}

// reload takes over what others have written to the store. A login of somebody
// else is none of ours: the run would go on in another account.
func (s *Session) reload() error {
	l, err := s.store.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unauthorized("the profile %s was logged out meanwhile; log in again with %s", s.o.Profile, s.o.jlogin())
	case err != nil:
		return err
	case l.ID != s.current.ID && (l.Username != s.current.Username || l.Endpoint != s.current.Endpoint):
		return unauthorized("the profile %s was logged in as somebody else meanwhile; run it again", s.o.Profile)
	}
	s.current = l
	return nil
}

// renew renews the login, or has it done.
func (s *Session) renew(ctx context.Context) error {
	renew := s.o.Renew
	if renew == nil {
		renew = func(ctx context.Context, _ string, generation int64) error { return Renew(ctx, s.o, generation) }
	}
	before := s.current.Generation
	err := renew(ctx, s.o.Profile, before)
	if reloadErr := s.reload(); reloadErr != nil {
		return errors.Join(err, reloadErr)
	}
	switch {
	case s.current.Ended != nil:
		return s.ended(ctx, s.current.Ended.Why)
	case err == nil && s.current.Generation == before:
		return unauthorized("the login was not renewed; log in again with %s", s.o.jlogin())
	}
	return err
}

// jlogin is the command that logs the profile in.
func (o Options) jlogin() string {
	command := "jlogin"
	if o.Profile != DefaultProfile {
		command += " --profile " + o.Profile
	}
	return command
}

// toldFor is for how long one program of a pipe speaks for the others.
const toldFor = time.Minute

// ended returns the error of a login that has ended. Of the programs in a pipe one
// says so; it leaves a note for the others.
func (s *Session) ended(ctx context.Context, why string) error {
	err := &Error{message: "the service has ended the login (" + printable(why) + "); log in again with " + s.o.jlogin()}
	// If the note cannot be left there are two messages, and no harm is done.
	_ = s.store.change(context.WithoutCancel(ctx), func(l *login) error {
		if l.Ended == nil {
			return errors.New("not ended")
		}
		now := s.o.now()
		note := l.Ended
		if pipe() != 0 && note.Pipe == pipe() && note.PID != os.Getpid() && now.Sub(note.Told).Abs() < toldFor {
			err.told = true
			return errors.New("told")
		}
		note.Told, note.PID, note.Pipe = now.UTC(), os.Getpid(), pipe()
		return nil
	})
	return err
}

// Ended returns the error of a login that has ended, or nil. It asks nobody.
func (s *Session) Ended() error {
	l, err := s.store.read()
	if err != nil || l.Ended == nil {
		return nil
	}
	return s.ended(context.Background(), l.Ended.Why)
}

// Renew renews the login of a profile if it is still of a generation, and has the
// new tokens on disk when it returns. A negative generation means whichever it is.
//
// A renewal that has begun is finished even if ctx ends: the answer to a token that the
// service has seen must not be lost. Errors: of class auth if the service has ended the
// login, or if it is not known whether the refresh token is spent; then it is never
// shown again.
func Renew(ctx context.Context, o Options, generation int64) error {
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
	case err != nil:
		return err
	case l.Ended != nil:
		return unauthorized("the service has ended the login; log in again with %s", o.jlogin())
	case generation >= 0 && l.Generation != generation:
		return nil // somebody was faster
	case l.Renewing:
		return lost(o, "it was cut off, or the line broke")
	}
	o.Endpoint = l.Endpoint
	g, err := o.grants(l.Client, l.TokenURL, nil)
	if err != nil {
		return err
	}
	// From here on a death leaves a mark. That it can be written also shows that
	// the disk will take the answer.
	l.Renewing = true
	if err := s.write(l); err != nil {
		return unauthorized("the login cannot be renewed, since the new one could not be kept: %w", err)
	}
	asked := o.now()
	token, fate, err := g.byRefresh(context.WithoutCancel(ctx), l.Refresh)
	if fate == spent {
		if err = l.take(token, asked); err != nil {
			return err
		}
	}
	switch fate {
	case inDoubt:
		return lost(o, err.Error())
	case dead:
		l.Ended = &ending{Why: err.Error()}
		err = unauthorized("the service has ended the login (%s); log in again with %s", err.Error(), o.jlogin())
	}
	l.Renewing = false
	if writeErr := s.write(l); writeErr != nil {
		return unauthorized("the login was renewed, but cannot be kept (%w); log in again with %s", writeErr, o.jlogin())
	}
	return err
}

// lost returns the error of a login whose last renewal has an unknown end.
func lost(o Options, why string) error {
	return unauthorized("the service's answer to a renewal of the login is lost (%s); log in again with %s", strings.TrimSpace(why), o.jlogin())
}
