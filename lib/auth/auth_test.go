package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"jottatools/lib/record"
)

func TestFind(t *testing.T) {
	home := t.TempDir()
	other := filepath.Join(home, "other")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(home, ".netrc"), "machine jottacloud.com login ola password s3cret\n")
	write(other, "machine jottacloud.com login kari password hemmelig\n")
	write(filepath.Join(home, "half"), "machine jottacloud.com login kari\n")
	write(filepath.Join(home, "none"), "machine example.com login kari password hemmelig\n")
	write(filepath.Join(home, "nas"), "machine jottacloud.com login ola password s3cret\nmachine nas.local login kari password hemmelig\nmachine localhost login per password s0cket\n")
	write(filepath.Join(home, "public"), "machine jottacloud.com login ola password s3cret\n")
	write(filepath.Join(home, "group"), "machine jottacloud.com login ola password s3cret\n")
	write(filepath.Join(home, "harmless"), "machine example.com login ola password s3cret\n")
	for name, mode := range map[string]fs.FileMode{"public": 0o644, "group": 0o640, "harmless": 0o644} {
		if err := os.Chmod(filepath.Join(home, name), mode); err != nil {
			t.Fatal(err)
		}
	}

	tests := []struct {
		name     string
		env      map[string]string
		user     string
		password string
		err      string
	}{
		{"environment", map[string]string{usernameVariable: "u", passwordVariable: "p", "HOME": home}, "u", "p", ""},
		{"netrc", map[string]string{"HOME": home, "USERPROFILE": home}, "ola", "s3cret", ""},
		{"other netrc", map[string]string{"HOME": home, netrcVariable: other}, "kari", "hemmelig", ""},
		{"no password", map[string]string{usernameVariable: "u", "HOME": home}, "", "", "JOTTACLOUD_PASSWORD is not"},
		{"no user", map[string]string{passwordVariable: "s3cret", "HOME": home}, "", "", "JOTTACLOUD_USERNAME is not"},
		{"half an entry", map[string]string{netrcVariable: filepath.Join(home, "half")}, "", "", "needs a login and a password"},
		{"no entry", map[string]string{netrcVariable: filepath.Join(home, "none")}, "", "", "not logged in; log in with jlogin"},
		{"no file", map[string]string{netrcVariable: filepath.Join(home, "missing")}, "", "", "not logged in; log in with jlogin"},
		{"of the endpoint", map[string]string{netrcVariable: filepath.Join(home, "nas"), "ENDPOINT": "https://NAS.local:7070/x/"}, "kari", "hemmelig", ""},
		{"of a socket", map[string]string{netrcVariable: filepath.Join(home, "nas"), "ENDPOINT": "unix:///run/jserve.sock"}, "per", "s0cket", ""},
		{"not of the endpoint", map[string]string{netrcVariable: filepath.Join(home, "nas"), "ENDPOINT": "http://127.0.0.1:7070"}, "", "", "not logged in; log in with jlogin"},
		{"that others read", map[string]string{netrcVariable: filepath.Join(home, "public")}, "", "", "can be read by everybody; make it private with chmod 600 " + filepath.Join(home, "public")},
		{"that a group reads", map[string]string{netrcVariable: filepath.Join(home, "group")}, "", "", "can be read by its group; make it private with chmod 600 "},
		{"that others read, without a password of ours", map[string]string{netrcVariable: filepath.Join(home, "harmless")}, "", "", "not logged in; log in with jlogin"},
		{"a folder", map[string]string{netrcVariable: home}, "", "", "read " + home},
		{"a colon", map[string]string{usernameVariable: "u:v", passwordVariable: "s3cret"}, "", "", "colon"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(test.err, "chmod") {
				t.Skip("files have no such permissions")
			}
			c, err := find(Options{Dir: home, Endpoint: test.env["ENDPOINT"]}, func(name string) string { return test.env[name] })
			if test.err != "" {
				var classed *Error
				if !errors.As(err, &classed) || classed.Record().Class != record.ClassAuth || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("find() = %v, want an error of class auth with %q", err, test.err)
				}
				if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "hemmelig") {
					t.Fatalf("find() = %v, which shows the password", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("find() = %v", err)
			}
			req, _ := http.NewRequest("GET", "http://localhost/", nil)
			if err := c.Authorize(context.Background(), req); err != nil {
				t.Fatalf("Authorize() = %v", err)
			}
			if user, password, _ := req.BasicAuth(); user != test.user || password != test.password {
				t.Errorf("signed as %s with %s, want %s with %s", user, password, test.user, test.password)
			}
		})
	}
}

