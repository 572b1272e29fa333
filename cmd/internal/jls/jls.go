// Package jls lists what the service holds as records, in tree order.
//
// Usage:
//
//	jls [--depth N] [--trash] [--state STATES] [--revisions] [--at TIME] REMOTE…
//	jls --devices | --trash | --latest N
//
// It is the remote twin of jwalk: what it writes can be piped into jget, compared
// with jdiff, or saved.
package jls

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/list"
	"jottatools/lib/record"
)

const long = `Jls lists a remote folder with everything in it: one record per entry, in tree
order, with the MD5 of each file. It fetches the listing in one request and
sorts it, on disk if it is large, so its memory use does not grow with the
listing. On a terminal it prints a table.

Paths are relative to REMOTE. With several REMOTEs, each path begins with the
name of its folder. If REMOTE is a file, jls lists only that file.

By default, jls lists only complete files, and nothing from the trash. With
--trash it lists the trash instead: entries beneath REMOTE, or without REMOTE
the top of each deleted tree. With --state it lists files in other states:
incomplete, corrupt, or all. With these flags and with --depth, records also
have the revision and the upload time, which the fast listing lacks.

With --revisions, jls writes a record for each revision of a file that the
service keeps: at most five, newest first. With --at, it writes a record for
each file that existed at TIME, in the version of that time, even if the file
has been deleted since. "jls --at … | jget" restores the tree as it was. If the
service no longer keeps the revision of that time, the record of the file has an
error, and jls exits 1. The service does not remember the old place of an entry
that was moved, nor folders that were empty.

TIME is like 2026-01-31T12:00 or 2026-01-31, in local time, or RFC 3339.

Other clients can make names that the toolkit cannot express. The record of such
an entry has an error, because its path does not lead to the entry.`

const example = `  jls /Jotta/Archive/photos
  jls /Jotta/Archive/photos > photos.ndjson
  jls /Jotta/Archive/photos | jget -C ~/photos
  jls --at 2026-01-31T12:00 /Jotta/Archive/photos | jget -C ~/photos-then
  jls --trash /Jotta/Archive/photos | jget -C ~/deleted
  jls --format md5sum /Jotta/Archive/photos | (cd ~/photos && md5sum -c)
  jls --depth 1 /Jotta/Archive | jq -r .path`

type options struct {
	list.Options
	jobs, latest       int
	revisions, devices bool
	state, at, format  string
	timeout            time.Duration
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jls", "list what the service holds as records")
	cmd.Online = true
	cmd.Args, cmd.Long, cmd.Example = "[REMOTE…]", long, example
	cmd.Garbage = 50 // a tenth faster than with half of that, for 2 MB
	var o options
	var one bool
	f := cmd.Flags()
	f.IntVar(&o.Depth, "depth", 0, "list at most `N` levels, with one request per folder (0: all levels, in one request)")
	f.BoolVarP(&one, "one", "1", false, "list only the folder itself, like --depth 1")
	f.BoolVar(&o.Trash, "trash", false, "list the trash")
	f.StringVar(&o.state, "state", "", "list files in these `STATES`: completed, incomplete, corrupt, or all")
	f.BoolVar(&o.revisions, "revisions", false, "list each revision of each file")
	f.StringVar(&o.at, "at", "", "list the tree as it was at `TIME`")
	f.IntVar(&o.latest, "latest", 0, "list the `N` newest files of the account")
	f.BoolVar(&o.devices, "devices", false, "list devices and their mount points")
	f.StringVar(&o.format, "format", "ndjson", "write `FORMAT`: ndjson, "+list.Formats)
	command.JobsVar(f, &o.jobs, 6, "with --revisions and --at, ask for at most `N` files at once")
	command.TimeoutVar(f, &o.timeout)
	cmd.CompleteArgs(connect.RemotePaths)
	cmd.CompleteValues("format", "ndjson", "lsjson", "md5sum", "bsd", "nul")
	cmd.CompleteValues("state", "completed", "incomplete", "corrupt", "all")
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		if one {
			o.Depth = 1
		}
		return run(ctx, env, o)
	})
}

func run(ctx context.Context, env *command.Env, o options) error {
	at, err := o.check(env.Args)
	if err != nil {
		return command.Usagef("%v", err)
	}
	tops, err := list.Tops(env.Args)
	if err != nil {
		return command.Usagef("%v", err)
	}
	o.Warn = func(message string) { env.Errorf("%s", message) }
	var print list.Emit
	end := func() error { return nil }
	if o.format != "ndjson" {
		if print, end, err = list.Format(o.format, bufio.NewWriter(env.ExactSink())); err != nil {
			return command.Usagef("--format: %v", err)
		}
		env.Stdout = io.Discard // its records are only counted
	}
	client, err := connect.Within(env, 0, o.timeout)
	if err != nil {
		return err
	}
	err = env.Source(func(out *record.Writer) error {
		if len(tops) > 1 {
			var names []string
			for _, top := range tops {
				names = append(names, top.Prefix)
			}
			out.Scope(names)
		}
		emit := out.Write
		if print != nil {
			emit = func(r *record.Record) error { return errors.Join(print(r), out.Write(r)) }
		}
		switch {
		case o.devices:
			return list.Devices(ctx, client, emit)
		case o.latest > 0:
			return list.Latest(ctx, client, o.latest, emit)
		case len(tops) == 0:
			return list.Trashed(ctx, client, emit)
		case o.revisions:
			return list.Revisions(ctx, client, tops, o.Options, o.jobs, emit)
		case !at.IsZero():
			return list.At(ctx, client, tops, at, o.jobs, emit)
		}
		return list.All(ctx, client, tops, o.Options, emit)
	})
	return errors.Join(err, end())
}

// check judges what does not go together, and reads the values of flags.
func (o *options) check(args []string) (at time.Time, err error) {
	views := 0
	for _, on := range []bool{o.devices, o.latest != 0, o.revisions, o.at != ""} {
		if on {
			views++
		}
	}
	switch {
	case views > 1:
		return at, errors.New("give one of --devices, --latest, --revisions and --at")
	case (o.devices || o.latest != 0) && (o.Trash || o.state != "" || o.Depth != 0 || len(args) > 0):
		return at, errors.New("--devices and --latest are about the whole account; leave REMOTE and the other flags out")
	case o.at != "" && (o.Trash || o.state != "" || o.Depth != 0):
		return at, errors.New("--at lists what was there at that time; leave --trash, --state and --depth out")
	case o.latest < 0 || o.Depth < 0:
		return at, errors.New("--latest and --depth must not be negative")
	case len(args) == 0 && !o.devices && o.latest == 0 && (!o.Trash || o.Depth != 0 || o.revisions || o.state != ""):
		return at, errors.New("which folder? give REMOTE, such as /Jotta/Archive, or --devices, --trash or --latest N")
	}
	if o.state != "" {
		if o.States, err = list.ParseStates(o.state); err != nil {
			return at, err
		}
	}
	if o.at != "" {
		at, err = list.ParseAt(o.at, time.Local)
	}
	return at, err
}
