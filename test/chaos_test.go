package test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// chaosRounds is how many rounds of chaos the tests make: about 40 s. More, with
// another seed, is a matter of scripts/chaos (docs/reliability.md).
const chaosRounds = "8"

// TestChaos also holds that a seed makes the same decisions again.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	dir := t.TempDir()
	chaos := filepath.Join(dir, "chaos")
	if out, err := exec.Command("go", "build", "-o", chaos, "./chaos").CombinedOutput(); err != nil {
		t.Fatalf("build chaos: %v\n%s", err, out)
	}
	run := func(rounds string) string {
		// Programs with the race detector use more memory than they may.
		cmd := exec.CommandContext(t.Context(), chaos, "--seed", "25", "--rounds", rounds, "--verbose", "--max-memory", "0",
			"--bin", bin, "--scripts", "../scripts")
		cmd.Env = append(cmd.Environ(), "TMPDIR="+dir, "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	all, some := decisions(run(chaosRounds)), decisions(run("1"))
	if len(some) < 50 || !slices.Equal(all[:len(some)], some) {
		t.Errorf("the same seed decided\n%s\nand then\n%s", strings.Join(all, "\n"), strings.Join(some, "\n"))
	}
}

// decisions returns the lines that do not depend on the machine.
func decisions(output string) []string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	lines = lines[:len(lines)-1] // what it came to
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  exit ") })
}
