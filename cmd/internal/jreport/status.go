package jreport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/report"
)

// status prints reports.
func status(env *command.Env, o options) error {
	for _, name := range env.Args[1:] {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return command.Usagef("%s: there is no such report", name)
		}
	}
	found, err := report.Find(env.Args[1:], report.Choice{Source: o.source, Dest: o.dest})
	if err != nil {
		return noReport(err)
	}
	bad, err := report.Status{MaxAge: o.maxAge, JSON: o.json}.Show(env, found, time.Now())
	if bad != nil {
		return command.Exit(command.ExitPartial, bad)
	}
	return err
}

// again prints which files the next run has to hash afresh.
func again(env *command.Env, name string) error {
	r, err := load(name)
	if r == nil || err != nil {
		return err
	}
	paths, all := r.Again()
	var list strings.Builder
	for _, path := range paths {
		list.WriteString(path)
		list.WriteByte(0)
	}
	if _, err := fmt.Fprint(env.ExactSink(), list.String()); err != nil {
		return err
	}
	if !all {
		env.Infof("there are more than the report names; hash everything")
		return command.Exit(command.ExitPartial, errors.New(""))
	}
	return nil
}

// slice prints which slice is to be read back next.
func slice(env *command.Env, name string, of int) error {
	if of < 1 || of > report.MaxSlices {
		return command.Usagef("--of must be from 1 to %d, not %d", report.MaxSlices, of)
	}
	r, err := load(name)
	if err != nil {
		return err
	}
	if r == nil {
		r = &report.Report{}
	}
	env.Printf("%v", r.Proof.Due(of))
	return nil
}

// trouble notes that a run could not begin.
func trouble(o options) error {
	if o.file == "" {
		return command.Usagef("--trouble needs --file, the report to note it in")
	}
	return noReport(report.SaveTrouble(o.file, o.trouble, time.Now(), func() *report.Report {
		if o.source == "" {
			return nil
		}
		return report.First(o.source, o.dest, o.local, connect.Who) // the first run of a job
	}))
}

// load reads a report; nil: there is none.
func load(name string) (*report.Report, error) {
	r, err := report.Load(name)
	return r, noReport(err)
}

// noReport gives an error its exit code.
func noReport(err error) error {
	if errors.Is(err, report.ErrNoReport) {
		return command.Exit(command.ExitInput, err)
	}
	return err
}
