package walk

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jottatools/lib/record"
)

// FuzzReadMounts: what is read of a list of mount points are paths of entries, and all that
// the list holds.
func FuzzReadMounts(f *testing.F) {
	for _, s := range []string{"", "a\x00", "a/b\x00é\x00", "a", "\x00", ".\x00", "..\x00", "/a\x00", "a/\x00", "a//b\x00", "a/../b\x00", "\xff\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := readMounts(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, p := range list {
			if record.CheckPath(p) != nil {
				t.Fatalf("%q holds the path %q", s, p)
			}
		}
		if len(list) > 0 && strings.Join(list, "\x00")+"\x00" != s || len(list) == 0 && s != "" {
			t.Fatalf("%q is read as %q", s, list)
		}
	})
}

// FuzzReadList: what is read of a list of files are paths of entries beneath the folder, in
// order, and its scope covers them all.
func FuzzReadList(f *testing.F) {
	base := f.TempDir()
	for _, s := range []string{"", "a\nb\r\n\nA/b\n", "../a\n", "a/../../b", ".\n", base + "/x\n", base, "/etc\n", "a\x00b", "a/\nb//c\n", "\xff\n", "-\n~\n"} {
		f.Add(s, false)
		f.Add(strings.ReplaceAll(s, "\n", "\x00"), true)
	}
	f.Fuzz(func(t *testing.T, s string, nul bool) {
		end := byte('\n')
		if nul {
			end = 0
		}
		l, err := ReadList(strings.NewReader(s), end, base)
		if err != nil {
			return
		}
		defer l.Close()
		scope, all, err := l.Scope()
		if err != nil || len(scope) == 0 {
			t.Fatalf("%q has the scope %q, %v", s, scope, err)
		}
		last := ""
		for r, err := range l.sorted.Sorted() {
			if err != nil || record.CheckPath(r.Path) != nil || !filepath.IsLocal(filepath.FromSlash(r.Path)) || record.Compare(r.Path, last) < 0 {
				t.Fatalf("%q holds the path %q behind %q, %v", s, r.Path, last, err)
			}
			last = r.Path
			if all && !slices.ContainsFunc(scope, func(dir string) bool { return record.Under(r.Path, dir) }) {
				t.Fatalf("%q holds %q, and its scope is %q", s, r.Path, scope)
			}
		}
	})
}

// FuzzParseTag: a tag is the name of one entry, and is read again as what it is.
func FuzzParseTag(f *testing.F) {
	for _, s := range []string{"CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55", "x", "x:", ":x", "", ".", "..", "..:x", "a/b", "a\x00", "a:/b\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag, err := ParseTag(s)
		if err != nil {
			return
		}
		if record.CheckPath(tag.Name) != nil || strings.Contains(tag.Name, "/") {
			t.Fatalf("%q has the name %q", s, tag.Name)
		}
		if again, err := ParseTag(tag.Name + ":" + tag.Header); again != tag || err != nil {
			t.Fatalf("%q is %+v, and then %+v, %v", s, tag, again, err)
		}
	})
}
