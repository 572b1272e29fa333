package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoad(t *testing.T) {
	const text = `
profile = "nas"
endpoint = "http://all"
service = "elko"
upload_hosts = ["up.all", "up2.all"]

[profiles.work]
endpoint = "http://work"
upload_hosts = ["up.work"]

[profiles."a.b"]
service = "tele2"
`
	for name, test := range map[string]struct {
		text, flag string
		env        map[string]string
		want       Settings
		err        string
	}{
		"nothing":         {"", "", nil, Settings{}, ""},
		"file":            {text, "", nil, Settings{"nas", "http://all", "elko", "up.all,up2.all"}, ""},
		"environment":     {text, "", map[string]string{"JOTTA_PROFILE": "work", "JOTTA_ENDPOINT": "http://env"}, Settings{"work", "http://env", "elko", "up.work"}, ""},
		"upload hosts":    {text, "work", map[string]string{"JOTTA_UPLOAD_HOSTS": "a,b:1"}, Settings{"work", "http://work", "elko", "a,b:1"}, ""},
		"flag":            {text, "x", map[string]string{"JOTTA_PROFILE": "work"}, Settings{"x", "http://all", "elko", "up.all,up2.all"}, ""},
		"of the profile":  {text, "work", nil, Settings{"work", "http://work", "elko", "up.work"}, ""},
		"quoted profile":  {text, "a.b", nil, Settings{"a.b", "http://all", "tele2", "up.all,up2.all"}, ""},
		"unknown setting": {"profile = \"a\"\nendpiont = \"x\"\n", "", nil, Settings{}, "config.toml: line 2: there is no setting of this name"},
		"wrong type":      {"\n\nprofile = 7\n", "", nil, Settings{}, "config.toml: line 3: "},
		"large file":      {strings.Repeat("#", maxConfig+1), "", nil, Settings{}, "config.toml has more than 1048576 bytes"},
		"no TOML":         {"profile: nas\n", "", nil, Settings{}, "config.toml: line 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			env := map[string]string{"XDG_CONFIG_HOME": dir}
			for k, v := range test.env {
				env[k] = v
			}
			if test.text != "" {
				if err := os.MkdirAll(filepath.Join(dir, "jottatools"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "jottatools", "config.toml"), []byte(test.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := load(test.flag, func(name string) string { return env[name] })
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "\n") {
					t.Errorf("load() = %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || got != test.want {
				t.Errorf("load() = %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
	if got := Path(func(name string) string { return map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "relative"}[name] }); got != filepath.FromSlash("/h/.config/jottatools/config.toml") {
		t.Errorf("Path() = %s", got)
	}
}

// TestExample holds that the example is a configuration.
func TestExample(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash("../../docs/examples/config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "jottatools"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jottatools", "config.toml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	got, err := load("", func(name string) string { return env[name] })
	if want := (Settings{Profile: "nas", Service: "telia_no"}); err != nil || got != want {
		t.Errorf("load() = %+v, %v, want %+v", got, err, want)
	}
}
