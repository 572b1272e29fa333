package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnits has systemd read the units that packages bring along, and judge how well their
// programs are kept apart.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	// In tenths of what it calls the exposure. A mount has to be seen outside, so that the
	// file system of jfuse cannot be kept apart.
	exposure := map[string]string{"jottasync@.service": "30", "jfuse@.service": "45"}
	for _, kind := range []string{"system", "user"} {
		dir := t.TempDir()
		verify := []string{"verify", "--man=no"}
		if kind == "user" {
			verify = append(verify, "--user")
			t.Setenv("XDG_RUNTIME_DIR", dir)
		}
		names, err := filepath.Glob("../scripts/systemd/" + kind + "/*")
		if err != nil || len(names) == 0 {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// The programs are not installed here.
			unit := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/bin/j", bin+"/j")), 0o600); err != nil {
				t.Fatal(err)
			}
			verify = append(verify, unit)
			if most := exposure[filepath.Base(name)]; kind == "system" && most != "" {
				one := strings.Replace(unit, "@.", "@x.", 1)
				if err := os.Symlink(unit, one); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+most, one).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		}
		out, err := exec.Command("systemd-analyze", verify...).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "jotta") && !strings.Contains(line, "jottasync is not executable") || strings.Contains(line, "jfuse") {
				t.Errorf("%s: %v: %s", kind, err, line)
			}
		}
	}
}
