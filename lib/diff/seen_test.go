package diff

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"
)

func TestSeen(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct {
		paths int
		fails bool // without a folder for temporary files
	}{{0, false}, {1, false}, {seenMemory, false}, {seenMemory + 1, true}, {3*seenMemory + 1, true}} {
		for _, temp := range []string{t.TempDir(), missing} {
			t.Setenv("TMPDIR", temp)
			var s seen
			for i := range test.paths {
				s.add(fmt.Sprint("Path ", i))
			}
			err := s.load()
			if fails := test.fails && temp == missing; fails != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%d paths, TMPDIR %s: %v", test.paths, temp, err)
			}
			for i := range test.paths {
				if err == nil && !s.has(fmt.Sprint("pATH ", i)) {
					t.Fatalf("of %d paths, the %dth was not met", test.paths, i)
				}
			}
			if s.has("another") {
				t.Errorf("of %d paths, another was met", test.paths)
			}
			s.close()
		}
	}
}
