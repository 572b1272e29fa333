package config

import (
	"strings"
	"testing"
)

// FuzzParse: a file that makes no sense is refused in one line that says where.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "profile = \"nas\"\n[profiles.work]\nendpoint = \"http://x\"", "profle = 1", "[", "profile = 1", "a.b.c = [[1]]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var into file
		if err := parse(data, &into); err != nil && (!strings.Contains(err.Error(), "line ") || len(err.Error()) > 1000+len(data)) {
			t.Fatalf("parse(%q) = %v", data, err)
		}
	})
}
