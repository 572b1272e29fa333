package walk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// IgnoreFile is the name of the files in a tree that say what to leave out.
const IgnoreFile = ".jottaignore"

// maxIgnoreFile bounds the size of an ignore file, in bytes: one larger than
// this is a mistake, and its rules would stay in memory.
const maxIgnoreFile = 1 << 20

// ErrRulesTooLarge is wrapped by the error of a file of patterns that is larger than the
// limit. If it is that of the top folder, it ends the walk.
var ErrRulesTooLarge = fmt.Errorf("it is larger than %d MiB, the limit for a file of patterns; shorten it", maxIgnoreFile>>20)

// Rules are the rules that a person gave for one walk. They come before those
// that ignore files in the tree give, and the last one that matches decides.
//
// The zero Rules leave nothing out. They must not be changed during a walk.
type Rules struct{ list ruleList }

// Exclude adds a pattern as in gitignore(5), except that "#" is nothing special.
// It is matched against the paths that records have; a leading "/" anchors it
// at their root. A leading "!" keeps what an earlier rule leaves out.
func (r *Rules) Exclude(pattern string) error {
	p, err := newRule("--exclude", 0, pattern)
	if err != nil {
		return err
	}
	switch strings.TrimPrefix(pattern, "/") {
	case "*", "**":
		for i := range r.list {
			if r.list[i].source == include {
				return fmt.Errorf("%q leaves everything out, after %s %s, and the last match decides; put it first", pattern, include, r.list[i].text)
			}
		}
	}
	r.list = append(r.list, p)
	return nil
}

const include = "--include"

// Include adds a pattern like that of Exclude, which keeps what an earlier rule leaves
// out. It is the same as Exclude with a "!" in front.
func (r *Rules) Include(pattern string) error {
	p, err := newRule(include, 0, pattern)
	if err != nil {
		return err
	}
	if !p.ignore {
		return fmt.Errorf("%q begins with a !, which only --exclude takes; put a backslash before a ! that is part of a name", pattern)
	}
	p.ignore = false
	r.list = append(r.list, p)
	return nil
}

// ExcludeRegexp adds a regular expression (RE2) that is looked for anywhere in
// the path that a record has.
func (r *Rules) ExcludeRegexp(expr string) error {
	re, err := regexp.Compile(expr)
	if err != nil {
		return fmt.Errorf("regular expression %q: %w", expr, err)
	}
	r.list = append(r.list, rule{source: "--exclude-regex", text: expr, expr: re, ignore: true})
	return nil
}

// ExcludeFrom adds the patterns in a file, one a line, as in a .gitignore file.
func (r *Rules) ExcludeFrom(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	list, bad, err := readRules(f, "--exclude-from "+name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	r.list = append(r.list, list...)
	return errors.Join(bad...)
}

// ExcludeHidden leaves out what has a name that begins with a dot. It makes the
// first of the rules, so that any other can keep such an entry.
func (r *Rules) ExcludeHidden() {
	r.list = append(ruleList{{source: "--hidden=false", text: ".*", glob: ".*", literal: 1, name: true, ignore: true}}, r.list...)
}

// rule is one line of an ignore file, or one flag.
type rule struct {
	source string // the flag or file it comes from
	line   int    // counted from 1; 0 if the source has no lines
	text   string // as written

	expr    *regexp.Regexp // nil: glob is matched
	glob    string         // the pattern without its marks
	literal int            // how many bytes of glob stand for themselves
	name    bool           // matched with the entry's name instead of its path
	dir     bool           // matches folders only
	ignore  bool           // false: matches are kept
}

// newRule takes a pattern of gitignore(5) apart.
func newRule(source string, line int, text string) (rule, error) {
	r := rule{source: source, line: line, text: text, ignore: true}
	glob, negated := strings.CutPrefix(text, "!")
	r.ignore = !negated
	glob, r.dir = strings.CutSuffix(glob, "/")
	r.name = strings.IndexByte(glob, '/') < 0
	r.glob = strings.TrimPrefix(glob, "/")
	if r.literal = strings.IndexAny(r.glob, `*?[\`); r.literal < 0 {
		r.literal = len(r.glob)
	}
	if r.glob == "" {
		return r, fmt.Errorf("pattern %q matches nothing", text)
	}
	for rest := r.glob; rest != ""; {
		width := 1
		if rest[0] != '*' {
			width, _ = matchByte(rest, 0)
		}
		if width == 0 {
			return r, fmt.Errorf("pattern %q has a bracket or a backslash without its end, or an unknown class; put a backslash before a bracket that is part of a name", text)
		}
		rest = rest[width:]
	}
	return r, nil
}

// match reports whether the rule is about the entry at path, which is relative
// to where the rule stands and ends in name.
func (r *rule) match(path, name string, dir bool) bool {
	if r.expr != nil {
		return r.expr.MatchString(path)
	}
	if r.dir && !dir {
		return false
	}
	if r.name {
		path = name
	}
	if !strings.HasPrefix(path, r.glob[:r.literal]) {
		return false
	}
	// That the literal part is cut off before "**" is looked at decides what
	// "a/b**/c" means. It is what git does.
	return wildmatch(r.glob[r.literal:], path[r.literal:])
}

func (r *rule) String() string {
	if r.line == 0 {
		return fmt.Sprintf("%s: %s", r.source, r.text)
	}
	return fmt.Sprintf("%s line %d: %s", r.source, r.line, r.text)
}

// ruleList holds the rules of one source, the most important last.
type ruleList []rule

func (l ruleList) match(path, name string, dir bool) *rule {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].match(path, name, dir) {
			return &l[i]
		}
	}
	return nil
}

// readRules reads an ignore file. Lines that are no patterns are returned as
// errors in bad, and match nothing.
func readRules(r io.Reader, source string) (list ruleList, bad []error, err error) {
	text, err := io.ReadAll(io.LimitReader(r, maxIgnoreFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxIgnoreFile {
		return nil, nil, ErrRulesTooLarge
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // what some editors begin a file with
	line := 0
	for s := range strings.SplitSeq(string(text), "\n") {
		line++
		if strings.HasPrefix(s, "#") {
			continue
		}
		if s = trimSpaces(strings.TrimSuffix(s, "\r")); s == "" {
			continue
		}
		p, err := newRule(source, line, s)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s line %d: %w", source, line, err))
			continue
		}
		list = append(list, p)
	}
	return list, bad, nil
}

// trimSpaces cuts the spaces at the end that no backslash protects.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			end = min(i+1, len(s))
		} else if s[i] != ' ' {
			end = i + 1
		}
	}
	return s[:end]
}

// scope is what the ignore files say in one folder: the rules of the nearest
// file first, then those of the folders above it.
type scope struct {
	base  string // path of the folder with the file, with a slash at its end unless it is empty
	rules ruleList
	above *scope
}

// decide returns the rule that decides about an entry, or nil. Rules that a
// person gave come first, then ignore files, the nearest first.
func (s *scope) decide(given *Rules, path, name string, dir bool) *rule {
	if given != nil {
		if r := given.list.match(path, name, dir); r != nil {
			return r
		}
	}
	for ; s != nil; s = s.above {
		if r := s.rules.match(path[len(s.base):], name, dir); r != nil {
			return r
		}
	}
	return nil
}
