// Package auth provides the credentials that sign requests to the service, and gets,
// keeps and renews them.
//
// A [Session] is a login of the token store. The store has one file per profile, which
// any number of processes share. [Basic] is a user name and a password. [Find] finds
// either, [LogIn] and [Browser] make a login, and [LogOut] ends one. The package knows
// nothing about the requests themselves. No error and no log ever shows a secret,
// however it is printed. docs/adr/0006-token-store.md explains the design of the store.
package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Credentials sign requests. They are safe for concurrent use.
type Credentials interface {
	Authorize(ctx context.Context, req *http.Request) error
}

// The places where credentials are looked for, in this order.
const (
	usernameVariable = "JOTTACLOUD_USERNAME"
	passwordVariable = "JOTTACLOUD_PASSWORD"
	netrcVariable    = "NETRC"          // names the file to read in place of ~/.netrc
	netrcMachine     = "jottacloud.com" // unless there is an endpoint, whose host counts then
)

// maxNetrc is the largest .netrc file that is read, in bytes.
const maxNetrc = 1 << 20

// Options say which login is meant, and how to reach where it is made.
type Options struct {
	Profile  string // of the token store; empty means DefaultProfile
	Dir      string // of the token store
	Endpoint string // server of the user's own that stands for all hosts, as in JOTTA_ENDPOINT; empty: Jottacloud

	// Transport returns what carries requests to an endpoint.
	Transport func(endpoint string) (http.RoundTripper, error)
	UserAgent string

	// Renew, if set, renews the login of a profile in place of this process, if it
	// is still of that generation: see [Renew]. What it starts outlives this process
	// when that is killed.
	Renew func(ctx context.Context, profile string, generation int64) error

	now func() time.Time // for tests
}

func (o Options) withDefaults() Options {
	if o.Profile == "" {
		o.Profile = DefaultProfile
	}
	if o.now == nil {
		o.now = time.Now
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	return o
}

// Find returns the credentials that there are: a user name and a password from
// JOTTACLOUD_USERNAME and JOTTACLOUD_PASSWORD; else the login of the profile, as a
// [*Session]; else, for the default profile, the entry in the netrc file for the host
// of the endpoint, or for jottacloud.com. If there are none, the error is of class auth
// and says what to do.
func Find(o Options) (Credentials, error) { return find(o, os.Getenv) }

func find(o Options, getenv func(string) string) (Credentials, error) {
	user, password := getenv(usernameVariable), getenv(passwordVariable)
	switch {
	case user != "" && password != "":
		return NewBasic(user, password)
	case user != "":
		return nil, unauthorized("%s is set, but %s is not", usernameVariable, passwordVariable)
	case password != "":
		return nil, unauthorized("%s is set, but %s is not", passwordVariable, usernameVariable)
	}
	o = o.withDefaults()
	session, err := Open(o)
	switch {
	case err == nil:
		return session, nil
	case !errors.Is(err, ErrNoLogin):
		return nil, err
	case o.Profile != DefaultProfile:
		return nil, err // a password that is for no profile is not for this one
	}
	path, machine := netrcPath(getenv), o.machine()
	entry, netrcErr := readNetrc(path, machine)
	switch {
	case errors.Is(netrcErr, fs.ErrNotExist):
	case netrcErr != nil:
		return nil, unauthorized("read %s: %w", path, netrcErr)
	case entry.found && entry.readable != "":
		return nil, unauthorized("%s has a password in it, and can be read by %s; make it private with chmod 600 %s", path, entry.readable, path)
	case entry.found && (entry.login == "" || entry.password == ""):
		return nil, unauthorized("%s: the entry for %s needs a login and a password", path, machine)
	case entry.found:
		return NewBasic(entry.login, entry.password)
	}
	return nil, err
}

// machine returns the host that requests go to, as a netrc file names it.
func (o Options) machine() string {
	if o.Endpoint == "" {
		return netrcMachine
	}
	u, err := url.Parse(baseOf(o.Endpoint))
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Error is an error of class auth.
type Error struct {
	message string
	err     error // the cause below, if any
	told    bool
}

// Error returns one line for people.
func (e *Error) Error() string { return e.message }

// Unwrap returns the cause below.
func (e *Error) Unwrap() error { return e.err }

// Record returns the error as it travels in a record.
func (e *Error) Record() *record.Error {
	return &record.Error{Class: record.ClassAuth, Message: e.message}
}

// Told reports whether another program of the same pipe has said so already.
func (e *Error) Told() bool { return e.told }

func unauthorized(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{message: err.Error(), err: errors.Unwrap(err)}
}

// netrcPath returns where the netrc file is, whether or not it exists.
func netrcPath(getenv func(string) string) string {
	if path := getenv(netrcVariable); path != "" {
		return path
	}
	if runtime.GOOS == "windows" {
		return filepath.Join(getenv("USERPROFILE"), "_netrc")
	}
	return filepath.Join(getenv("HOME"), ".netrc")
}

func readNetrc(path, machine string) (netrcEntry, error) {
	f, info, err := local.OpenRegular(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // the caller names the file
		}
		return netrcEntry{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNetrc))
	if err != nil {
		return netrcEntry{}, errors.New("it cannot be read")
	}
	entry := parseNetrc(string(data), machine)
	if entry.found {
		entry.readable = readableBy(info)
	}
	return entry, nil
}

// Basic is a user name and a password, sent with every request.
type Basic struct {
	user, password string
}

// NewBasic returns the credentials of a user. The user name cannot hold a colon.
func NewBasic(user, password string) (*Basic, error) {
	for _, c := range user {
		if c == ':' {
			return nil, unauthorized("the user name has a colon in it; check %s", usernameVariable)
		}
	}
	return &Basic{user, password}, nil
}

// Authorize signs the request. It never fails.
func (b *Basic) Authorize(_ context.Context, req *http.Request) error {
	req.SetBasicAuth(b.user, b.password)
	return nil
}

// Homebound says that the password goes to no host that an answer names.
func (b *Basic) Homebound() bool { return true }

// User returns the user name.
func (b *Basic) User() string { return b.user }

// Refused says what to do when the service does not take the password.
func (b *Basic) Refused() string {
	return "the service refused the user name and the password; check them, or log in with jlogin: Jottacloud takes no passwords from accounts with two-factor login"
}

// String returns the user name without the password.
func (b *Basic) String() string { return "password login of " + b.user }

// Format prints what String returns, whatever the verb: %#v and %d would show
// the password.
func (b *Basic) Format(f fmt.State, _ rune) { io.WriteString(f, b.String()) }
