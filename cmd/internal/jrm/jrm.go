// Package jrm deletes on the service: what a plan says is gone, or what is named.
//
// Usage:
//
//	jdiff --dest REMOTE --prune < tree.ndjson | jput | jrm [--hard] [-j N] [-n]
//	jrm [--hard] [-n] REMOTE…
//	jrm --restore [-n] REMOTE…
//	jrm --empty-trash [-n]
//
// Deletions of a plan wait until it has proved whole and free of errors. Files and
// folders go to the trash, where the service keeps them for 30 days.
package jrm

import (
	"context"
	"errors"
	"fmt"

	"jottatools/lib/brake"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Without REMOTE, carries out the records with the action delete that it reads,
and passes all others on unchanged. With REMOTE, deletes what is there. Files and
folders go to the trash, where the service keeps them for 30 days; with --hard
they are gone for good. Mount points and devices are never deleted.

Nothing is deleted before the plan has been read to its end and has proved whole
and free of errors. If it has not, the deletions are withheld: they leave with
the status "skipped", and jrm exits 3. With --force it deletes all the same.

A folder of a plan goes with everything in it, but only if it holds nothing
besides what the plan deletes. Otherwise the files of the plan are deleted one by
one and the folder stays, with the status "skipped" and the reason "occupied".
What is gone already counts as done.

A folder that is named as REMOTE goes with all that is in it. Nobody is asked;
--max-delete is what keeps a slip of the pen small: if more entries than that
would go, none does, and jrm exits 6. With --hard, REMOTE may be in the trash.

--restore brings REMOTE back from the trash: a file, or a folder with all that
was deleted with it. A folder that is there gets back whatever in it is in the
trash. Nothing goes over what is alive. --empty-trash deletes for good what is in
the trash of the whole account.

With --dry-run nothing is changed. What would be done leaves with the status
"skipped".`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos --prune | jput |
      jrm
  jrm -n < plan.ndjson | jq -r 'select(.action == "delete").remote'
  jrm --max-delete 100 /Jotta/Archive/photos/2019
  jrm --restore /Jotta/Archive/photos/2019`

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jrm", "delete on the service what a plan or a path says")
	cmd.Online = true
	cmd.Serial = true
	cmd.Long, cmd.Example, cmd.Args = long, example, "[REMOTE…]"
	var o options
	f := cmd.Flags()
	f.BoolVar(&o.restore, "restore", false, "bring REMOTE back from the trash")
	f.BoolVar(&o.emptyTrash, "empty-trash", false, "delete for good what is in the trash of the account")
	f.BoolVar(&o.Hard, "hard", false, "delete for good instead of moving to the trash")
	f.StringVar(&o.max, "max-delete", "", "delete nothing at all if it would be more than `N|P%` entries; a share, which only a plan can have, is of what jdiff found stored (default: no limit)")
	f.BoolVar(&o.Force, "force", false, "delete even if the plan is not whole or reports errors")
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "change nothing; mark what would be done as skipped")
	command.JobsVar(f, &o.Jobs, 6, "deal with at most `N` entries at once")
	command.TPSVar(f, &o.tps)
	cmd.CompleteArgs(connect.RemotePaths)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

type options struct {
	transfer.DeleteOptions
	restore, emptyTrash bool
	max                 string
	tps                 float64
}

// check refuses flags that do not go together.
func (o *options) check(args int) error {
	switch {
	case o.restore && args == 0:
		return command.Usagef("--restore needs the paths of what to bring back, such as /Jotta/Archive/photos/2019")
	case o.restore && (o.Hard || o.emptyTrash || o.max != ""):
		return command.Usagef("--restore deletes nothing; leave out --hard, --empty-trash and --max-delete")
	case o.emptyTrash && args > 0:
		return command.Usagef("--empty-trash is for the whole trash; to delete one entry of it, write jrm --hard and its path")
	case o.Force && (args > 0 || o.emptyTrash):
		return command.Usagef("--force is for plans; a path is deleted without it")
	case o.max == "":
		return nil
	}
	limit, err := brake.ParseLimit(o.max)
	if err != nil {
		return command.Usagef("--max-delete: %v", err)
	}
	if limit.Percent && (args > 0 || o.emptyTrash) {
		return command.Usagef("--max-delete %v is a share of what a plan knows to be stored; without a plan, give a number", limit)
	}
	o.MaxDelete = &limit
	return nil
}

// paths checks the arguments, all of them before anything is done.
func paths(args []string) (all []jfs.Path, err error) {
	for _, arg := range args {
		p, err := jfs.ParsePath(arg)
		switch {
		case err != nil:
			return nil, command.Usagef("%v", err)
		case p.Depth() < 3:
			return nil, command.Usagef("%s is a mount point, and those and devices are never deleted; name a file or folder in one", p)
		}
		switch p.MountPoint() {
		case "/Jotta/Trash", "/Jotta/Links", "/Jotta/Latest":
			return nil, command.Usagef("%s only shows what is elsewhere; name the entry by the path that it has, or had", p.MountPoint())
		}
		all = append(all, p)
	}
	return all, nil
}

func run(ctx context.Context, env *command.Env, o options) error {
	if err := o.check(len(env.Args)); err != nil {
		return err
	}
	named, err := paths(env.Args)
	if err != nil {
		return err
	}
	var client *jfs.Client
	var service transfer.Deleter // stays nil for a dry run over a plan, which asks nobody
	byPath := len(named) > 0 || o.emptyTrash
	if byPath || !o.DryRun {
		if client, err = connect.Client(env, o.tps); err != nil {
			return err
		}
		service = client
	}
	progress := env.Progress()
	o.Info, o.Expect, o.Progress = env.Infof, progress.Expect, progress.Add

	o.Count = func(entries int64) {
		if env.Watched() || env.Verbose() > 0 {
			env.Sayf("%s would be deleted", record.Count(entries, "entry", "entries"))
		}
	}

	var held *transfer.WithheldError // the rest is done all the same
	note := func(out *record.Writer, err error) error {
		only, ok := err.(*transfer.WithheldError)
		if !ok {
			return err
		}
		held = only
		out.Withhold(held.Deletions)
		return nil
	}
	if byPath {
		err = env.Source(func(out *record.Writer) error { return note(out, o.carryOut(ctx, named, out, client)) })
	} else {
		err = env.Filter(func(in *record.Reader, out *record.Writer) error {
			return note(out, transfer.Delete(ctx, in, out, service, o.DeleteOptions))
		})
	}
	switch {
	case errors.Is(err, transfer.ErrNoPlan):
		return command.Exit(command.ExitInput, fmt.Errorf("%w; name paths, or plan with jdiff --prune", err))
	case held == nil:
		return err
	case errors.Is(held, transfer.ErrTooMany):
		return errors.Join(err, command.Exit(command.ExitLimit, held))
	case errors.Is(held, record.ErrErrors):
		return errors.Join(err, command.Exit(command.ExitPartial, held))
	}
	return errors.Join(err, command.Exit(command.ExitInput, held))
}

// carryOut does what the command line says, without a plan.
func (o *options) carryOut(ctx context.Context, named []jfs.Path, out *record.Writer, client *jfs.Client) error {
	switch {
	case o.emptyTrash:
		return transfer.EmptyTrash(ctx, out, client, o.DeleteOptions)
	case o.restore:
		return transfer.RestorePaths(ctx, named, out, client, o.DeleteOptions)
	}
	return transfer.DeletePaths(ctx, named, out, client, o.DeleteOptions)
}