func TestPasswordIsNotPrinted(t *testing.T) {
	c, err := NewBasic("ola", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out := fmt.Sprintf(verb, c)
		if strings.Contains(out, "s3cret") || strings.Contains(out, "733363726574") {
			t.Errorf("%s prints %s", verb, out)
		}
		if out = fmt.Sprintf(verb, struct{ C any }{c}); strings.Contains(out, "s3cret") {
			t.Errorf("%s in a struct prints %s", verb, out)
		}
	}
}

func TestParseNetrc(t *testing.T) {
	tests := []struct {
		name, text      string
		login, password string
		found           bool
	}{
		{"one line", "machine jottacloud.com login a password b", "a", "b", true},
		{"many lines", "machine jottacloud.com\n\tlogin a\n\taccount x\n\tpassword b\n", "a", "b", true},
		{"windows", "\ufeffmachine jottacloud.com\r\nlogin a\r\npassword b\r\n", "a", "b", true},
		{"letter case", "machine JottaCloud.com login a password b", "a", "b", true},
		{"second", "machine x login 1 password 2\nmachine jottacloud.com login a password b", "a", "b", true},
		{"first counts", "machine jottacloud.com login a password b\nmachine jottacloud.com login c password d", "a", "b", true},
		{"ends at the next", "machine jottacloud.com login a\nmachine x password b", "a", "", true},
		{"default is not meant", "default login a password b", "", "", false},
		{"ends at default", "machine jottacloud.com login a default password b", "a", "", true},
		{"comment", "# machine jottacloud.com\nmachine jottacloud.com # mine\nlogin a password b", "a", "b", true},
		{"hash in a password", "machine jottacloud.com login a password #b#", "a", "#b#", true},
		{"quoted", `machine jottacloud.com login "a b" password "c\"d\\e\n"`, "a b", "c\"d\\e\n", true},
		{"quote inside", `machine jottacloud.com login a password b"c"`, "a", `b"c"`, true},
		{"quote left open", `machine jottacloud.com login a password "b`, "a", "b", true},
		{"keyword as password", "machine jottacloud.com login machine password default", "machine", "default", true},
		{"macro", "macdef init\nmachine jottacloud.com login x password y\n\nmachine jottacloud.com login a password b", "a", "b", true},
		{"cut short", "machine jottacloud.com login a password", "a", "", true},
		{"cut shorter", "machine", "", "", false},
		{"empty", "", "", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := netrcEntry{found: test.found, login: test.login, password: test.password}
			if got := parseNetrc(test.text, "jottacloud.com"); got != want {
				t.Errorf("parseNetrc(%q) = %+v, want %+v", test.text, got, want)
			}
		})
	}
}

func FuzzParseNetrc(f *testing.F) {
	f.Add("machine jottacloud.com login a password \"b\\\"\" # c\nmacdef x\n\ndefault")
	f.Add("machine")
	f.Add("machine jottacloud.com password \"\\")
	f.Fuzz(func(t *testing.T, text string) {
		entry := parseNetrc(text, "jottacloud.com")
		if !entry.found && entry != (netrcEntry{}) {
			t.Errorf("parseNetrc(%q) = %+v, which was not found", text, entry)
		}
	})
}
