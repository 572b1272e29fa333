package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"jottatools/lib/local"
	"jottatools/lib/record"
)

// login is what the store keeps of a login: one file a profile.
type login struct {
	Version  int       `json:"v"`  // 1
	ID       string    `json:"id"` // of the login, drawn by chance
	Service  string    `json:"service"`
	Endpoint string    `json:"endpoint,omitempty"` // server of the user's own that it is for
	Username string    `json:"username,omitempty"`
	LoggedIn time.Time `json:"logged_in"`

	Client    string `json:"client_id"`
	TokenURL  string `json:"token_endpoint"`
	LogoutURL string `json:"end_session_endpoint,omitempty"`

	// Generation counts the renewals.
	Generation int64     `json:"generation"`
	Access     secret    `json:"access_token"`
	Expires    time.Time `json:"expires"`  // Access, by this computer's clock
	Lifetime   int64     `json:"lifetime"` // of Access when it was new, in seconds
	Refresh    secret    `json:"refresh_token"`

	// Renewing is set during a renewal. If a process holds the lock and finds it set, a
	// renewal was cut off, and Refresh may be spent.
	Renewing bool `json:"renewing,omitempty"`
	// Ended says that the service will not renew this login any more.
	Ended *ending `json:"ended,omitempty"`
}

// ending is the end of a login, and who has been told.
type ending struct {
	Why  string    `json:"why"`
	Told time.Time `json:"told,omitzero"`
	PID  int       `json:"pid,omitempty"`   // of the program that said so
	Pipe int       `json:"group,omitempty"` // its process group: a pipe is one
}

const (
	storeVersion = 1
	storeSuffix  = ".token.json"
	maxStore     = 256 << 10
	// lockPause is how often a lock that is held is tried again.
	lockPause = 20 * time.Millisecond
	// lockPatience is how long it is tried. Whoever has it makes one request, which
	// is given up after a minute.
	lockPatience = 2 * time.Minute
)

// DefaultProfile is the profile when none is named.
const DefaultProfile = "default"

const (
	maxProfile     = 64 // bytes in its name
	profileLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
)

// CheckProfile returns an error if a profile cannot have this name.
func CheckProfile(name string) error {
	if name == "" || len(name) > maxProfile || strings.ContainsAny(name[:1], ".-") || strings.Trim(name, profileLetters) != "" {
		return fmt.Errorf("a profile's name has up to 64 letters, digits, dots, dashes and underscores; %q has not", name)
	}
	return nil
}

// store is the file of one profile. Reading needs no lock, since the file is
// replaced as a whole. Writing needs it.
type store struct{ path string }

func (o Options) store() store { return store{filepath.Join(o.Dir, o.Profile+storeSuffix)} }

// read returns the login, or fs.ErrNotExist if there is none. A file that others
// can read, or that is damaged, is an error.
func (s store) read() (login, error) {
	f, info, err := local.OpenRegular(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return login{}, err
	case errors.Is(err, local.ErrNotRegular):
		return login{}, unauthorized("%s is not a file", s.path)
	case err != nil:
		return login{}, unauthorized("read the login: %w", err)
	}
	defer f.Close()
	if who := readableBy(info); who != "" {
		return login{}, unauthorized("%s can be read by %s, and is as good as the password; make it private with chmod 600, and log in again with jlogin if somebody may have read it", s.path, who)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxStore))
	if err != nil {
		return login{}, unauthorized("read the login: %w", err)
	}
	return parseLogin(s.path, data)
}

// parseLogin reads the content of a store. Its errors show none of it.
func parseLogin(path string, data []byte) (login, error) {
	var l login
	if err := json.Unmarshal(data, &l); err != nil {
		return login{}, unauthorized("%s is cut short or damaged; log in again with jlogin", path)
	}
	switch {
	case l.Version > storeVersion:
		return login{}, unauthorized("%s is of a later version of jottatools; use that, or log in again with jlogin", path)
	case l.Version < 1, l.ID == "", l.Client == "", l.Access == "", l.Refresh == "":
		return login{}, unauthorized("%s lacks a part of the login; log in again with jlogin", path)
	}
	for _, address := range []string{l.TokenURL, l.LogoutURL} {
		if !l.mayTell(address) {
			return login{}, unauthorized("%s would send the login to a server in the clear; log in again with jlogin", path)
		}
	}
	return l, nil
}

// mayTell reports whether an address in the store may be told the refresh token:
// it is encrypted, or the login is for a server of the user's own that is not. It
// may be missing.
func (l login) mayTell(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (address == "" || u.Scheme == "https" && u.Host != "" ||
		u.Scheme == "http" && u.Host != "" && strings.HasPrefix(baseOf(l.Endpoint), "http:"))
}

// lock waits for the lock of the store, which goes with the process that has it.
// The caller calls unlock.
func (s store) lock(ctx context.Context) (unlock func(), err error) {
	if !filepath.IsAbs(s.path) {
		return nil, unauthorized("the login cannot be kept: neither XDG_STATE_HOME nor HOME is set")
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, unauthorized("the login cannot be kept: %w", err)
	}
	// The file stays: removing it would let two others hold a lock each.
	lock := flock.New(strings.TrimSuffix(s.path, ".json")+".lock", flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	locked, err := lock.TryLockContext(ctx, lockPause)
	switch {
	case locked:
		return func() { lock.Close() }, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &record.Error{Class: record.ClassNetwork, Retry: true, Message: "another program has been renewing the login for long; try again later"}
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, unauthorized("the login cannot be locked: %w", err)
}

// write replaces the login. The new one is on disk, whatever happens to the
// machine, when write returns. The caller has the lock.
func (s store) write(l login) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if err := local.MayReplace(s.path); err != nil {
		return err
	}
	// Always the same name, so that no tokens are left lying about by a process that
	// was killed.
	aside := s.path + ".new"
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(aside, s.path)
	}
	if err != nil {
		os.Remove(aside)
		return err
	}
	return local.SyncDir(filepath.Dir(s.path))
}

// change reads the login under the lock and writes what f makes of it.
func (s store) change(ctx context.Context, f func(*login) error) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	l, err := s.read()
	if err != nil {
		return err
	}
	if err := f(&l); err != nil {
		return err
	}
	if err := s.write(l); err != nil {
		return unauthorized("the login cannot be kept: %w", err)
	}
	return nil
}

// remove forgets the login. The caller has the lock.
func (s store) remove() error {
	err := os.Remove(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, local.SyncDir(filepath.Dir(s.path)))
}

// Profiles returns the names of the profiles that have a login in the folder of
// the store, sorted.
func Profiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), storeSuffix); ok && CheckProfile(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// StoreDir returns where logins are kept: $XDG_STATE_HOME/jottatools, else in
// ~/.local/state.
func StoreDir(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as the XDG specification has it
		home := getenv("HOME")
		if home == "" {
			home = getenv("USERPROFILE")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "jottatools")
}
