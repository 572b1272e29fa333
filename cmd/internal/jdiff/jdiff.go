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
	cmd := command.New("jdiff", "plan which entries to upload, make, touch and delete")
	cmd.Online = true
	cmd.Serial, cmd.Garbage = true, 100
	cmd.Args = "[A.ndjson B.ndjson]"
	cmd.Long = `Jdiff joins the records of a local tree with the listing of a remote folder and
gives each record an action and a reason. It changes nothing. Its output is a
plan that you can pipe into jput, inspect, or save and carry out later.

With two files, jdiff plans how to make B like A, without contacting any
service; - is standard input.

With --reverse, jdiff plans in the other direction: it says which files to fetch
so that the local tree becomes like the stored one, for jget. Entries that only
the local side has stay as they are, with the action none and the reason gone.
If you give two files, the second is then a listing as jls writes it.

With --changes, jdiff leaves out entries that are the same on both sides, and
only counts them in the end record. If little has changed in a tree, the next
programs have little to read. Jput, jrm, jget and jreport accept such a stream.
Programs that have to see every entry treat it as not whole.

With --prune, jdiff proposes to delete entries that are gone from the source.
These deletions come last. Jdiff proposes them only if it read the source whole
and without errors, the source has at least one file, and no more files than
--max-delete are gone. Folders do not count.

Files that have changed come after new and unchanged ones. Jdiff proposes to
overwrite them only if there are no more than --max-change. The service keeps
five revisions, so if damaged files were stored night after night, the good
revisions would be lost. If either limit is exceeded, the held entries stay in
the plan with the action none and the reason held, and jdiff exits 6.

With --state, jdiff knows the earlier runs of the job. This has three effects. A
share in percent also applies to the number of files stored when all was last
well, so files that a wrong source has added do not count. Jdiff leaves folders
alone in which other jobs store. Jdiff does not store a file that has the size
and time of the stored copy but a different MD5, because the disk seems to have
damaged it. It does store such a file if it was written since, or if
--accept-changed names it.

With --track-renames as well, jdiff looks for each new file among those that are
gone. If one has the same size and MD5, jdiff proposes to move it on the service.
The file keeps its older revisions and its public link, and nothing is sent. New
files then come after the other records. A moved file is not deleted, and does
not count for --max-delete.`
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
	f.BoolVar(&o.reverse, "reverse", false, "plan which files to fetch so that the local tree becomes like the remote folder")
	f.BoolVar(&o.Prune, "prune", false, "propose to delete entries that are gone from the source")
	f.BoolVar(&o.PruneIgnored, "prune-ignored", false, "with --prune: treat ignored entries as gone")
	f.BoolVar(&o.TrackRenames, "track-renames", false, "with --prune: move a file that is gone if a new file has the same MD5 and size")
	f.StringVar(&o.maxDelete, "max-delete", o.MaxDelete.String(), "with --prune: propose no deletions at all if more than `N|P%` files are gone")
	f.StringVar(&o.maxChange, "max-change", "50%", "with --dest: overwrite no files at all if more than `N|P%` have changed (if not given, up to 100 files are always allowed)")
	f.StringVar(&o.state, "state", "", "read the history of the job from `FILE`, which jjob writes")
	command.PatternsVar(f, &o.accept, "accept-changed", "with --state: store files that match `PATTERN` even if the disk seems to have damaged them")
	f.BoolVar(&o.changes, "changes", false, "leave out entries that are the same on both sides; the end record counts them")
	f.StringVar(&o.format, "format", "ndjson", "write `FORMAT`: ndjson, or combined: one symbol (= + - * !) and path per line")
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
