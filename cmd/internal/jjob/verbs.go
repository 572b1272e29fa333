package jjob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/job"
	"jottatools/lib/report"
)

// name prints src, dest and job for the shell.
func name(_ context.Context, env *command.Env, o options) error {
	source, err := job.Source(env.Args[0])
	if err != nil {
		return err
	}
	remote := ""
	if len(env.Args) > 1 {
		remote = env.Args[1]
	} else {
		host, err := job.Host()
		if err != nil || host == "" {
			return command.Usagef("this machine has no name to make a remote folder of; name one")
		}
		remote = "/Jotta/Archive/" + host + filepath.ToSlash(source)
	}
	dest, err := jfs.ParsePath(remote)
	switch {
	case err != nil:
		return command.Usagef("DEST: %v", err)
	case dest.Reserved():
		return command.Usagef("DEST: %s is where jobs leave their marks; name another folder", dest)
	}
	account, err := account(o.local)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.ExactSink(), "src=%s\ndest=%s\njob=%s\n", quoted(source), quoted(string(dest)), quoted(job.Key(o.kind, account, source, dest)))
	return nil
}

// quoted returns s as a word of the shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// account returns what tells the account that the environment and the configuration
// choose from others. It asks nobody.
func account(ofThisMachine bool) (string, error) {
	if ofThisMachine {
		return "local", nil
	}
	settings, err := connect.Settings("")
	if err != nil {
		return "", err
	}
	user := ""
	if credentials, err := auth.Find(connect.Login(settings)); err == nil {
		if basic, ok := credentials.(*auth.Basic); ok {
			user = basic.User()
		}
	}
	return strings.Join([]string{settings.Profile, settings.Endpoint, user}, "\x00"), nil
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
	s, err := job.Load(o.state, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	host, _ := job.Host()
	s.Begins(env.Args[0], dest, host)
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

// end ends a run. It makes DEST if the run had nothing to store in it.
func end(ctx context.Context, env *command.Env, o options) error {
	if o.state == "" || o.report == "" {
		return command.Usagef("--state FILE and --report FILE are needed")
	}
	s, err := job.Load(o.state, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	r, err := report.Load(o.report)
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
	if err := s.Save(o.state); err != nil {
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
	s, err := job.Load(o.state, func(error) {})
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

// busy says who has held a lock for too long.
func busy(_ context.Context, env *command.Env, o options) error {
	info, err := os.Stat(env.Args[0])
	if err != nil {
		return err
	}
	since := info.ModTime() // the holder has written its number when it took the lock
	held := time.Since(since)
	b, _ := os.ReadFile(env.Args[0])
	holder := strings.TrimSpace(string(b))
	if held >= o.stale {
		env.Errorf("another run of this job has held the lock for %v, since %s (process %s); nothing is stored meanwhile: look what it waits for, or end it",
			held.Round(time.Minute), since.Local().Format("2006-01-02 15:04:05 MST"), holder)
	} else if env.Verbose() > 0 {
		env.Errorf("another run of this job holds the lock, since %s (process %s)", since.Local().Format("2006-01-02 15:04:05 MST"), holder)
	}
	return nil
}
