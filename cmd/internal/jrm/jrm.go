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

const long = `Without REMOTE, jrm carries out the records with the action delete, and passes
all others on unchanged. With REMOTE, it deletes that file or folder. Deleted
entries go to the trash, where the service keeps them for 30 days; with --hard
they are deleted for good. Jrm never deletes mount points and devices.

Jrm deletes nothing before it has read the whole plan, and found it whole and
free of errors. Otherwise it withholds the deletions: their records get the
status "skipped", and jrm exits 3. With --force it deletes anyway.

Jrm deletes a folder of a plan with everything in it, but only if the plan
deletes everything that the folder holds. Otherwise jrm deletes the files of the
plan one by one and keeps the folder, with the status "skipped" and the reason
"occupied". An entry that is already gone counts as done.

Jrm deletes a folder named as REMOTE with everything in it, and does not ask for
confirmation. Use --max-delete to limit the damage of a typing error: if REMOTE
has more entries than that, jrm deletes none and exits 6. With --hard, REMOTE may
be in the trash.

--restore brings REMOTE back from the trash: a file, or a folder with everything
that was deleted with it. If the folder still exists, its deleted entries come
back into it. A restored entry never replaces an existing one. --empty-trash
deletes everything in the trash of the account for good.

With --dry-run, jrm changes nothing. Records that it would carry out get the
status "skipped".`

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
	f.BoolVar(&o.emptyTrash, "empty-trash", false, "delete everything in the trash of the account for good")
	f.BoolVar(&o.Hard, "hard", false, "delete for good instead of moving to the trash")
	f.StringVar(&o.max, "max-delete", "", "delete nothing at all if more than `N|P%` entries would go; P%, only for plans, is the share of the entries that jdiff found stored (default: no limit)")
	f.BoolVar(&o.Force, "force", false, "delete even if the plan is not whole or reports errors")
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "change nothing; mark records that jrm would carry out as skipped")
	command.JobsVar(f, &o.Jobs, 6, "handle at most `N` entries at once")
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
