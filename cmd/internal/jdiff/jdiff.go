// Package jdiff says what to do so that a remote folder becomes like a local tree.
//
// Usage:
//
//	jwalk DIR | jhash | jdiff --dest REMOTE > plan.ndjson
//	jdiff A.ndjson B.ndjson
//
// Each record gets an action (put, mkdir, touch, move, delete, none; get with --reverse) and a reason.
// Jdiff changes nothing: its output is the plan, which jput and jrm carry out,
// now or later.
package jdiff

import (
	"bufio"
	"context"
	"errors"

	"jottatools/lib/brake"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/diff"
	"jottatools/lib/jfs"
	"jottatools/lib/list"
	"jottatools/lib/record"
)

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jdiff", "say what to put, make, touch and delete")
	cmd.Online = true
	cmd.Serial, cmd.Garbage = true, 100
	cmd.Args = "[A.ndjson B.ndjson]"
	cmd.Long = `Jdiff joins the records of a local tree with the listing of a remote folder and
gives each an action and a reason. It changes nothing: what it writes is the plan,
to be piped into jput, looked at, or saved and carried out later.

With two files it says what to do so that B becomes like A, without asking any
service; - is standard input.

With --reverse it is the other way round: what to fetch so that the local tree
becomes like what is stored, for jget. What only the local side has stays as it is,
with the action none and the reason gone. The second of two files is then a
listing, such as jls writes.

With --changes, what is the same on both sides is left out, and only counted in the
end record: of a tree in which little has changed, the programs behind have little
to read. Jput, jrm, jget and jreport take such a stream like any other; to those that
have to see each entry it is not whole.

With --prune, what is gone from the source is proposed for deletion: after
everything else, only if the source was read whole and without errors, has a file
at all, and no more files than --max-delete are gone. Folders do not count.

Files whose content has changed come after what is the same or new, and only if they
are no more than --max-change: the service keeps five revisions, and damage that is
stored night after night drives the good ones out. What either limit holds back is in
the plan, with action none and reason held, and jdiff exits 6.

With --state, jdiff knows what earlier runs of the job have seen. A share is then also
of what was stored when all was last well, so that what a wrong source adds does not
count; folders in which other jobs store are left alone; and a file that has the size
and time of what is stored, and another content, is not stored, since the disk seems to
have damaged it, unless it was written since, or --accept-changed names it.

With --track-renames as well, a new file whose content is in one that is gone is
proposed as a move on the service, which keeps its older revisions and its public
link, and sends nothing. New files then come after all that is not new. What is
moved away is not deleted, nor does it count for --max-delete.`
	cmd.Example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos --prune | jput |
      jrm
  jwalk ~/photos | jhash |
      jdiff --dest /Jotta/Archive/photos --prune --track-renames | jput | jrm
  jwalk ~/photos | jhash |
      jdiff --dest /Jotta/Archive/photos --format combined | grep -v '^='
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos --reverse |
      jget -C ~/photos
  jwalk ~/photos | jhash | jdiff - saved.ndjson --format combined
  jdiff today.ndjson yesterday.ndjson --format combined`
	var o options
	o.MaxDelete = brake.Limit{N: 50, Percent: true}
	f := cmd.Flags()
	f.StringVar(&o.Dest, "dest", "", "compare with the folder `REMOTE`, such as /Jotta/Archive/photos")
	f.BoolVar(&o.reverse, "reverse", false, "say what to fetch so that the local tree becomes like the remote folder")
	f.BoolVar(&o.Prune, "prune", false, "propose to delete what is gone from the source")
	f.BoolVar(&o.PruneIgnored, "prune-ignored", false, "with --prune: what is ignored counts as gone")
	f.BoolVar(&o.TrackRenames, "track-renames", false, "with --prune: move what is gone to where its content is new")
	f.StringVar(&o.maxDelete, "max-delete", o.MaxDelete.String(), "with --prune: propose no deletion at all beyond `N|P%` files")
	f.StringVar(&o.maxChange, "max-change", "50%", "with --dest: overwrite no file at all beyond `N|P%` (if not given, up to 100 files are never too many)")
	f.StringVar(&o.state, "state", "", "what earlier runs of the job have seen is in `FILE`, which jjob writes")
	command.PatternsVar(f, &o.accept, "accept-changed", "with --state: store files that match `PATTERN` although the disk seems to have damaged them")
	f.BoolVar(&o.changes, "changes", false, "leave out what is the same on both sides; the end record counts it")
	f.StringVar(&o.format, "format", "ndjson", "write `FORMAT`: ndjson, or combined: one symbol (= + - * !) and path a line")
	cmd.CompleteFlag("dest", connect.RemotePaths)
	cmd.CompleteValues("format", "ndjson", "combined")
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		o.changeGiven = f.Changed("max-change")
		return run(ctx, env, o)
	})
}

type options struct {
	diff.Options
	maxDelete, maxChange, format, state string
	reverse, changes, changeGiven       bool
	accept                              func(path string) bool
	mounted                             func(*record.Record) // hears of each folder in which a file system is mounted
}

func run(ctx context.Context, env *command.Env, o options) (err error) {
	if o.MaxDelete, err = brake.ParseLimit(o.maxDelete); err != nil {
		return command.Usagef("--max-delete: %v", err)
	}
	change, err := brake.ParseLimit(o.maxChange)
	if err != nil {
		return command.Usagef("--max-change: %v", err)
	}
	if !o.changeGiven {
		change.Spare = 100
	}
	if o.format != "ndjson" && o.format != "combined" {
		return command.Usagef("--format must be ndjson or combined, not %q", o.format)
	}
	if o.changes && o.format != "ndjson" {
		return command.Usagef("--changes is for records; with --format combined, write: grep -v '^='")
	}
	if o.reverse && o.Prune {
		return command.Usagef("--reverse deletes nothing; leave --prune out")
	}
	if o.PruneIgnored && !o.Prune {
		return command.Usagef("--prune-ignored needs --prune")
	}
	if o.TrackRenames && (!o.Prune || o.Dest == "" || o.format != "ndjson") {
		return command.Usagef("--track-renames is for plans that are carried out, and takes old names away; it needs --dest and --prune, and no other format")
	}
	if o.state != "" && o.Dest == "" {
		return command.Usagef("--state is about what is stored in --dest")
	}
	o.Warn = func(message string) { env.Errorf("%s", message) }

	var target func() (*record.Sorter, error)
	switch {
	case len(env.Args) == 2 && o.Dest == "":
		a, err := open(env.Args[0], env.Stdin)
		if err != nil {
			return err
		}
		defer a.Close()
		env.Stdin = a
		target = func() (*record.Sorter, error) { return saved(env, env.Args[1]) }
	case len(env.Args) == 0 && o.Dest != "":
		dest, err := jfs.ParsePath(o.Dest)
		if err != nil {
			return command.Usagef("--dest: %v", err)
		}
		o.Dest, o.Check, o.MaxChange = string(dest), diff.Check, &change
		if o.state != "" {
			if err := o.remember(env); err != nil {
				return err
			}
		}
		client, err := connect.Client(env, 0)
		if err != nil {
			return err
		}
		target = func() (*record.Sorter, error) { return list.Target(ctx, client, dest, o.Warn) }
		if o.reverse { // what is not there cannot be fetched
			target = func() (*record.Sorter, error) {
				return list.Tree(ctx, client, list.Top{Remote: dest}, list.Options{Warn: o.Warn})
			}
		}
	default:
		return command.Usagef("give --dest REMOTE, such as --dest /Jotta/Archive/photos, or two files to compare")
	}
	return plan(ctx, env, target, o)
}

// plan writes the plan in the format that was asked for.
func plan(ctx context.Context, env *command.Env, list func() (*record.Sorter, error), o options) error {
	var held *diff.WithheldError // the rest of the plan is whole all the same
	join := func(in *record.Reader, emit diff.Emit) error {
		target, err := list()
		if target != nil {
			defer target.Close()
		}
		if err != nil {
			return err
		}
		if o.reverse {
			err = diff.Reverse(ctx, in, target, emit, o.Same)
		} else {
			err = diff.Plan(ctx, in, target, emit, o.Options)
		}
		if errors.As(err, &held) {
			err = nil
		}
		return errors.Join(err, in.LeftOut())
	}
	if o.format == "combined" {
		o.ShowGone, o.MaxChange = true, nil
		out := bufio.NewWriter(env.ExactSink())
		err := env.Consume(func(in *record.Reader) error { return join(in, diff.Combined(out)) })
		return errors.Join(err, withheld(held), out.Flush())
	}
	err := env.Filter(func(in *record.Reader, out *record.Writer) error {
		o.Stored, o.Foreign = out.Stored, out.Spare
		if o.changes {
			o.Same = out.LeaveOut
		}
		err := join(in, func(r *record.Record) error {
			if r.Mount && r.Error == nil && o.mounted != nil {
				o.mounted(r)
			}
			return out.Write(r)
		})
		if held != nil {
			out.Withhold(held.Deletions)
		}
		return err
	})
	return errors.Join(err, withheld(held))
}

// withheld gives the code for deletions that a brake held back. An input that is
// not clean has a code of its own.
func withheld(held *diff.WithheldError) error {
	if held == nil {
		return nil
	}
	if brake := (*diff.BrakeError)(nil); errors.As(held, &brake) {
		return command.Exit(command.ExitLimit, held)
	}
	return command.Exit(command.ExitPartial, held)
}
