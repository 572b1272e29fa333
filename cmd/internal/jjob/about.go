package jjob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/job"
	"jottatools/lib/job/session"
	"jottatools/lib/local"
	"jottatools/lib/report"
)

// named returns the jobs that SRC and DEST choose: by what the reports say, so that it does
// not matter whether SRC is mounted and which service it went to.
func (o *syncOptions) named(args []string) (report.Choice, error) {
	if len(args) == 0 {
		return report.Choice{}, nil
	}
	if args[0] == "" {
		return report.Choice{}, command.Usagef("SRC is empty; is a variable not set?")
	}
	remote := ""
	if len(args) > 1 {
		remote = args[1]
	}
	id, err := identify(kindSync, o.local, args[0], remote)
	if err != nil {
		return report.Choice{}, err
	}
	choice := report.Choice{Source: id.source}
	if len(args) > 1 {
		choice.Dest = string(id.dest)
	}
	return choice, nil
}

// chosen returns the files with reports of the jobs that arguments name.
func (o *syncOptions) chosen(args []string) ([]report.Found, error) {
	choice, err := o.named(args)
	if err != nil {
		return nil, err
	}
	names, err := o.folders.Reports()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, command.Exit(command.ExitPartial, errors.New("nothing has been stored yet"))
	}
	found, err := report.Find(names, choice)
	if errors.Is(err, report.ErrNoReport) {
		err = command.Exit(command.ExitInput, err)
	}
	return found, err
}

// status prints what is known of jobs.
func (o *syncOptions) status(ctx context.Context, env *command.Env, args []string) error {
	if len(args) > 2 {
		return command.Usagef("status takes at most SRC and DEST")
	}
	maxAge := time.Duration(0)
	if o.maxAge != "" {
		var err error
		if maxAge, err = parseAge(o.maxAge); err != nil {
			return err
		}
	}
	found, err := o.chosen(args)
	if err != nil {
		return err
	}
	if o.metrics != "" {
		var reports []*report.Report
		for _, f := range found {
			reports = append(reports, f.Report)
		}
		return o.writeMetrics(report.Metrics(reports, time.Now()))
	}
	bad, err := report.Status{MaxAge: maxAge, JSON: o.json, Note: o.scheduled(ctx, env)}.Show(env, found, time.Now())
	if bad != nil {
		return command.Exit(command.ExitPartial, bad)
	}
	return err
}

// parseAge reads the value of --max-age, which may also be a duration of Go's.
func parseAge(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return parseSpan("--max-age", text)
}

// writeMetrics writes a file that the node exporter can read, which is another user.
func (o *syncOptions) writeMetrics(text string) error {
	err := local.Replace(o.metrics, []byte(text))
	if err == nil {
		err = os.Chmod(o.metrics, 0o644)
	}
	if err != nil {
		return fmt.Errorf("--metrics: %w", err)
	}
	return nil
}

// history prints the last runs of a job.
func (o *syncOptions) history(env *command.Env, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("history takes SRC, and perhaps DEST")
	}
	one, err := o.one(args)
	if err != nil {
		return err
	}
	runs, err := report.History(o.folders.History(job.KeyOf(one.Name)))
	if err != nil {
		return err
	}
	for _, p := range runs {
		if !o.json {
			env.Printf("%v", p)
		} else if err := env.PrintJSON(p, ""); err != nil {
			return err
		}
	}
	return nil
}

// one returns the report of the only job that arguments name.
func (o *syncOptions) one(args []string) (report.Found, error) {
	found, err := o.chosen(args)
	switch {
	case err != nil:
		return report.Found{}, err
	case len(found) == 0:
		return report.Found{}, command.Exit(command.ExitPartial, errors.New("nothing is known of that; jottasync status lists what is known"))
	case len(found) > 1 && len(args) < 2:
		return report.Found{}, command.Usagef("%s was stored in several places; name DEST, too", args[0])
	}
	return found[0], nil
}

// forget removes what is known of a job, but for its lock: a run may be about to take it.
func (o *syncOptions) forget(ctx context.Context, env *command.Env, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("forget takes SRC, and perhaps DEST")
	}
	if _, err := o.one(args); err != nil {
		return err
	}
	found, err := o.chosen(args) // the same DEST, of several accounts
	if err != nil {
		return err
	}
	var last error
	for _, one := range found {
		if err := o.forgetJob(ctx, env, job.KeyOf(one.Name)); err != nil {
			last = err
		}
	}
	if last == nil && env.OnTerminal() && !env.Quiet() {
		env.Errorf("forgotten; what is stored stays")
	}
	return last
}

func (o *syncOptions) forgetJob(ctx context.Context, env *command.Env, key string) error {
	lock, err := session.Lock(o.folders.Lock(key))
	var busy *session.Busy
	if errors.As(err, &busy) {
		return command.Exit(command.ExitBusy, err)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	marked := forgetMark(ctx, env, o.folders.Memory(key))
	for _, name := range []string{
		o.folders.Report(key), report.Unfinished(o.folders.Report(key)), o.folders.Memory(key), o.folders.History(key), o.folders.HashCache(key),
	} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(marked, os.RemoveAll(o.folders.Run(key)))
}
