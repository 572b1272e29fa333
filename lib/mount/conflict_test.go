//go:build linux

package mount

import (
	"io"
	"slices"
	"strings"
	"testing"

	"jottatools/lib/jfs"
)

// storedFiles returns what the service has in the mount point, by name.
func storedFiles(t *testing.T, client *jfs.Client) map[string]string {
	t.Helper()
	const at = jfs.Path("/Jotta/Archive")
	_, entries, err := client.List(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		if e.Kind != jfs.KindFile || !e.Live() {
			continue
		}
		r, err := client.Open(t.Context(), at.Join(e.Path), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if r.Close(); err != nil {
			t.Fatal(err)
		}
		all[e.Path] = string(b)
	}
	return all
}

// TestConflict: what one mount writes knows nothing of what another one has stored
// meanwhile. Whoever comes second finds it beside that, under a name that says so.
func TestConflict(t *testing.T) {
	// appendTo adds to a file as a shell does with >>.
	appendTo := func(t *testing.T, f *fileSystem, dir *entry, text string) {
		t.Helper()
		e, err := f.lookup(t.Context(), dir, "log.txt")
		if err != nil || e == nil {
			t.Fatal(e, err)
		}
		f.tree.mu.Lock()
		size, h := e.size(), f.newHandle(e, true)
		f.tree.mu.Unlock()
		if _, errno := h.Write(t.Context(), []byte(text), size); errno != 0 {
			t.Fatal(errno)
		}
		if errno := h.Flush(t.Context()); errno != 0 {
			t.Fatal(errno)
		}
		if errno := h.Release(t.Context()); errno != 0 {
			t.Fatal(errno)
		}
		f.uploads.drain(t.Context())
	}
	for _, test := range []struct {
		name string
		do   func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry)
		want []string // contents, the conflict copies among them
		told int      // conflicts that the second mount names
	}{
		{"both append", func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry) {
			save(t, one, dirOne, "log.txt", "0\n")
			one.uploads.drain(t.Context())
			if e, err := two.lookup(t.Context(), dirTwo, "log.txt"); err != nil || e == nil {
				t.Fatal(e, err)
			}
			appendTo(t, one, dirOne, "one\n")
			appendTo(t, two, dirTwo, "two\n")
		}, []string{"0\none\n", "0\ntwo\n"}, 1},
		{"both make it", func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry) {
			two.lookup(t.Context(), dirTwo, "log.txt")
			save(t, one, dirOne, "log.txt", "one")
			one.uploads.drain(t.Context())
			save(t, two, dirTwo, "log.txt", "two")
			two.uploads.drain(t.Context())
		}, []string{"one", "two"}, 1},
		{"both make the same", func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry) {
			two.lookup(t.Context(), dirTwo, "log.txt")
			save(t, one, dirOne, "log.txt", "same")
			one.uploads.drain(t.Context())
			save(t, two, dirTwo, "log.txt", "same")
			two.uploads.drain(t.Context())
		}, []string{"same"}, 0},
		{"one after the other", func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry) {
			save(t, one, dirOne, "log.txt", "0\n")
			one.uploads.drain(t.Context())
			appendTo(t, two, dirTwo, "two\n")
			for range 20 { // more than are noted
				appendTo(t, two, dirTwo, "+")
			}
		}, []string{"0\ntwo\n++++++++++++++++++++"}, 0},
		{"replaced by another file", func(t *testing.T, one, two *fileSystem, dirOne, dirTwo *entry) {
			save(t, one, dirOne, "log.txt", "0\n")
			one.uploads.drain(t.Context())
			two.lookup(t.Context(), dirTwo, "log.txt")
			appendTo(t, one, dirOne, "one\n")
			save(t, two, dirTwo, "new", "two")
			if err := two.rename(t.Context(), dirTwo, "new", dirTwo, "log.txt", false); err != nil {
				t.Fatal(err)
			}
			two.uploads.drain(t.Context())
		}, []string{"0\none\n", "two"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := newService(t)
			one, dirOne := newTestFS(t, client)
			two, dirTwo := newTestFS(t, client)
			test.do(t, one, two, dirOne, dirTwo)
			two.uploads.drain(t.Context())
			all := storedFiles(t, client)
			var got []string
			for name, text := range all {
				got = append(got, text)
				if name != "log.txt" && !(strings.HasPrefix(name, "log (conflict ") && strings.HasSuffix(name, ").txt")) {
					t.Errorf("there is a %q", name)
				}
			}
			if slices.Sort(got); !slices.Equal(got, test.want) {
				t.Errorf("stored %q, want %q", all, test.want)
			}
			s := two.status()
			if s.Conflicts != test.told || len(s.ConflictFiles) != test.told {
				t.Errorf("the status names %d conflicts: %q", s.Conflicts, s.ConflictFiles)
			}
			for _, name := range s.ConflictFiles {
				if _, ok := all[strings.TrimPrefix(name, "/Jotta/Archive/")]; !ok {
					t.Errorf("the status names %q, which is not stored", name)
				}
			}
		})
	}
}
