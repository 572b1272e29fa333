package jjob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/job"
	"jottatools/lib/job/session"
	"jottatools/lib/report"
)

// name prints src, dest and job for the shell.
func name(_ context.Context, env *command.Env, o options) error {
	id, err := identify(o.kind, o.local, env.Args[0], strings.Join(env.Args[1:], ""))
	if err != nil {
		return err
	}
	fmt.Fprintf(env.ExactSink(), "src=%s\ndest=%s\njob=%s\n", session.Quote(id.source), session.Quote(string(id.dest)), session.Quote(id.key))
	return nil
}

// begin begins a run.
func begin(ctx context.Context, env *command.Env, o options) error {
	if o.state == "" {
		return command.Usagef("--state FILE is missing")
	}
	dest, err := jfs.ParsePath(env.Args[1])
	if err != nil {
		return command.Usagef("DEST: %v", err)
	}
	return beginRun(ctx, env, o, env.Args[0], dest)
}

// beginRun is begin once it is known which job it is.
func beginRun(ctx context.Context, env *command.Env, o options, source string, dest jfs.Path) error {
	s, err := job.Load(o.state, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	host, _ := job.Host()
	s.Begins(source, dest, host)
	if err := o.doubts(s); err != nil {
		return err
	}
	client, err := connect.Client(env, 0)
	if err != nil {
		return err
	}
	if err := s.Meet(ctx, client, job.Meeting{ReadOnly: o.readOnly, Adopt: o.adopt}); err != nil {
		return err
	}
	for _, path := range s.Unmounted(o.unmounted) {
		env.Infof("--accept-unmounted %s: nothing is known to have been mounted there", path)
	}
	if err := writeList(o.mounts, s.Mounts); err != nil {
		return err
	}
	if o.out == "" {
		o.out = o.state
	}
	return s.Save(o.out)
}

// doubts notes which files the report of the last run found to be other than what is
// stored, and lists them for jhash. There is no list if they are too many to be named, or
// the report cannot be read.
func (o options) doubts(s *job.State) error {
	s.Doubt, s.DoubtAll = nil, false
	if o.report == "" {
		return nil
	}
	r, err := report.Load(o.report)
	if r == nil || err != nil {
		s.DoubtAll = err != nil
		return nil
	}
	paths, all := r.Again()
	for _, path := range paths {
		s.Doubt = append(s.Doubt, []byte(path))
	}
	if s.DoubtAll = !all; s.DoubtAll {
		return nil
	}
	return writeList(o.again, s.Doubt)
}

// writeList writes paths to a file, each ended by a NUL. No name: nobody wants them.
func writeList(name string, paths [][]byte) error {
	if name == "" {
		return nil
	}
	var list []byte
	for _, path := range paths {
		list = append(append(list, path...), 0)
	}
	return os.WriteFile(name, list, 0o600)
}

// end ends a run.
func end(ctx context.Context, env *command.Env, o options) error {
	if o.state == "" || o.report == "" {
		return command.Usagef("--state FILE and --report FILE are needed")
	}
	return endRun(ctx, env, o.state, o.report)
}

// endRun notes in the memory of a job, and at the service, what the report of a run says.
// It makes DEST if the run had nothing to store in it.
func endRun(ctx context.Context, env *command.Env, memory, final string) error {
	s, err := job.Load(memory, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	r, err := report.Load(final)
	if r == nil || err != nil {
		return err // no report: the run has come to nothing
	}
	c := &r.Counts
	// With deletions withheld, the tree may have been another one. What was written in the
	// right one meanwhile must not count as stored.
	// So it is with a run over a part of the tree.
	stored := r.Complete && r.Withheld == 0 && r.LastComplete.Equal(r.Ended)
	out := job.Outcome{Started: r.Started, Complete: stored, Whole: r.Incomplete == "", Added: c.AddedFiles, Deleted: c.DeletedFiles}
	for _, e := range r.Mounts {
		out.Mounts = append(out.Mounts, e.Path)
	}
	s.End(out)
	if err := s.Save(memory); err != nil {
		return err
	}
	client, err := connect.Client(env, 0)
	if err != nil {
		return err
	}
	if r.Complete && c.Files+c.Dirs == 0 {
		if err := client.MkDir(ctx, jfs.Path(s.Dest)); err != nil && !errors.Is(err, jfs.ErrExist) {
			return fmt.Errorf("make %s, since there is nothing in it: %w", s.Dest, err)
		}
	}
	if err := s.Push(ctx, client); err != nil {
		env.Infof("%v; the next run does so", err)
	}
	return nil
}

// forget removes the mark of a job.
func forget(ctx context.Context, env *command.Env, o options) error {
	return forgetMark(ctx, env, o.state)
}

// forgetMark removes the mark of the job with that memory from the service.
func forgetMark(ctx context.Context, env *command.Env, memory string) error {
	s, err := job.Load(memory, func(error) {})
	if err != nil || s.ID == "" {
		return err
	}
	client, err := connect.Client(env, 0)
	if err == nil {
		err = s.Forget(ctx, client)
	}
	if err != nil {
		env.Errorf("the mark of the job stays in %s: %v", jfs.Path(s.Dest).MountPoint(), err)
		return command.Exit(command.ExitPartial, errors.New(""))
	}
	return nil
}
