// Jrm deletes on the service what a plan says is gone.
//
// Usage:
//
//	jdiff --dest REMOTE --prune < tree.ndjson | jput | jrm [--hard] [-j N] [-n]
//
// Deletions wait until the plan has proved whole and free of errors. Files and
// folders go to the trash, where the service keeps them for 30 days.
package main

import (
	"context"
	"errors"
	"os"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Carries out the records with the action delete and passes all others on
unchanged. Files and folders go to the trash, where the service keeps them for
30 days; with --hard they are gone for good.

Nothing is deleted before the plan has been read to its end and has proved whole
and free of errors. If it has not, the deletions are withheld: they leave with
the status "skipped", and jrm exits 3. With --force it deletes all the same.

A folder goes with everything in it, but only if it holds nothing besides what
the plan deletes. Otherwise the files of the plan are deleted one by one and the
folder stays, with the status "skipped" and the reason "occupied". What is gone
already counts as done. Mount points and devices are never deleted.

With --dry-run nothing is deleted. What would be done leaves with the status
"skipped".`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos --prune | jput | jrm
  jrm -n < plan.ndjson | jq -r 'select(.action == "delete").remote'`

func main() {
	cmd := command.New("jrm", "delete on the service what a plan says is gone")
	cmd.Long, cmd.Example = long, example
	var o transfer.DeleteOptions
	cmd.Flags().IntVarP(&o.Jobs, "jobs", "j", 6, "delete at most `N` entries at once")
	cmd.Flags().BoolVar(&o.Hard, "hard", false, "delete for good instead of moving to the trash")
	cmd.Flags().BoolVar(&o.Force, "force", false, "delete even if the plan is not whole or reports errors")
	cmd.Flags().BoolVarP(&o.DryRun, "dry-run", "n", false, "delete nothing; mark what would be done as skipped")
	tps := cmd.Flags().Float64("tpslimit", 0, "send at most `N` requests a second (0: no limit)")
	os.Exit(cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o, *tps) }))
}

func run(ctx context.Context, env *command.Env, o transfer.DeleteOptions, tps float64) error {
	switch {
	case len(env.Args) > 0:
		return command.Usagef("jrm reads a plan from standard input, not paths such as %s", env.Args[0])
	case o.Jobs < 1:
		return command.Usagef("--jobs must be at least 1, not %d", o.Jobs)
	case tps < 0:
		return command.Usagef("--tpslimit must not be negative")
	}
	var service transfer.Deleter
	if !o.DryRun {
		client, err := connect.Client(env, tps)
		if err != nil {
			return err
		}
		service = client
	}
	progress := env.Progress()
	o.Info, o.Expect, o.Progress = env.Infof, progress.Expect, progress.Add
	var held *transfer.WithheldError
	err := env.Filter(func(in *record.Reader, out *record.Writer) error {
		err := transfer.Delete(ctx, in, out, service, o)
		if only, ok := err.(*transfer.WithheldError); ok {
			held = only
			out.Withhold(held.Deletions)
			return nil
		}
		return err
	})
	switch {
	case held == nil:
		return err
	case errors.Is(held, record.ErrErrors):
		return errors.Join(err, command.Exit(command.ExitPartial, held))
	}
	return errors.Join(err, command.Exit(command.ExitInput, held))
}
