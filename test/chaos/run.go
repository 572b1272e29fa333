package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// runWithin is how long a run may take, whatever goes wrong. Requests are
	// repeated for some seconds each, and few entries fail before a run gives up.
	runWithin = 3 * time.Minute
	// goneWithin is how long programs may live on when jottasync was killed: they
	// finish what is nearly done.
	goneWithin = 30 * time.Second
	// lookEvery is how often a run is looked at.
	lookEvery = 5 * time.Millisecond
)

var signals = map[string]syscall.Signal{"KILL": syscall.SIGKILL, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "STOP": syscall.SIGSTOP}

// run runs jottasync or jottarestore once, with the blows and edits of the plan, and
// waits until nothing of it is left. All edits are made, the last ones after the run
// if need be, so that the tree follows from the dice alone.
func (w *world) run(ctx context.Context, p *plan, dice *rand.Rand) (code int, err error) {
	way := p.guise.way(p.by)
	if p.script == calmFetch.script {
		way = []string{dest, w.back()}
	}
	cmd := w.command("", append(slices.Clone(p.args), way...)...)
	cmd.Dir, cmd.Env = filepath.Dir(p.by.tree.dir), w.environ(p)
	cmd.Path = filepath.Join(w.scripts, p.script)
	cmd.Args[0] = cmd.Path
	start := time.Now()
	w.wire.bytes.Store(0)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	w.runs++
	w.blows += len(p.blows)
	group := cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()

	blows, edits := slices.Clone(p.blows), len(p.edits)
	var restart, resume time.Time // when jserve is started, and what is stopped goes on
	running := true
	for n := 0; running; n++ {
		select {
		case <-ctx.Done():
			syscall.Kill(-group, syscall.SIGKILL)
			<-ended
			return 0, context.Cause(ctx)
		case <-ended:
			running = false
		case <-tick.C:
		}
		due := func(t trigger) bool {
			return t.bytes > 0 && w.wire.bytes.Load() >= t.bytes || t.bytes == 0 && time.Since(start) >= t.after
		}
		if n%4 == 0 {
			for _, pid := range processes(group, "") {
				w.measure(programOf(pid), pid)
			}
		}
		for running && edits > 0 && due(p.edits[len(p.edits)-edits]) {
			edits--
			if err := w.edit(p.by, dice); err != nil {
				return 0, err
			}
		}
		blows = slices.DeleteFunc(blows, func(b blow) bool {
			if !running || !due(b.trigger) {
				return false
			}
			if b.victim == "jserve" {
				if restart.IsZero() {
					w.hit++
					w.stopServer(syscall.SIGKILL)
					restart = time.Now().Add(b.pause)
				}
				return true
			}
			there := w.strike(b, group)
			if there && b.signal == "STOP" {
				resume = time.Now().Add(b.pause)
			}
			return there
		})
		if !restart.IsZero() && (!running || time.Now().After(restart)) {
			restart = time.Time{}
			if err := errors.Join(w.serve(ctx), w.trouble(p.faults, p.seed)); err != nil && !p.breaks {
				return 0, err
			}
		}
		if !resume.IsZero() && (!running || time.Now().After(resume)) {
			resume = time.Time{}
			syscall.Kill(-group, syscall.SIGCONT)
		}
		if running && time.Since(start) > runWithin {
			syscall.Kill(-group, syscall.SIGQUIT) // for their stacks
			<-ended
			return 0, fmt.Errorf("%s runs for more than %v", p.script, runWithin)
		}
	}
	for ; edits > 0; edits-- {
		if err := w.edit(p.by, dice); err != nil {
			return 0, err
		}
	}
	if err := w.nothingLeft(ctx, group); err != nil {
		return 0, err
	}
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		w.peaks[p.script] = max(w.peaks[p.script], used.Maxrss) // with all that it has waited for
	}
	return cmd.ProcessState.ExitCode(), w.tooLarge()
}

// strike sends the signal of a blow to its victim, and reports whether it was there.
func (w *world) strike(b blow, group int) bool {
	victims := []int{group}
	switch b.victim {
	case calmSync.script, calmFetch.script:
	case everyone:
		victims = []int{-group}
	default:
		victims = processes(group, b.victim)
	}
	for _, pid := range victims {
		w.measure(programOf(pid), pid)
		if syscall.Kill(pid, signals[b.signal]) == nil {
			w.hit++
			return true
		}
	}
	return false
}

// nothingLeft waits until no process of the group is left.
func (w *world) nothingLeft(ctx context.Context, group int) error {
	for start := time.Now(); ; {
		left := processes(group, "")
		if len(left) == 0 {
			return nil
		}
		if time.Since(start) > goneWithin {
			var names []string
			for _, pid := range left {
				names = append(names, programOf(pid))
			}
			syscall.Kill(-group, syscall.SIGQUIT)
			return fmt.Errorf("left running after %v: %v", goneWithin, names)
		}
		select {
		case <-ctx.Done():
			syscall.Kill(-group, syscall.SIGKILL)
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// processes returns the processes of a group, those that are called name if it
// is not empty.
func processes(group int, name string) (found []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		program, of, dead := stat(pid)
		if of == group && !dead && (name == "" || program == name) {
			found = append(found, pid)
		}
	}
	return found
}

// stat returns the name and the group of a process, and whether all of it is dead:
// its other threads may outlive the first one, and hold the lock as long.
func stat(pid int) (name string, group int, dead bool) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0, true
	}
	_, rest, _ := strings.Cut(string(b), "(")
	at := strings.LastIndexByte(rest, ')')
	fields := strings.Fields(rest[at+1:])
	const state, pgrp, threads = 0, 2, 17 // proc(5) counts from 3
	if at < 0 || len(fields) <= threads {
		return "", 0, true
	}
	group, _ = strconv.Atoi(fields[pgrp])
	return rest[:at], group, fields[state] == "X" || fields[state] == "Z" && (fields[threads] == "0" || fields[threads] == "1")
}

func programOf(pid int) string {
	name, _, _ := stat(pid)
	return name
}

// measure notes how much memory a process has used so far.
func (w *world) measure(program string, pid int) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil || program == "" {
		return
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			w.peaks[program] = max(w.peaks[program], kib)
		}
	}
}

// tooLarge says which program has used more memory than it may.
func (w *world) tooLarge() error {
	for program, kib := range w.peaks {
		if w.memory > 0 && kib > w.memory<<10 {
			return fmt.Errorf("%s has used %d MiB", program, kib>>10)
		}
	}
	return nil
}

// tally sums up what there was.
func (w *world) tally() string {
	var peaks, codes []string
	for _, program := range slices.Sorted(maps.Keys(w.peaks)) {
		if strings.HasPrefix(program, "j") {
			peaks = append(peaks, fmt.Sprintf("%s %.0f", program, float64(w.peaks[program])/1024))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(w.codes)) {
		codes = append(codes, fmt.Sprintf("%d× %d", w.codes[code], code))
	}
	return fmt.Sprintf("%d runs, %d of %d blows hit, %d faults, %d connections broken, %d files compared; exit codes %s; peak memory in MiB: %s",
		w.runs, w.hit, w.blows, w.faults, w.wire.broken.Load(), w.compared, strings.Join(codes, ", "), strings.Join(peaks, ", "))
}
