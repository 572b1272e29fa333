// Package jput uploads what a plan says.
//
// Usage:
//
//	jdiff --dest REMOTE < tree.ndjson | jput [-j N] [--bwlimit RATE] [--tpslimit N] [-n]
//	pg_dump db | jput --to REMOTE [--md5 HEX --size N] -
//	jput --mkdir REMOTE…
//
// Each record of the plan leaves when it has been dealt with, with what became
// of it. Deletions pass through, after everything before them is done.
package jput

import (
	"context"
	"errors"
	"os"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Carries out the records with the action put, touch, mkdir or move, and passes all
others on unchanged. Deletions are left to jrm: "jdiff --prune | jput | jrm".

Content that the service has already, from whomever, is not sent; such a file
leaves with the status "deduplicated". An upload that was cut off goes on where
the service has it, also in a later run. The service's MD5 of each file is
checked. Modification and creation times are kept, to the second.

A file that is not the one that was hashed any more is skipped with the reason
"changing"; the next run takes it. An entry that fails leaves with the status
"failed" and an error, and jput goes on. It stops trying at once when the account
is full or locked (exit 7) or lets nobody in (exit 4), and after several failures
in a row for trouble of the service or the line (exit 75); then the rest leaves
as failed, too.

The plan is read up to 1,000 records ahead, so that the folders of new files are
made in time: up to two beside the --jobs files, unless --jobs is 1.

With --bwlimit, all uploads together send no more than RATE bytes a second:
512k, 1.5M, off, or a timetable such as "08:00,512k 23:00,off".

With --dry-run nothing is sent, nor the service asked. What would be done leaves
with the status "skipped".

With --to REMOTE and -, standard input is not a plan but the content of one file.
The service wants its MD5 first, so it is kept on disk until it has ended, in a
file without a name. If both --md5 and --size are given it is sent as it comes; a
stream that turns out to be another one is not stored, and jput exits 3. When the
connection breaks, it goes on where the service has the stream; if that is further
back than the 16 MiB that are kept in memory, jput exits 75, and the same command
run again takes up what the service has. A stream that its writer breaks off looks
like one that ends, and is stored: "set -o pipefail" makes the shell say so, --size
keeps it out.

With --mkdir, no plan is read: the folders REMOTE are made, and those above them. It
is no error if they are there.

A plan is obeyed like a script: it may say to upload any file. With --beneath DIR, a
record about a local entry that is not beneath DIR fails as "forbidden"; symbolic
links lead nowhere else.

A new entry has the name that the plan says, in these letters, also if the trash has
that name in other letter case. If that fails, the entry fails, and its remote path is
that which it has. A file that is replaced keeps its spelling.

The account is that of jlogin; JOTTA_PROFILE chooses one of several, and
JOTTA_ENDPOINT names another server. Content goes to that, or to the hosts of the
service, and to no other that an answer names, unless JOTTA_UPLOAD_HOSTS has it
(with commas in between).`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jput --bwlimit "08:00,512k 23:00,off" < plan.ndjson | tee done.ndjson
  set -o pipefail; pg_dump db | jput --to /Jotta/Archive/db.sql -
  jput --mkdir /Jotta/Archive/nas/photos
  jput -n < plan.ndjson | jq -r 'select(.status == "skipped") |
      .action + " " + .path'`

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jput", "upload what a plan says, in parallel, or a stream")
	cmd.Online = true
	cmd.Long, cmd.Example, cmd.Args = long, example, "[--to REMOTE - | --mkdir REMOTE…]"
	var o options
	f := cmd.Flags()
	command.JobsVar(f, &o.Jobs, 6, "upload at most `N` files at once")
	command.ParseVar(f, &o.Bandwidth, transfer.ParseBandwidth, "bwlimit", "send at most `RATE` bytes a second: 512k, or a timetable")
	command.TPSVar(f, &o.tps)
	command.TimeoutVar(f, &o.timeout)
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "send nothing; mark what would be done as skipped")
	f.StringVar(&o.to, "to", "", "store standard input as the file `REMOTE`")
	f.BoolVar(&o.mkdir, "mkdir", false, "make the folders REMOTE, and those above them")
	f.StringVar(&o.Beneath, "beneath", "", "upload nothing that is not beneath the local folder `DIR`")
	f.StringVar(&o.stream.MD5, "md5", "", "with --to: the stream has this MD5, in `HEX`")
	f.Int64Var(&o.stream.Size, "size", record.SizeUnknown, "with --to: the stream has `N` bytes")
	f.Lookup("size").DefValue = "0" // so that the help shows no default
	f.StringVar(&o.stream.SpoolDir, "spool-dir", "", "with --to: keep the stream in `DIR` (default: $TMPDIR)")
	command.SizeVar(f, &o.stream.SpoolLimit, "spool-limit", "with --to: keep no more than `SIZE` of it (0: no limit)")
	cmd.CompleteFlag("to", connect.RemotePaths)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

