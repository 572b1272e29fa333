package jserve

import (
	"strings"
	"testing"

	"jottatools/lib/jserve"
	"jottatools/lib/jserve/store"
)

// FuzzAccounts: whatever the file holds, no account has no password, and none is there
// twice; an error names the line, and does not show it.
func FuzzAccounts(f *testing.F) {
	for _, s := range []string{"a:b\n# c\n\nd:e:f\r\n", "a:b\nA:c", ":x", "a:", "a", "u:x", "a/b:c", "\xff:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := options{users: "FILE"}
		o.user = "u"
		users, err := o.parseAccounts([]jserve.User{{Name: "u", Password: "p"}}, text)
		if err != nil {
			if !strings.Contains(err.Error(), "FILE, line ") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		known := map[string]bool{}
		for _, u := range users {
			if u.Name == "" || u.Password == "" || strings.ContainsAny(u.Name+u.Password, "\n") || known[store.Fold(u.Name)] {
				t.Fatalf("%q gives %+v", text, users)
			}
			known[store.Fold(u.Name)] = true
		}
	})
}
