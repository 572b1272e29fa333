package jjob

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/job/session"
	"jottatools/lib/report"
)

// syncRun is a run of jottasync.
type syncRun struct {
	*syncOptions
	run

	again string      // the list of files to be hashed again; "": there was no report
	late  atomic.Bool // --max-duration is over
}

// dry reports whether the run stores nothing.
func (o *syncOptions) dry() bool { return o.dryRun || o.verify != "" }

// sync runs the job.
func (o *syncOptions) sync(ctx context.Context, env *command.Env, id identity) error {
	kind := "backup"
	if o.verify != "" {
		kind = "proof"
	}
	r := &syncRun{syncOptions: o, run: o.newRun(env, id, kind)}
	return r.do(ctx, &o.common, &o.notices, r.ready, r.work)
}

// ready reports why the job cannot run, in the report of the last run, too.
func (r *syncRun) ready() error {
	err := enterable(r.id.source)
	if err == nil {
		return nil
	}
	if _, known := os.Stat(r.final); known == nil && !r.dry() {
		r.trouble(err, r.local)
	}
	return command.Usagef("%v", err)
}

// work prepares the run, runs its pipe, and settles what it came to.
func (r *syncRun) work(ctx context.Context) (code int, err error) {
	r.walk = append(r.walk, leaveOut(r.id.source, r.folders)...)
	if err := r.serve(ctx, r.env, r.s, "storing on"); err != nil {
		return 0, err
	}
	if r.of > 0 {
		last, err := report.Load(r.final)
		if err != nil {
			return 0, err
		}
		if last == nil {
			last = new(report.Report)
		}
		r.slice = fmt.Sprint(last.Proof.Due(r.of))
	}
	if err := r.begins(ctx); err != nil {
		if ctx.Err() == nil && !r.dry() {
			r.trouble(err, r.local)
		}
		return 0, err
	}
	if !r.dry() { // whatever becomes of this run, status will know that it began
		if err := report.Begun(r.final, r.started); err != nil {
			return 0, err
		}
	}
	if r.limit > 0 {
		defer time.AfterFunc(r.limit, r.tooLate).Stop()
	}
	code = r.rounds(ctx)
	if r.dry() {
		return code, nil
	}
	if err := os.Remove(report.Unfinished(r.final)); err != nil {
		return code, err
	}
	if ctx.Err() == nil {
		err = endRun(ctx, r.env, r.folders.Memory(r.id.key), r.final)
		if code != command.ExitOK && err != nil {
			r.env.Errorf("%v", err)
			err = nil // what the run came to is the graver news
		}
	}
	return code, err
}

// begins notes that the run begins, and what earlier runs and other jobs say of it.
func (r *syncRun) begins(ctx context.Context) error {
	o := options{state: r.folders.Memory(r.id.key), mounts: r.s.File("mounts"), adopt: r.adopt, unmounted: r.unmounted}
	if r.dry() {
		o.readOnly, o.out = true, r.s.File("state.json")
	}
	if _, err := os.Stat(r.final); err == nil && r.verify == "" {
		r.again = r.s.File("again")
		o.report, o.again = r.final, r.again
		r.sum = append(r.sum, "--again-done")
	}
	if err := beginRun(ctx, r.env, o, r.id.source, r.id.dest); err != nil {
		return err
	}
	r.walk = append(r.walk, "--mounts", o.mounts)
	if r.again == "" {
		return nil
	}
	// What was found to be other than what is stored is hashed again; all, without a list.
	if _, err := os.Stat(r.again); err == nil {
		r.hash = append(r.hash, "--again", r.again)
	} else {
		r.hash = append(r.hash, "--fresh")
	}
	return nil
}

// tooLate stops the programs, as a signal would.
func (r *syncRun) tooLate() {
	r.late.Store(true)
	if err := os.WriteFile(r.s.File("late"), nil, 0o600); err != nil {
		r.env.Errorf("%v", err)
	}
	r.s.LetGo()
}

// rounds runs the pipe; twice if what was in the way of some entries has been deleted, so
// that now they fit.
func (r *syncRun) rounds(ctx context.Context) int {
	code := r.round(ctx)
	if !r.blocked(code) {
		return code
	}
	if code = r.round(ctx); r.blocked(code) {
		r.env.Errorf("what is in the way of some entries is still stored, since its name resembles that of another entry; jottasync status names them")
		code = command.ExitPartial
	}
	return code
}

func (r *syncRun) blocked(code int) bool {
	if code != command.ExitOK || r.dry() || r.late.Load() {
		return false
	}
	done, err := report.Load(r.final)
	return err == nil && done != nil && done.Counts.Blocked > 0
}

// round runs the pipe once.
func (r *syncRun) round(ctx context.Context) int {
	ended, err := r.s.Pipe(r.script, r.plan())
	if err != nil {
		r.env.Errorf("%v; is the disk full?", err)
	}
	code := judge(r.env, ended, err, ctx.Err() != nil, r.late.Load())
	return r.keepReport(r.env, r.s, r.final, code)
}

// plan says to the script what its pipe is made of.
func (r *syncRun) plan() session.Plan {
	hash := slices.Concat(r.talk, r.hash)
	if r.verify != verifyAll {
		if cache := r.folders.HashCache(r.id.key); isDir(r.folders.Cache) {
			hash = append(hash, "--cache", cache)
		} else {
			r.env.Errorf("the folder %s for caches cannot be made; every file is read", r.folders.Cache)
		}
	}
	diff := slices.Concat(r.talk, []string{"--dest", string(r.id.dest), "--state", r.memory()})
	sum := slices.Concat(r.talk, r.sum)
	if r.limit > 0 {
		sum = append(sum, "--out-of-time", r.s.File("late"))
	}
	sum = append(sum, "--source", r.id.source, "--dest", string(r.id.dest), "--started", r.started.Format(time.RFC3339Nano))
	if r.local {
		sum = append(sum, "--local")
	}
	var put, rm []string // without, nothing is stored and nothing deleted
	middle, after := "cat", "cat"
	switch {
	case r.dryRun:
		sum, diff = append(sum, "--dry-run"), append(diff, "--changes")
	case r.verify == "":
		sum, diff = append(sum, "--file", r.s.File("report.json"), "--previous", r.final), append(diff, "--changes")
		middle, put = "jput", slices.Concat(r.talk, r.transfer)
		if r.prune {
			after, rm = "jrm", r.talk
		}
	default: // each entry is to be proved
		proof := "all"
		if r.slice != "" {
			proof, middle = r.slice, "jverify"
			put = slices.Concat(r.talk, r.transfer, []string{"--slice", r.slice})
		}
		sum = append(sum, "--file", r.s.File("report.json"), "--previous", r.final, "--proof", proof)
	}
	var p session.Plan
	p.Set("src", r.id.source)
	p.SetList("walk", slices.Concat(r.talk, r.walk))
	p.SetList("hash", hash)
	p.SetList("diff", append(diff, r.diff...))
	p.Set("middle", middle)
	p.SetList("put", put)
	p.Set("after", after)
	p.SetList("rm", rm)
	p.SetList("sum", sum)
	p.Set("line", r.s.File("line"))
	return p
}

// memory is where the run finds what earlier ones have seen.
func (r *syncRun) memory() string {
	if r.dry() {
		return r.s.File("state.json")
	}
	return r.folders.Memory(r.id.key)
}
