// Package auth finds the credentials that sign requests to the service.
//
// It knows where they are kept and how they go into a request, and nothing of
// what the requests are for. Passwords stay inside the [Credentials]: they are in
// no error and no log, however those are printed.
package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

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
	netrcVariable    = "NETRC" // names the file to read in place of ~/.netrc
	netrcMachine     = "jottacloud.com"
)

// maxNetrc is the largest .netrc file that is read, in bytes.
const maxNetrc = 1 << 20

// Find returns the credentials of the environment: a user name and a password
// from JOTTACLOUD_USERNAME and JOTTACLOUD_PASSWORD, else from the entry for
// jottacloud.com in the netrc file. If there are none, the error is a
// [*record.Error] of class auth that says what to set.
func Find() (Credentials, error) {
	return find(os.Getenv)
}

func find(getenv func(string) string) (Credentials, error) {
	user, password := getenv(usernameVariable), getenv(passwordVariable)
	switch {
	case user != "" && password != "":
		return NewBasic(user, password)
	case user != "":
		return nil, unauthorized("%s is set, but %s is not", usernameVariable, passwordVariable)
	case password != "":
		return nil, unauthorized("%s is set, but %s is not", passwordVariable, usernameVariable)
	}
	path := netrcPath(getenv)
	entry, err := readNetrc(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, unauthorized("read %s: %w", path, err)
	case entry.found && (entry.login == "" || entry.password == ""):
		return nil, unauthorized("%s: the entry for %s needs a login and a password", path, netrcMachine)
	case entry.found:
		return NewBasic(entry.login, entry.password)
	}
	return nil, unauthorized("not logged in; set %s and %s, or add a line to ~/.netrc: machine %s login NAME password PASSWORD",
		usernameVariable, passwordVariable, netrcMachine)
}

func unauthorized(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &record.Error{Class: record.ClassAuth, Message: err.Error()}
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

func readNetrc(path string) (netrcEntry, error) {
	f, err := os.Open(path)
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
	return parseNetrc(string(data), netrcMachine), nil
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

// String returns the user name without the password.
func (b *Basic) String() string { return "password login of " + b.user }

// Format prints what String returns, whatever the verb: %#v and %d would show
// the password.
func (b *Basic) Format(f fmt.State, _ rune) { io.WriteString(f, b.String()) }
