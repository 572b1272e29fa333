package jjob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/job/session"
	"jottatools/lib/report"
)

// run is a run of a job, from the lock to the exit code.
type run struct {
	env     *command.Env
	id      identity
	kind    string           // for the history: backup, restore or proof
	s       *session.Session // once the lock is taken
	log     *os.File         // where messages go
	started time.Time
	final   string // the report that is kept
	failure error  // why the run came to nothing
}

func (c *common) newRun(env *command.Env, id identity, kind string) run {
	return run{env: env, id: id, kind: kind, log: os.Stderr, started: time.Now().UTC(), final: c.folders.Report(id.key)}
}

// do runs the job: ready says whether it can run at all, and work is what it does once it
// has the lock. Whoever wants to hear of the run is told.
func (r *run) do(ctx context.Context, c *common, n *notices, ready func() error, work func(context.Context) (int, error)) error {
	if c.logFile != "" {
		log, err := openLog(c.logFile)
		if err != nil {
			return command.Usagef("--log-file: no messages can be added to it: %v", err)
		}
		r.log, r.env.Stderr = log, log
	}
	said := r.log
	if n.wanted() && !c.dryRun && !r.env.OnTerminal() { // a terminal shows progress, and somebody is there
		var err error
		if n.heard, err = listen(r.log); err != nil {
			return err
		}
		said = n.heard.write
		r.env.Stderr = said
	}
	code, err := r.locked(ctx, c, n, said, ready, work)
	if errors.Is(err, errBusy) {
		return err // the other run is the one to hear of
	}
	r.failure = err
	if ctx.Err() != nil {
		code = command.ExitInterrupted
	} else {
		code = command.Gravest(code, r.env.Tell(ctx, err))
	}
	n.heard.close()
	r.env.Stderr = r.log
	n.ended(r, c, code)
	if code == command.ExitOK {
		return nil
	}
	return command.Exit(code, errors.New(""))
}

// locked takes the lock and runs the job, unless ready says that it cannot run. What the
// programs say goes to said.
func (r *run) locked(ctx context.Context, c *common, n *notices, said *os.File, ready func() error, work func(context.Context) (int, error)) (code int, err error) {
	if err := ready(); err != nil {
		n.began(ctx, r, c)
		return 0, err
	}
	if r.s, err = c.begin(r.env, r.id.key); err != nil {
		return 0, err
	}
	r.s.Stdout, r.s.Stderr = os.Stdout, said
	defer r.s.Close()
	defer context.AfterFunc(ctx, r.s.LetGo)()
	n.began(ctx, r, c)
	if err := mendCache(r.env, c.folders.HashCache(r.id.key)); err != nil {
		return 0, err
	}
	code, err = work(ctx)
	if c.copyReport(r.env, r.final) != nil {
		code = command.Gravest(code, command.ExitPartial)
	}
	if ctx.Err() != nil && !c.dryRun {
		r.sayInterrupted()
	}
	return code, err
}

// sayInterrupted says, once for all programs of the pipe, what the run came to.
func (r *run) sayInterrupted() {
	said := "interrupted"
	if done, err := report.Load(r.final); err == nil && done != nil && done.Started.Equal(r.started) {
		said += "; " + done.Progress()
	}
	r.env.Errorf("%s; the next run goes on from there", said)
}

// enterable returns an error if there is no such folder.
func enterable(dir string) error {
	info, err := os.Stat(dir + string(filepath.Separator) + ".") // which takes the permission to enter it
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no such folder, or it cannot be entered", dir)
	}
	return nil
}

// trouble notes in the report why the run could not begin. Without a report it makes one.
func (r *run) trouble(why error, local bool) {
	err := report.SaveTrouble(r.final, why.Error(), time.Now(), func() *report.Report {
		return report.First(r.id.source, string(r.id.dest), local, connect.Who)
	})
	if err != nil && !errors.Is(err, report.ErrNoReport) { // status says that of a report that cannot be read
		r.env.Errorf("%v", err)
	}
}
