package walk

import (
	"strings"
	"testing"
)

func TestWildmatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"foo", "foo", true},
		{"foo", "fo", false},
		{"foo", "fooo", false},
		{"*", "", true},
		{"*", "foo", true},
		{"*", "foo/bar", false},
		{"f*", "foo", true},
		{"*f", "foo", false},
		{"*foo*", "foo", true},
		{"*ob*a*r*", "foobar", true},
		{"*ab", "aaaaaaabababab", true},
		{"a*b/c", "abb/c", true},
		{"a*b/c", "abb/d", false},
		{"*/c", "a/b/c", false},
		{"?", "a", true},
		{"?", "/", false},
		{"??", "é", true}, // bytes, as git
		{"?", "é", false},
		{"***", "a/b", true},
		{"a**", "ab", true},
		{"a**", "ab/c", false},
		{"**a", "ba", true},
		{"**a", "b/a", false},
		{"**/a", "a", true},
		{"**/a", "x/y/a", true},
		{"**/a", "x/ya", false},
		{"**/a*c/d", "x/abc/ac/d", true},
		{"a/**", "a/", true},
		{"a/**", "a/b/c", true},
		{"a/**", "a", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "ab", false},
		{"a/**/**/b", "a/b", true},
		{"a/**/b/**/c", "a/b/b/x/c", true},
		{`**\/b`, "a/b", true},
		{`**\/b`, "b", false},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`\\`, `\`, true},
		{`a\`, "a", false},
		{`a\`, `a\`, false},
		{"[ab]", "b", true},
		{"[ab]", "c", false},
		{"[!ab]", "c", true},
		{"[^ab]", "a", false},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[a-]", "-", true},
		{"[-a]", "-", true},
		{"[]a]", "]", true},
		{"[!]a]", "]", false},
		{`[\]]`, "]", true},
		{`[a-\d]`, "c", true},
		{"[a-c-e]", "d", false},
		{"[a-c-e]", "-", true},
		{"[/]", "/", false},
		{"[!a]", "/", false},
		{"[a", "a", false},
		{"[a", "[a", false},
		{"[", "[", false},
		{"[[:digit:][:upper:]]", "7", true},
		{"[[:digit:][:upper:]]", "Z", true},
		{"[[:digit:][:upper:]]", "z", false},
		{"[![:alpha:]]", "1", true},
		{"[[:none:]]", "n", false},
		{"[[:alpha:]", "a", false},
		{"[[:]", ":", true},
		{"[a[:]b]", "a", false}, // '[a[:]' is the set, 'b]' follows it
		{"[a[:]b]", "[b]", true},
		{"\xff*", "\xff\xfe", true},
		{"[\x80-\xff]", "\xc3", true},
	} {
		if got := wildmatch(c.pattern, c.name); got != c.want {
			t.Errorf("wildmatch(%q, %q) = %v, want %v", c.pattern, c.name, got, c.want)
		}
	}
}

// Patterns come from files in the tree; none may take a time that grows
// exponentially. This test does not end if one does.
func TestWildmatchHardPatterns(t *testing.T) {
	name := strings.Repeat("a", 255)
	path := strings.Repeat("a/", 1000) + "a"
	for _, c := range []struct{ pattern, name string }{
		{strings.Repeat("*a", 100) + "b", name},
		{strings.Repeat("*?", 100) + "b", name},
		{strings.Repeat("**/a/", 100) + "b", path},
		{strings.Repeat("**/*a*/", 100) + "b", path},
		{strings.Repeat("**/[!b]*", 100) + "/b", path},
	} {
		if wildmatch(c.pattern, c.name) {
			t.Errorf("wildmatch(%.20q…) = true, want false", c.pattern)
		}
	}
}

// slowmatch says the same as wildmatch by trying everything.
func slowmatch(pattern, name string, start bool) bool {
	if pattern == "" {
		return name == ""
	}
	if pattern[0] == '*' {
		rest := strings.TrimLeft(pattern, "*")
		deep := len(pattern)-len(rest) > 1 && start && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`))
		if deep && rest != "" && rest[0] == '/' && slowmatch(rest[1:], name, true) {
			return true
		}
		for i := 0; i <= len(name); i++ {
			if slowmatch(rest, name[i:], false) {
				return true
			}
			if i < len(name) && name[i] == '/' && !deep {
				return false
			}
		}
		return false
	}
	if name == "" {
		return false
	}
	width, ok := matchByte(pattern, name[0])
	return ok && slowmatch(pattern[width:], name[1:], pattern[width-1] == '/')
}

func FuzzWildmatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"a*b/**/c?[!a-z]", "aab/x/y/cz1"}, {"**", "a"}, {`**\/a**/**/*`, "b/a"}, {"[[:alpha:]-]*", "x"}, {`\`, ""}, {"*a*/**/b*", "aa/a/ab/ba"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if strings.Count(pattern, "*") > 5 || len(pattern) > 40 || len(name) > 40 {
			t.Skip("too slow for trying everything")
		}
		if _, err := newRule("", 0, "/"+pattern); err != nil {
			if wildmatch(pattern, name) && pattern != "" && !strings.HasSuffix(pattern, "/") {
				t.Errorf("wildmatch(%q, %q) = true, but the pattern is malformed: %v", pattern, name, err)
			}
			return
		}
		if got, want := wildmatch(pattern, name), slowmatch(pattern, name, true); got != want {
			t.Errorf("wildmatch(%q, %q) = %v, want %v", pattern, name, got, want)
		}
	})
}
