package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jottatools/lib/record"
)

// TestStages: the stages of docs/stages.md stand there as they are, leave out what is too
// large, and make no whole stream of one that is cut off.
func TestStages(t *testing.T) {
	page := readDoc(t, "docs/stages.md")
	dir, err := filepath.Abs("../docs/examples/stages")
	if err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	for name, size := range map[string]int{"large": 11, "small": 10, "sub/large": 100} {
		name = filepath.Join(tree, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input, err := exec.Command(filepath.Join(bin, "jwalk"), tree).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range []struct {
		text    string // in docs/examples/stages
		command []string
	}{
		{"atmost.jq", []string{"jq", "-c", "--argjson", "bytes", "10", "-f", filepath.Join(dir, "atmost.jq")}},
		{"atmost.py", []string{"python3", filepath.Join(dir, "atmost.py"), "10"}},
		{"atmost/main.go", []string{"go", "run", filepath.Join(dir, "atmost"), "10"}},
	} {
		t.Run(stage.text, func(t *testing.T) {
			if !strings.Contains(page, "\n"+readDoc(t, "docs/examples/stages/"+stage.text)+"```\n") {
				t.Error("docs/stages.md shows another text")
			}
			if _, err := exec.LookPath(stage.command[0]); err != nil {
				t.Skip(err)
			}
			run := func(input []byte) *record.Reader {
				cmd := exec.Command(stage.command[0], stage.command[1:]...)
				cmd.Stdin = bytes.NewReader(input)
				out, err := cmd.Output()
				if err != nil {
					t.Log(err) // as it should, if the input is not whole
				}
				return record.NewReader(bytes.NewReader(out))
			}
			got := run(input)
			left := map[string]record.Reason{}
			for r := range got.All() {
				if r.Ignored {
					left[r.Path] = r.Reason
				}
			}
			if err := got.Whole(); err != nil || len(left) != 2 || left["large"] != record.ReasonLarge || left["sub/large"] != record.ReasonLarge {
				t.Errorf("left out are %v; %v", left, err)
			}
			cut := run(input[:bytes.LastIndexByte(bytes.TrimSpace(input), '\n')+1])
			for range cut.All() {
			}
			if cut.Whole() == nil {
				t.Error("a stream that was cut off came out whole")
			}
		})
	}
}
