package test

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
