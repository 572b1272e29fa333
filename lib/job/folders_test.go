package job

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFindFolders(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want Folders
		err  string
	}{
		{map[string]string{"HOME": "/h"}, Folders{"/h/.local/state/jottatools", "/h/.cache/jottatools", "/h/.local/share/jottatools"}, ""},
		{map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "/c"}, Folders{"/h/.local/state/jottatools", "/c/jottatools", "/h/.local/share/jottatools"}, ""},
		{map[string]string{"XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c", "XDG_DATA_HOME": "/d"}, Folders{"/s/jottatools", "/c/jottatools", "/d/jottatools"}, ""},
		{map[string]string{"HOME": "/h", "XDG_STATE_HOME": "relative"}, Folders{"/h/.local/state/jottatools", "/h/.cache/jottatools", "/h/.local/share/jottatools"}, ""},
		{map[string]string{"XDG_STATE_HOME": "/s"}, Folders{}, "HOME is not set; set it, or XDG_CACHE_HOME"},
	} {
		got, err := FindFolders(func(name string) string { return test.env[name] })
		switch {
		case test.err != "" && (err == nil || err.Error() != test.err):
			t.Errorf("%v: %v, want %s", test.env, err, test.err)
		case test.err == "" && (err != nil || got != test.want):
			t.Errorf("%v: %+v, %v, want %+v", test.env, got, err, test.want)
		}
	}
}

func TestReports(t *testing.T) {
	f := Folders{State: filepath.Join(t.TempDir(), "[a]*")}
	if names, err := f.Reports(); len(names) > 0 || err != nil {
		t.Errorf("before the first run: %v, %v", names, err)
	}
	if err := os.MkdirAll(f.Jobs(), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{f.Report("b-2"), f.Report("a-1"), f.Lock("a-1"), f.Report("a-1") + ".unfinished", f.Memory("b-2")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err := f.Reports()
	if want := []string{f.Report("a-1"), f.Report("b-2")}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v, want %v", names, err, want)
	}
	if got := KeyOf(f.Report("a-1")); got != "a-1" {
		t.Errorf("KeyOf = %s", got)
	}
}
