package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModulePath gives a copy of the project another path, and has Go find all packages.
func TestModulePath(t *testing.T) {
	dir := t.TempDir()
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(name, ".."+string(filepath.Separator))
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || rel == "bin"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), b, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	const path = "example.org/a.b/backup"
	run("scripts/module-path", path)
	for name := range strings.FieldsSeq(run("go", "list", "-test", "-deps", "-f", "{{if and .Module .Module.Main}}{{.ImportPath}}{{end}}", "./...")) {
		if !strings.HasPrefix(strings.TrimPrefix(name, "["), path) { // [path.test]: built for a test
			t.Errorf("it still has %s", name)
		}
	}
	run("go", "vet", "./lib/record")
	if out := run("gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	// And back again, it is as it was.
	run("scripts/module-path", module())
	for _, name := range []string{"go.mod", "tools/go.mod", "lib/walk/walk.go", "docs/stages.md", "test/deps_test.go"} {
		was, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if now, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(now) != string(was) {
			t.Errorf("%s differs: %v", name, err)
		}
	}
}