type options struct {
	transfer.UploadOptions
	to      string
	mkdir   bool
	made    []jfs.Path // by --mkdir
	tps     float64
	timeout time.Duration
	stream  transfer.StreamOptions
}

// check refuses what makes no sense, and reads what has to be read.
func (o *options) check(args []string) (err error) {
	stream := len(args) == 1 && args[0] == "-"
	switch {
	case o.mkdir:
		return o.checkMkdir(args)
	case o.to != "" && o.Beneath != "":
		return command.Usagef("--beneath is for plans; leave it out")
	case o.to == "" && stream:
		return command.Usagef("say with --to REMOTE what - is to be stored as")
	case len(args) > 0 && !stream:
		return command.Usagef("jput reads a plan from standard input, not files; write: jwalk %s | jhash | jdiff --dest REMOTE | jput", args[0])
	case o.to != "" && !stream:
		return command.Usagef("--to is for a stream; write: jput --to %s -", o.to)
	case o.to == "" && (o.stream.MD5 != "" || o.stream.Size != record.SizeUnknown || o.stream.SpoolDir != "" || o.stream.SpoolLimit != 0):
		return command.Usagef("--md5, --size and --spool… are for a stream; write: jput --to REMOTE -")
	case o.stream.Size < record.SizeUnknown:
		return command.Usagef("--size must not be negative")
	}
	if fi, err := os.Stat(o.Beneath); o.Beneath != "" && (err != nil || !fi.IsDir()) {
		return command.Usagef("--beneath %s: it is not a folder", o.Beneath)
	}
	if o.to == "" {
		return nil
	}
	if o.stream.MD5, err = record.ParseMD5(o.stream.MD5); err != nil {
		return command.Usagef("--md5 %v", err)
	}
	if o.stream.Remote, err = jfs.ParsePath(o.to); err != nil {
		return command.Usagef("--to: %v", err)
	}
	if o.stream.Remote.Depth() < 3 {
		return command.Usagef("--to: %s is a mount point; name a file in it", o.stream.Remote)
	}
	if _, err := os.Stat(o.stream.SpoolDir); o.stream.SpoolDir != "" && err != nil {
		return command.Usagef("--spool-dir: %v", err)
	}
	return nil
}

// checkMkdir reads the paths of the folders.
func (o *options) checkMkdir(args []string) error {
	switch {
	case o.to != "" || o.Beneath != "":
		return command.Usagef("--mkdir uploads nothing; leave --to and --beneath out")
	case len(args) == 0:
		return command.Usagef("--mkdir needs the folders to make, such as /Jotta/Archive/nas")
	}
	for _, arg := range args {
		p, err := jfs.ParsePath(arg)
		if err != nil {
			return command.Usagef("%v", err)
		}
		o.made = append(o.made, p)
	}
	return nil
}

func run(ctx context.Context, env *command.Env, o options) error {
	if err := o.check(env.Args); err != nil {
		return err
	}
	var client *jfs.Client
	var service transfer.Uploader // stays nil for a dry run
	if !o.DryRun {
		var err error
		if client, err = connect.Within(env, o.tps, o.timeout); err != nil {
			return err
		}
		service = client
	}
	progress := env.Progress()
	o.Expect, o.Progress, o.NoMore = progress.Expect, progress.Add, progress.ExpectNoMore
	if o.mkdir {
		return env.Source(func(out *record.Writer) error {
			return transfer.MakeFolders(ctx, o.made, out, service, o.UploadOptions)
		})
	}
	if o.to != "" {
		o.stream.Bandwidth, o.stream.DryRun, o.stream.Expect, o.stream.Progress = o.Bandwidth, o.DryRun, o.Expect, o.Progress
		return env.Source(func(out *record.Writer) error {
			switch err := transfer.PutStream(ctx, env.Stdin, out, client, o.stream); err {
			case transfer.ErrOtherStream: // its record has said why
				return command.Exit(command.ExitInput, errors.New(""))
			case transfer.ErrTooLong:
				return command.Exit(command.ExitLimit, errors.New(""))
			case transfer.ErrNoSpool:
				return command.Exit(command.ExitTemporary, errors.New(""))
			default:
				return err
			}
		})
	}
	var held *transfer.WithheldError
	err := env.Filter(func(in *record.Reader, out *record.Writer) error {
		err := transfer.Upload(ctx, in, out, service, o.UploadOptions)
		if only, ok := err.(*transfer.WithheldError); ok {
			held = only
			out.Withhold(held.Deletions)
			return nil
		}
		return err
	})
	if held != nil {
		err = errors.Join(err, command.Exit(command.ExitLimit, held))
	}
	return err
}
