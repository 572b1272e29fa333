package jreport

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/record"
	"jottatools/lib/report"
)

// run makes the report of a backup or a restore.
func run(env *command.Env, o options) error {
	r, err := o.newRun()
	if err != nil {
		return err
	}
	r.Previous, err = o.before() // one that cannot be read is replaced, and said to be
	verdict := env.Consume(func(in *record.Reader) error {
		for rec := range in.All() {
			r.Add(rec)
			if line := report.Line(rec); line != "" && (o.dryRun || env.Verbose() > 0) {
				env.Printf("%s", line)
			}
		}
		if o.outOfTime != "" {
			_, gone := os.Stat(o.outOfTime)
			r.MaxDuration = gone == nil
		}
		r.Finish(in, time.Now())
		if o.file != "" && !o.dryRun {
			err = errors.Join(err, r.Save(o.file))
		}
		return err
	})
	if r.OutOfTime { // the stream may well be incomplete
		verdict = err
	}
	return errors.Join(verdict, tell(env, r, o))
}

// newRun returns a run of which nothing is known but the flags and the report of the run
// before.
func (o *options) newRun() (*report.Run, error) {
	r := &report.Run{HashedAgain: o.againDone}
	r.Restore, r.Source, r.Dest, r.Started = o.restore, o.source, o.dest, time.Now().UTC()
	if o.started != "" {
		started, err := time.Parse(time.RFC3339, o.started)
		if err != nil {
			return nil, command.Usagef("--started: %v", err)
		}
		r.Started = started.UTC()
	}
	if o.known != "" {
		var err error
		if r.KnownProblems, err = readKnown(o.known); err != nil {
			return nil, command.Usagef("--known: %v", err)
		}
	}
	r.Account = o.account()
	return r, nil
}

func readKnown(name string) (record.Known, error) {
	f, err := os.Open(name)
	if err != nil {
		return record.Known{}, err
	}
	defer f.Close()
	known, err := record.ReadKnown(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return known, err
}

// account returns whose account the programs of the run use. It stands in the
// report for people: trouble with it is what the others fail of, and tell.
func (o *options) account() report.Account {
	return report.NewAccount(o.local, connect.Who)
}

// before returns the report of the run before, if there was one.
func (o *options) before() (*report.Report, error) {
	name := cmp.Or(o.previous, o.file)
	if name == "" {
		return nil, nil
	}
	return report.Load(name)
}

// mostNamed is how many entries are named on standard error that the report names, too.
const mostNamed = 10

// tell prints what people need to hear of.
func tell(env *command.Env, r *report.Run, o options) error {
	if !o.dryRun {
		for i, e := range r.Begun {
			if i == mostNamed {
				r.MoreBegun += int64(len(r.Begun) - i)
				break
			}
			env.Errorf("%s: %s", record.Printable(e.Path), e.LeftOut())
		}
		if r.MoreBegun > 0 {
			env.Errorf("%s besides; jottasync status names them", record.Count(r.MoreBegun, "entry is left out", "entries are left out"))
		}
	}
	switch {
	case o.json:
		return env.PrintJSON(&r.Report, "")
	case o.dryRun && r.Counts.Failed > 0:
		return command.Exit(command.ExitPartial, errors.New(""))
	case o.dryRun:
		return nil
	}
	watched := (env.Watched() || env.Verbose() > 0) && !env.Stopped() // or else whoever has stopped it speaks
	if watched {
		env.Printf("%s", r.Summary())
	}
	problems, failed := r.Problems()
	switch {
	case failed:
		return command.Exit(command.ExitPartial, errors.New(problems))
	case problems != "" && watched:
		env.Printf("%s", problems)
	}
	return nil
}

// prove notes in the report of the last run what a comparison of the service with
// the disk has shown.
func prove(env *command.Env, o options) error {
	var check report.Check
	if o.proof != "all" {
		slice, err := record.ParseSlice(o.proof)
		if err != nil {
			return command.Usagef("--proof: %v", err)
		}
		check.Slice = &slice
	}
	r, err := o.before()
	if r == nil {
		r = &report.Report{Version: 1, Source: o.source, Dest: o.dest}
	}
	check.Report = r
	problem := ""
	err = errors.Join(err, env.Consume(func(in *record.Reader) (err error) {
		for rec := range in.All() {
			check.Add(rec)
		}
		r.Account = o.account()
		problem = check.Finish(in, time.Now())
		if o.file != "" {
			err = r.Save(o.file)
		}
		return err
	}))
	if problem == "" {
		if env.Watched() || env.Verbose() > 0 {
			env.Printf("%s", check.Summary())
		}
		return err
	}
	for _, e := range check.Unproven {
		if e.Class == "" { // who found an error has told of it
			env.Errorf("%s: %s", e.Path, e.Why())
		}
	}
	if check.OnlyChanging() {
		return err
	}
	return errors.Join(err, command.Exit(command.ExitPartial, errors.New(problem)))
}
