package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestChaos makes 25 rounds of chaos with the programs as people have them, and a few
// with the race detector, which takes them much longer. More, with other seeds, is a
// matter of scripts/chaos (docs/reliability.md). It also holds that a seed makes the
// same decisions again.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	dir := t.TempDir()
	chaos := filepath.Join(dir, "chaos")
	for out, what := range map[string]string{chaos: "./chaos", filepath.Join(dir, "bin") + "/": "../cmd/..."} {
		if out, err := exec.Command("go", "build", "-o", out, what).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", what, err, out)
		}
	}
	var mu sync.Mutex
	decided := map[string][]string{} // by which programs
	run := func(t *testing.T, name, bin string, args ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			cmd := exec.CommandContext(t.Context(), chaos, append(args, "--seed", "25", "--verbose", "--bin", bin, "--scripts", "../scripts")...)
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it unmounts
			cmd.Env = append(cmd.Environ(), "TMPDIR="+dir, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Log(lines[len(lines)-1])
			mu.Lock()
			defer mu.Unlock()
			decided[name] = decisions(lines[:len(lines)-1])
		})
	}
	t.Run("rounds", func(t *testing.T) {
		run(t, "25", filepath.Join(dir, "bin"), "--rounds", "25")
		// The race detector takes more memory than a program may.
		run(t, "race", bin, "--rounds", "3", "--max-memory", "0")
	})
	all, some := decided["25"], decided["race"]
	if len(some) < 50 || len(all) < len(some) || !slices.Equal(all[:len(some)], some) {
		t.Errorf("the same seed decided\n%s\nand then\n%s", strings.Join(all, "\n"), strings.Join(some, "\n"))
	}
}

// decisions returns the lines that do not depend on the machine.
func decisions(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  exit ") })
}
