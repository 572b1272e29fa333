// Jreport sums up the records of a run.
//
// Usage:
//
//	jwalk DIR | jhash | jdiff --dest REMOTE | jput | jreport --file REPORT
//	jreport status REPORT…
//
// It stands at the end of a pipe, counts what was stored and what was not, and
// keeps a small JSON report. It says nothing when all is well, unless a person
// is looking.
package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/record"
	"jottatools/lib/report"
)

func main() {
	cmd := command.New("jreport", "sum up a run: what was stored, what was not, and why")
	cmd.Serial = true
	cmd.Args = "[status REPORT…]"
	cmd.Long = `Jreport stands at the end of a pipe. It counts what was stored and what was not,
and keeps a JSON report that also says when the tree was last stored whole.

On a terminal it prints a summary; elsewhere only what went wrong, on standard
error. With -v it names each entry that something was done about.

"jreport status REPORT…" prints reports, those of --source and --dest if these are
given, and exits 1 unless all are complete.`
	cmd.Example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput |
      jreport --file photos.json
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos |
      jreport --dry-run
  jreport status photos.json`
	var o options
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "keep the report in `FILE`")
	f.StringVar(&o.previous, "previous", "", "the report of the run before is `FILE` (default: that of --file)")
	f.StringVar(&o.source, "source", "", "the `DIR` that the report is about")
	f.StringVar(&o.dest, "dest", "", "the `REMOTE` folder that the report is about")
	f.StringVar(&o.started, "started", "", "when the run began, an RFC 3339 `TIME` (default now)")
	f.StringVar(&o.proof, "proof", "", "the records are not of a backup but compare `WHAT` is stored: all of it by MD5, or slice N/OF as jverify did")
	f.BoolVar(&o.local, "local", false, "the service is a jserve of this machine's own, started for the run")
	f.BoolVar(&o.restore, "restore", false, "the run goes from the service to the disk")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "the records are a plan: print it, and keep no report")
	f.BoolVar(&o.json, "json", false, "print reports as JSON")
	// The report matters more than who reads along.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(cmd.Main(func(ctx context.Context, env *command.Env) error {
		if len(env.Args) > 0 {
			return status(env, o)
		}
		if o.proof != "" {
			return prove(env, o)
		}
		return run(env, o)
	}))
}

type options struct {
	file, previous, source, dest, started, proof string
	dryRun, json, restore, local                 bool
}

func run(env *command.Env, o options) error {
	r := report.Report{Restore: o.restore, Source: o.source, Dest: o.dest, Account: o.account(), Started: time.Now().UTC()}
	if o.started != "" {
		started, err := time.Parse(time.RFC3339, o.started)
		if err != nil {
			return command.Usagef("--started: %v", err)
		}
		r.Started = started.UTC()
	}
	err := env.Consume(func(in *record.Reader) error {
		for rec := range in.All() {
			r.Add(rec)
			if line := report.Line(rec); line != "" && (o.dryRun || env.Verbose() > 0) {
				env.Printf("%s", line)
			}
		}
		if o.previous == "" {
			o.previous = o.file
		}
		previous, err := load(o.previous)
		r.Finish(in, previous, time.Now())
		if o.file != "" && !o.dryRun {
			err = errors.Join(err, r.Save(o.file))
		}
		return err
	})
	return errors.Join(err, tell(env, &r, o))
}

// account returns whose account the programs of the run use. It stands in the
// report for people: trouble with it is what the others fail of, and tell.
func (o *options) account() report.Account {
	if o.local {
		return report.Account{Server: report.Local}
	}
	settings, err := connect.Settings("")
	if err != nil {
		return report.Account{}
	}
	a := report.Account{Server: cmp.Or(settings.Endpoint, "Jottacloud"), Profile: settings.Profile}
	login := connect.Login(settings)
	credentials, _ := auth.Find(login)
	if basic, ok := credentials.(*auth.Basic); ok {
		a.User, a.Profile = basic.User(), ""
	} else if info, err := auth.Look(login); err == nil && info.Service != "" {
		a = report.Account{Server: cmp.Or(info.Endpoint, info.Service), User: info.Username, Profile: info.Profile}
	}
	return a
}

// load returns the report of the run before. One that cannot be read is
// replaced, and said to be.
func load(file string) (*report.Report, error) {
	if file == "" {
		return nil, nil
	}
	return report.Load(file)
}

// tell prints what people need to hear of.
func tell(env *command.Env, r *report.Report, o options) error {
	switch {
	case o.json:
		return env.PrintJSON(r, "")
	case o.dryRun && r.Counts.Failed > 0:
		return command.Exit(command.ExitPartial, errors.New(""))
	case o.dryRun:
		return nil
	}
	watched := env.Watched() || env.Verbose() > 0
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
	if o.previous == "" {
		o.previous = o.file
	}
	problem := ""
	err := env.Consume(func(in *record.Reader) error {
		for rec := range in.All() {
			check.Add(rec)
		}
		r, err := load(o.previous)
		if r == nil {
			r = &report.Report{Version: 1, Source: o.source, Dest: o.dest}
		}
		r.Account = o.account()
		problem = check.Finish(r, in, time.Now())
		if o.file != "" {
			err = errors.Join(err, r.Save(o.file))
		}
		return err
	})
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

func status(env *command.Env, o options) error {
	if env.Args[0] != "status" || len(env.Args) < 2 {
		return command.Usagef("give status and the reports to print, or no arguments to read records")
	}
	incomplete, found := false, 0
	for _, name := range env.Args[1:] {
		r, err := report.Load(name)
		if errors.Is(err, report.ErrNoReport) {
			return command.Exit(command.ExitInput, err)
		}
		if err != nil {
			return err
		}
		if r == nil {
			return command.Usagef("%s: there is no such report", name)
		}
		if o.source != "" && r.Source != o.source || o.dest != "" && r.Dest != o.dest {
			continue
		}
		found++
		incomplete = incomplete || !r.Complete || !r.Unfinished.IsZero() || r.Withheld > 0 || !r.Proof.Failed.IsZero()
		if o.json {
			err = env.PrintJSON(r, "")
		} else {
			if found > 1 {
				env.Printf("")
			}
			err = r.WriteStatus(env.TextSink())
		}
		if err != nil {
			return err
		}
	}
	switch {
	case found == 0:
		return command.Exit(command.ExitPartial, errors.New("nothing is known of that; it has never been stored from here"))
	case incomplete:
		return command.Exit(command.ExitPartial, errors.New(""))
	}
	return nil
}
