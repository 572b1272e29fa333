package test

import (
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
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

// TestDependenciesAreExplained compares docs/dependencies.md with go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	page := readDoc(t, "docs/dependencies.md")
	required := make(map[string]bool)
	for line := range strings.Lines(readDoc(t, "go.mod")) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") || strings.Contains(line, "// indirect") {
			continue
		}
		required[fields[0]] = true
		if !strings.Contains(page, "| ["+fields[0]+"](") {
			t.Errorf("docs/dependencies.md does not say why %s is there", fields[0])
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^\| \[([^]]+)\]`).FindAllStringSubmatch(page, -1) {
		if len(required) > 0 && !required[match[1]] {
			t.Errorf("docs/dependencies.md explains %s, which go.mod does not require", match[1])
		}
	}
}

// TestExitCodesAreExplained compares docs/exit-codes.md with the table in the
// help of a program.
func TestExitCodesAreExplained(t *testing.T) {
	page := readDoc(t, "docs/exit-codes.md")
	_, table, found := strings.Cut(help(t, "jwalk"), "Exit codes:\n")
	if !found {
		t.Fatal("jwalk --help has no table of exit codes")
	}
	for line := range strings.Lines(strings.TrimSpace(table)) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		words := strings.FieldsFunc(meaning, func(r rune) bool { return !unicode.IsLetter(r) })
		row := regexp.MustCompile(`(?m)^\| ` + code + ` \|.*$`).FindString(page)
		if row == "" || !strings.Contains(row, words[0]) {
			t.Errorf("docs/exit-codes.md has no row for %s, %s", code, strings.TrimSpace(meaning))
		}
	}
}

// help returns what a program, or a script, prints about itself.
func help(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(bin, name)
	if _, err := os.Stat(file); err != nil {
		file = filepath.Join("..", "scripts", name)
	}
	cmd := exec.Command(file, "--help")
	cmd.Env = append(os.Environ(), "JOTTA_BIN="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s --help: %v\n%s", name, err, out)
	}
	return string(out)
}

// TestHelpFits holds every help to the width of a terminal, and its flags to names
// for their values: a word in lower case is a value, or a type.
func TestHelpFits(t *testing.T) {
	value := regexp.MustCompile(`^ +(-\w, )?--[a-z-]+ [a-z]+ `)
	for _, name := range append(programs(t), "jottasync", "jottarestore") {
		for line := range strings.Lines(help(t, name)) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 80 || value.MatchString(line) {
				t.Errorf("%s --help: %d characters: %s", name, n, line)
			}
		}
	}
}

var (
	command  = regexp.MustCompile(`(?:^|[|;&(]|\$\()\s*(?:[A-Z_]+=\S* +)*((?:scripts/|bin/)?[a-z]+)\b([^|;&)#]*)`)
	longFlag = regexp.MustCompile(`(?:^|\s)(--[a-z][a-z-]*)`)
)

// TestCommandsInPages looks up the flags that the examples of the pages give to
// our programs.
func TestCommandsInPages(t *testing.T) {
	helps := make(map[string]string)
	for _, program := range programs(t) {
		helps[program] = help(t, program)
	}
	for _, script := range []string{"jottasync", "jottarestore"} {
		helps[script] = help(t, script)
	}
	checked := 0
	for _, page := range findFiles(t, "*.md") {
		for block := range codeBlocks(readDoc(t, page)) {
			if block.info != "sh" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(block.text, "\\\n", " ")) {
				for _, match := range command.FindAllStringSubmatch(line, -1) {
					name := path.Base(match[1])
					text, known := helps[name]
					if !known && (strings.HasPrefix(match[1], "scripts/") || strings.HasPrefix(match[1], "bin/")) {
						if _, err := os.Stat(filepath.Join("..", match[1])); err != nil {
							t.Errorf("%s, block at line %d: there is no %s", page, block.line, match[1])
						}
					}
					for _, flag := range longFlag.FindAllStringSubmatch(match[2], -1) {
						checked++
						if known && !strings.Contains(text, flag[1]) {
							t.Errorf("%s, block at line %d: %s has no flag %s", page, block.line, name, flag[1])
						}
					}
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no flags found in the pages")
	}
}

// TestReadmeIsRun: the script readme runs each command block of the README, but for those
// that are tested elsewhere.
func TestReadmeIsRun(t *testing.T) {
	script := readDoc(t, "test/testdata/script/readme.txtar")
	var run []string
	for _, match := range regexp.MustCompile(`(?m)^readme '(.*)'$`).FindAllStringSubmatch(script, -1) {
		run = append(run, match[1])
	}
	elsewhere := []string{
		"scripts/test ",                                      // this is it; --local: script local
		"scripts/package ", "podman load", "scripts/install", // scripts/package-check
		"bin/jserve --data", // scripts jserve_users, jserve_proxy and local
	}
	for block := range codeBlocks(readDoc(t, "README.md")) {
		has := func(text string) bool { return strings.Contains(block.text, text) }
		if block.info == "sh" && !slices.ContainsFunc(run, has) && !slices.ContainsFunc(elsewhere, has) {
			t.Errorf("README.md, line %d: no test runs this block:\n%s", block.line, block.text)
		}
	}
}

// programs returns the names of our programs.
func programs(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "internal" {
			names = append(names, e.Name())
		}
	}
	return names
}
