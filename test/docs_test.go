package test

import (
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// readDoc returns a file of the project.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// block is a fenced block of code on a page.
type block struct {
	info string // what follows the fence, such as sh
	line int    // of the fence
	text string
}

func codeBlocks(page string) iter.Seq[block] {
	return func(yield func(block) bool) {
		var b block
		inside, n := false, 0
		for line := range strings.Lines(page) {
			n++
			info, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case fence && inside:
				if !yield(b) {
					return
				}
				inside = false
			case fence:
				b, inside = block{info: info, line: n}, true
			case inside:
				b.text += line
			}
		}
	}
}

// findFiles returns the project's files with names that match, such as *.md.
func findFiles(t *testing.T, pattern string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == ".git" || name == "bin") {
			return fs.SkipDir
		}
		if matched, _ := path.Match(pattern, d.Name()); matched && d.Type().IsRegular() {
			names = append(names, name)
		}
		return nil
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("find %s: %d files, %v", pattern, len(names), err)
	}
	return names
}

var (
	link            = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading         = regexp.MustCompile(`(?m)^#+ (.*)$`)
	protocolSection = regexp.MustCompile(`docs/protocol\.md,? sections? ([0-9]+(?:\.[0-9]+)?)`)
)

// TestLinks follows the links between the project's pages.
func TestLinks(t *testing.T) {
	for _, page := range findFiles(t, "*.md") {
		for _, match := range link.FindAllStringSubmatch(readDoc(t, page), -1) {
			target := match[1]
			if strings.Contains(target, "://") {
				continue
			}
			file, anchor, anchored := strings.Cut(target, "#")
			to := page
			if file != "" {
				to = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
				continue
			}
			if anchored && !hasAnchor(readDoc(t, to), anchor) {
				t.Errorf("%s links to %s: there is no such heading", page, target)
			}
		}
	}
}

// hasAnchor reports whether a heading of the page gets that anchor.
func hasAnchor(page, anchor string) bool {
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		made := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		if made == anchor {
			return true
		}
	}
	return false
}

// TestProtocolSections looks up the sections that comments cite.
func TestProtocolSections(t *testing.T) {
	page := readDoc(t, "docs/protocol.md")
	for _, file := range findFiles(t, "*.go") {
		for _, match := range protocolSection.FindAllStringSubmatch(readDoc(t, file), -1) {
			if !regexp.MustCompile(`(?m)^##+ ` + regexp.QuoteMeta(match[1]) + `[. ]`).MatchString(page) {
				t.Errorf("%s cites %q, which is not there", file, match[0])
			}
		}
	}
}
