package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// job is one piece of work, done by several rivals in turn.
type job struct {
	name  string // for --only, and of the file with its results
	title string // the work, for people
	unit  string // of work, such as "files" or "MB"
	goal  string // what we want to reach, for people
	note  string // what there is to say about the result, in Markdown
	runs  int    // at most so often, since it takes long; 0: as --runs says
	warm  bool   // everybody does it once before, so that files are in memory

	// prepare makes what the rivals need, and returns them, ours first.
	prepare func(context.Context, *world) ([]rival, error)
}

// rival is one way to do the work of a job.
type rival struct {
	name  string
	pipe  pipe
	units float64       // of work that it does; rivals are compared by the time for one
	bound time.Duration // no pipe, but the least time that the work can take
	once  bool          // does it in the first round only, since it takes long
	// in and out are files that the pipe reads and writes; "": nothing.
	in, out string
	before  func(context.Context) error // restores what the work starts from
	after   func(context.Context) error // sees whether it was done
	beside  []*process                  // what runs beside it, so that its memory is shown; the server is anyway
}

// pipe is programs with their arguments, each reading what the one before writes.
type pipe [][]string

// measurement is what one rival took for the work once.
type measurement struct {
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu"` // seconds of all its programs together
	Peaks    []peak  `json:"peaks"`
	Requests int64   `json:"requests,omitempty"` // and what follows: as the server counted
	Up       int64   `json:"up,omitempty"`       // bytes of request bodies
	Down     int64   `json:"down,omitempty"`     // bytes of answer bodies
}

// peak is the most resident memory a program had.
type peak struct {
	Program string  `json:"program"`
	MiB     float64 `json:"mib"`
}

// contest has the rivals do the work in turn and returns what it took.
func contest(ctx context.Context, w *world, j job, rivals []rival, runs int) (*result, error) {
	if j.runs > 0 {
		runs = min(runs, j.runs)
	}
	r := newResult(j, rivals)
	if j.warm {
		for _, rv := range rivals {
			if _, err := rv.work(ctx, w); err != nil {
				return nil, err
			}
		}
	}
	for round := range runs {
		for i, rv := range rivals {
			if rv.once && round > 0 {
				continue
			}
			m, err := rv.work(ctx, w)
			if err != nil {
				return nil, err
			}
			r.Rivals[i].Runs = append(r.Rivals[i].Runs, m)
		}
	}
	return r, nil
}

// work does the work once.
func (rv rival) work(ctx context.Context, w *world) (m measurement, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", rv.name, err)
		}
	}()
	if rv.bound > 0 {
		return measurement{Seconds: rv.bound.Seconds()}, nil
	}
	if rv.before != nil {
		if err := rv.before(ctx); err != nil {
			return m, err
		}
	}
	counted, err := w.counters(ctx)
	if err != nil {
		return m, err
	}
	if m, err = rv.pipe.run(ctx, w.env, rv.in, rv.out); err != nil {
		return m, err
	}
	now, err := w.counters(ctx)
	if err != nil {
		return m, err
	}
	m.Requests, m.Up, m.Down = now.requests-counted.requests, now.up-counted.up, now.down-counted.down
	beside := rv.beside
	if w.server != nil {
		beside = append(slices.Clip(beside), w.server)
	}
	for _, p := range beside {
		m.Peaks = append(m.Peaks, peak{p.name, p.peak()})
	}
	if rv.after != nil {
		err = rv.after(ctx)
	}
	return m, err
}

// run runs the programs of the pipe from the first start to the last end. All of
// them must succeed.
func (p pipe) run(ctx context.Context, env []string, in, out string) (m measurement, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	keep := func(f *os.File, err error) (*os.File, error) {
		if err == nil {
			files = append(files, f)
		}
		return f, err
	}
	if in == "" {
		in = os.DevNull
	}
	if out == "" {
		out = os.DevNull
	}
	next, err := keep(os.Open(in))
	if err != nil {
		return m, err
	}
	last, err := keep(os.Create(out))
	if err != nil {
		return m, err
	}
	cmds := make([]*exec.Cmd, len(p))
	messages := make([]bytes.Buffer, len(p))
	for i, argv := range p {
		cmds[i] = exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmds[i].Env, cmds[i].Stdin, cmds[i].Stderr = env, next, &messages[i]
		if i == len(p)-1 {
			cmds[i].Stdout = last
			break
		}
		r, w, err := os.Pipe()
		if err != nil {
			return m, err
		}
		files = append(files, r, w)
		cmds[i].Stdout, next = w, r
	}
	start := time.Now()
	started := 0
	for ; started < len(cmds) && err == nil; started++ {
		if err = cmds[started].Start(); err != nil {
			break
		}
	}
	for _, f := range files {
		f.Close() // the programs have them; ours would keep pipes from ending
	}
	files = nil
	if err != nil {
		cancel()
	}
	for i, cmd := range cmds[:started] {
		if e := cmd.Wait(); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w\n%s", filepath.Base(p[i][0]), e, shorten(messages[i].String())))
		}
	}
	m.Seconds = time.Since(start).Seconds()
	for i, cmd := range cmds[:started] {
		m.CPU += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		m.Peaks = append(m.Peaks, peak{filepath.Base(p[i][0]), peakOf(cmd.ProcessState)})
	}
	return m, err
}

// peakOf returns the peak resident memory of a process that has ended, in MiB. It
// is never less than what this process had when it started that one.
func peakOf(state *os.ProcessState) float64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(usage.Maxrss) / 1024 // Linux counts in KiB
}

// median returns the middle of values, which must not be empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
