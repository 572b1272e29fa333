package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"jottatools/lib/record"
)

func aLogin() login {
	return login{
		Version: 1, ID: "x", Service: "jottacloud", Username: "ola", Client: "jottacli", TokenURL: "https://id.jottacloud.com/token",
		Access: "acc3ss", Refresh: "r3fresh", Expires: time.Unix(1e9, 0), Lifetime: 3600,
	}
}

func encoded(t testing.TB, l login) []byte {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func shows(err error) bool {
	return strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "acc3ss") || strings.Contains(err.Error(), "r3fresh")
}

// TestCutStore: wherever the file was cut, it is one clear line.
func TestCutStore(t *testing.T) {
	data := encoded(t, aLogin())
	for n := range data {
		_, err := parseLogin("p", data[:n])
		if err == nil || classOf(err) != record.ClassAuth || !strings.Contains(err.Error(), "log in again with jlogin") || strings.Contains(err.Error(), "\n") || shows(err) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	if l, err := parseLogin("p", data); err != nil || l != aLogin() && !l.Expires.Equal(aLogin().Expires) {
		t.Errorf("whole: %v", err)
	}
}

func TestStoreContent(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*login)
		want   string // "" if it is fine
	}{
		"later version":      {func(l *login) { l.Version = 2 }, "of a later version"},
		"no version":         {func(l *login) { l.Version = 0 }, "lacks a part"},
		"no refresh token":   {func(l *login) { l.Refresh = "" }, "lacks a part"},
		"in the clear":       {func(l *login) { l.TokenURL = "http://id.jottacloud.com/token" }, "in the clear"},
		"logout in clear":    {func(l *login) { l.LogoutURL = "http://id.jottacloud.com/logout" }, "in the clear"},
		"of its own":         {func(l *login) { l.TokenURL, l.Endpoint = "http://127.0.0.1:1/token", "http://127.0.0.1:1" }, ""},
		"of its own, secure": {func(l *login) { l.TokenURL, l.Endpoint = "http://127.0.0.1:1/token", "https://127.0.0.1:1" }, "in the clear"},
		"no address":         {func(l *login) { l.TokenURL = "file:///etc/passwd" }, "in the clear"},
	} {
		l := aLogin()
		test.change(&l)
		_, err := parseLogin("p", encoded(t, l))
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || shows(err)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestStoreIsPrivate: what others can read is refused, and what is written they
// cannot.
func TestStoreIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes here")
	}
	s := Options{Dir: t.TempDir()}.withDefaults().store()
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.write(aLogin()); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{0o600: "", 0o400: "", 0o640: "its group", 0o604: "everybody", 0o620: "its group", 0o602: "everybody", 0o777: "everybody"} {
		if err := os.Chmod(s.path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := s.read()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("mode %o: %v, want %q", mode, err, want)
		}
	}
	if err := s.write(aLogin()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want mode 0600", info.Mode(), err)
	}
}

// TestStaleLock: what a process that is gone has left does not block: neither the
// file of the lock, nor a store that was half written.
func TestStaleLock(t *testing.T) {
	s := Options{Dir: t.TempDir()}.withDefaults().store()
	for _, left := range []string{".token.lock", ".token.json.new"} {
		if err := os.WriteFile(s.path[:len(s.path)-len(".token.json")]+left, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	unlock, err = s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := s.write(aLogin()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.read(); err != nil {
		t.Error(err)
	}
}

// TestNoHome: a login is not written to wherever the program was started.
func TestNoHome(t *testing.T) {
	dir := StoreDir(func(string) string { return "" })
	if _, err := (Options{Dir: dir}).withDefaults().store().lock(t.Context()); err == nil || !strings.Contains(err.Error(), "HOME is set") {
		t.Errorf("lock() = %v", err)
	}
	for home, want := range map[string]string{"/s": "/s/jottatools", "s": "/h/.local/state/jottatools", "": "/h/.local/state/jottatools"} {
		got := StoreDir(func(name string) string { return map[string]string{"XDG_STATE_HOME": home, "HOME": "/h"}[name] })
		if runtime.GOOS != "windows" && got != want {
			t.Errorf("StoreDir() = %s, want %s", got, want)
		}
	}
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a.1", "x-y_z"} {
		s := Options{Dir: dir, Profile: name}.withDefaults().store()
		if err := s.write(aLogin()); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := Profiles(dir); err != nil || fmt.Sprint(names) != "[a.1 b x-y_z]" {
		t.Errorf("Profiles() = %v, %v", names, err)
	}
	if names, err := Profiles(dir + "/none"); err != nil || names != nil {
		t.Errorf("Profiles() of no folder = %v, %v", names, err)
	}
	for name, good := range map[string]bool{"work": true, "": false, ".": false, "..": false, "a/b": false, "-a": false, "a b": false, strings.Repeat("a", 65): false, strings.Repeat("a", 64): true} {
		if err := CheckProfile(name); (err == nil) != good {
			t.Errorf("CheckProfile(%q) = %v", name, err)
		}
	}
	if _, err := Open(Options{Dir: dir, Profile: "none"}); !errors.Is(err, ErrNoLogin) || !strings.Contains(err.Error(), "jlogin --profile none") {
		t.Errorf("Open() = %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	l := aLogin()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if out := fmt.Sprintf(verb, l); strings.Contains(out, "acc3ss") || strings.Contains(out, "r3fresh") || strings.Contains(out, fmt.Sprintf("%x", "acc3ss")) {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}

func FuzzParseLogin(f *testing.F) {
	f.Add(encoded(f, aLogin()))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLogin("p", data)
		if err != nil {
			return
		}
		again, err := parseLogin("p", encoded(t, l))
		if err != nil || again.Access != l.Access || again.Refresh != l.Refresh || again.TokenURL != l.TokenURL {
			t.Errorf("%+v is read as %+v, %v", l, again, err)
		}
	})
}
