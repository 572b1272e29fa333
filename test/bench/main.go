// Bench measures the programs of this project against what people would use
// instead, and writes docs/benchmarks.md.
//
// Usage:
//
//	scripts/bench [--only JOB[,JOB…]] [--runs N] [--dir DIR]
//	scripts/bench --list
//	scripts/bench --render | --quick
//
// A job is work that several rivals do in turn, ours first: each at least five
// times, alternating, so that whatever else the machine does hits all alike. Only
// ratios within one job mean anything. Results go to test/bench/results, one file
// a job, and the page is made from all of them: jobs can be measured one by one.
//
// # To add a job
//
// Write a function that returns a [job], in the file of its area, and put it into
// the table jobs. What the job needs (a tree, a server, a file with records) its
// prepare function makes with the help of [world]; then it returns the rivals. A
// rival is a pipe of programs. Sizes go through [world.scale], so that --quick,
// which the tests run, does the same with little:
//
//	func walkMany() job {
//		return job{
//			name: "walk", title: "Walk 100,000 files", unit: "entries", goal: "at most 1.2 times the time of find", warm: true,
//			prepare: func(ctx context.Context, w *world) ([]rival, error) {
//				tree, err := w.tree(ctx, treeSpec{files: w.scale(100_000, 300)})
//				n := float64(tree.entries)
//				return installed(
//					rival{name: "jwalk", units: n, pipe: pipe{w.ours("jwalk", tree.dir)}},
//					rival{name: "find -printf", units: n, pipe: pipe{{"find", tree.dir, "-printf", "%y %s %P\n"}}},
//				), err
//			},
//		}
//	}
//
// A job that needs a server calls [world.serve] in prepare, or in the before
// function of a rival if each run wants an empty one: from then on our programs,
// rclone and curl reach it under the names of the service.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// jobs is everything that can be measured, in the order of the page.
func jobs() []job {
	return []job{
		hashLarge(),
		hashSmall(),
		walkMany(),
		unchanged(100_000),
		unchanged(1_000_000),
		firstUpload(2_000, 0, 6),
		firstUpload(2_000, 0, 24),
		firstUpload(2_000, 30*time.Millisecond, 6),
		firstUpload(5_000, 30*time.Millisecond, 24),
		largeUpload(),
		restoreSmall(),
		restoreLarge(),
		listMany(),
		manyWalked(),
		manyListed(),
		manyRecords("jhash"),
		manyRecords("jdiff", "--dest", archive),
		manyRecords("jput"),
		manyRecords("jrm"),
		manyRecords("jreport", "-q"),
		mountRead(false, 0),
		mountRead(false, 30*time.Millisecond),
		mountRead(true, 0),
		mountRandom(0),
		mountRandom(30 * time.Millisecond),
		mountFind(0),
		mountFind(30 * time.Millisecond),
		mountWrite(0),
		mountWrite(30 * time.Millisecond),
		mountRemove(0),
		mountRemove(30 * time.Millisecond),
		start("jwalk"),
		start("jput"),
	}
}

func main() {
	var o options
	pflag.StringSliceVar(&o.only, "only", nil, "measure these `JOBS` only")
	pflag.IntVar(&o.runs, "runs", 5, "how often each rival does the work")
	pflag.Uint64Var(&o.seed, "seed", 1, "what trees are made from")
	pflag.StringVar(&o.bin, "bin", "bin", "where the programs are")
	pflag.StringVar(&o.dir, "dir", "", "work in `DIR`, and leave the trees there for the next time")
	pflag.StringVar(&o.results, "results", "test/bench/results", "where results are kept")
	pflag.StringVar(&o.page, "page", "docs/benchmarks.md", "the page that is made from them")
	pflag.BoolVar(&o.quick, "quick", false, "see that every job works, with little; measure nothing")
	pflag.BoolVar(&o.render, "render", false, "measure nothing; make the page from the results that are there")
	list := pflag.Bool("list", false, "print the names of the jobs")
	pflag.Parse()
	if *list {
		for _, j := range jobs() {
			fmt.Printf("%-16s %s\n", j.name, j.title)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	only          []string
	runs          int
	seed          uint64
	bin, dir      string
	results, page string
	quick, render bool
}

// run does the jobs that o names, and makes the page anew.
func run(ctx context.Context, o options, out io.Writer) error {
	if o.render {
		return writePage(o.results, o.page)
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	for _, j := range chosen {
		if err := runJob(ctx, o, j, out); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	if o.quick {
		return nil
	}
	return writePage(o.results, o.page)
}

// choose returns the jobs called names, or all.
func choose(names []string) ([]job, error) {
	all := jobs()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []job
	for _, name := range names {
		i := slices.IndexFunc(all, func(j job) bool { return j.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no job %q; see --list", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// runJob does one job in a world of its own.
func runJob(ctx context.Context, o options, j job, out io.Writer) (err error) {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	rivals, err := j.prepare(ctx, w)
	if errors.Is(err, errNotHere) {
		_, err = fmt.Fprintf(out, "%s: not measured: %v\n", j.name, err)
		return err
	}
	if err != nil {
		return err
	}
	runs := o.runs
	if o.quick {
		runs = 1
	}
	r, err := contest(ctx, w, j, rivals, runs)
	if err != nil {
		return err
	}
	if err := r.print(out); err != nil || o.quick {
		return err
	}
	return r.save(filepath.Join(o.results, j.name+".json"))
}

// shorten cuts what a program wrote down to what fits into an error.
func shorten(s string) string {
	const most = 2000
	if s = strings.TrimSpace(s); len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
