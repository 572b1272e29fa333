package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestQuick does every job with little. Nothing is measured, and a job waits most of
// the time, so several are done at once.
func TestQuick(t *testing.T) {
	bin := t.TempDir()
	for to, what := range map[string]string{bin + "/": "../../cmd/...", bin + "/tools/": "./fill"} {
		if out, err := exec.Command("go", "build", "-o", to, what).CombinedOutput(); err != nil {
			t.Fatalf("build the programs: %v\n%s", err, out)
		}
	}
	const atOnce = 6
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, j := range jobs() {
		dir := t.TempDir()
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			var out bytes.Buffer
			err := run(t.Context(), options{quick: true, only: []string{j.name}, seed: 1, bin: bin, dir: dir}, &out)
			if err != nil || !strings.Contains(out.String(), j.name+": ") {
				t.Errorf("%s: %v; it says %q", j.name, err, out.String())
			}
		})
	}
	all.Wait()
}

// TestPage holds the page against the results that it is made from.
func TestPage(t *testing.T) {
	want, err := renderPage("results")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/benchmarks.md is not what scripts/bench --render makes of the results (%v)", err)
	}
}

// TestResultsHaveJobs: what is not measured any more has no results.
func TestResultsHaveJobs(t *testing.T) {
	names, err := filepath.Glob("results/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r result
		if err := json.Unmarshal(data, &r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := choose([]string{r.Job}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPipe(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	m, err := pipe{{"printf", `b\na\n`}, {"sort"}}.run(t.Context(), os.Environ(), "", out)
	if got, _ := os.ReadFile(out); err != nil || string(got) != "a\nb\n" || len(m.Peaks) != 2 || m.Peaks[1].Program != "sort" || m.Peaks[1].MiB <= 0 || m.Seconds <= 0 {
		t.Errorf("%+v, %v, wrote %q", m, err, got)
	}
	if _, err := (pipe{{"sh", "-c", "echo why >&2; exit 3"}, {"cat"}}).run(t.Context(), os.Environ(), "", ""); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a program that fails: %v, want its message", err)
	}
	if _, err := (pipe{{"cat"}, {filepath.Join(dir, "missing")}}).run(t.Context(), os.Environ(), "/dev/zero", ""); err == nil {
		t.Error("a program that is missing: no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := (pipe{{"sleep", "60"}}).run(ctx, os.Environ(), "", ""); err == nil {
		t.Error("a pipe that was cancelled: no error")
	}
}

func TestRatio(t *testing.T) {
	r := result{Rivals: []rivalResult{
		{Name: "ours", Units: 10, Runs: []measurement{{Seconds: 1}, {Seconds: 2}, {Seconds: 1}}},
		{Name: "other", Units: 20, Runs: []measurement{{Seconds: 4}, {Seconds: 4}, {Seconds: 6}}},
	}}
	if got := r.ratio(1); got != 2 {
		t.Errorf("ratio = %v, want 2: the median of 2, 1 and 3", got)
	}
	r.Rivals[1].Runs = r.Rivals[1].Runs[:1]
	if got, runs := r.ratio(1), r.runs(); got != 2 || runs != "3 runs each, 1 of other" {
		t.Errorf("ratio = %v of %s, want 2 of 3 runs each, 1 of other", got, runs)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median = %v, want 2.5", got)
	}
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.123: "0.12", 9.876: "9.88", 12.34: "12.3", 123.4: "123"} {
		if got := short(x); got != want {
			t.Errorf("short(%v) = %s, want %s", x, got, want)
		}
	}
}
