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

const long = `Jput carries out the records with the action put, touch, mkdir or move, and
passes all others on unchanged. It leaves deletions to jrm:
"jdiff --prune | jput | jrm".

If the service already has a file with the same MD5 and size, from any user,
jput does not send it; the record gets the status "deduplicated". An upload that
was cut off resumes where the service has it, also in a later run. Jput checks
the MD5 that the service reports for each file. Modification and creation times
are kept, to the second.

A file that has changed since it was hashed is skipped with the reason
"changing"; the next run takes it. An entry that fails gets the status "failed"
and an error, and jput goes on. It stops at once if the account is full or locked
(exit 7) or if the login is refused (exit 4), and after several network or
server failures in a row (exit 75). The remaining records then fail as well.

Jput reads the plan up to 1,000 records ahead, so that it can make the folders of
new files in time. It makes up to two folders at once beside the --jobs files,
unless --jobs is 1.

With --bwlimit, all uploads together send no more than RATE bytes a second:
512k, 1.5M, off, or a timetable such as "08:00,512k 23:00,off".

With --dry-run, jput sends nothing and does not contact the service. Records
that it would carry out get the status "skipped".

With --to REMOTE and -, standard input is not a plan but the data of one file.
The service needs the MD5 before the data, so jput first keeps the whole stream
on disk, in a file without a name. If you give both --md5 and --size, jput sends
the data as it arrives. If the stream then does not match them, jput does not
store it and exits 3. After a broken connection, jput resumes where the service
left off, using the last 16 MiB of the stream, which it keeps in memory. If the
service is further behind, jput exits 75; run the same command again, and it
sends only the missing part. If the
writer of the stream breaks off, the stream looks finished and is stored. With
"set -o pipefail" the shell reports this; with --size such a stream is not
stored.

With --mkdir, jput reads no plan. It makes the folders REMOTE and the folders
above them. A folder that exists is not an error.

Jput obeys a plan as a shell obeys a script: a plan can upload any file. With
--beneath DIR, a record fails as "forbidden" if its local entry is not beneath
DIR, even if a symbolic link leads out of DIR.

A new entry gets its name exactly as the plan spells it, even if the trash has
the same name in another letter case. If that is not possible, the entry fails,
and its remote path is the one that the service gave it. A file that is replaced
keeps its spelling.

Jput uses the account of jlogin. JOTTA_PROFILE chooses one of several, and
JOTTA_ENDPOINT names another server. Jput sends file data only to that server,
or to the hosts of the service. If an answer names another host, jput refuses
it, unless the comma-separated list in JOTTA_UPLOAD_HOSTS has that host.`

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
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "send nothing; mark records that jput would carry out as skipped")
	f.StringVar(&o.to, "to", "", "store standard input as the file `REMOTE`")
	f.BoolVar(&o.mkdir, "mkdir", false, "make the folders REMOTE, and those above them")
	f.StringVar(&o.Beneath, "beneath", "", "upload only files beneath the local folder `DIR`")
	f.StringVar(&o.stream.MD5, "md5", "", "with --to: the MD5 of the stream is `HEX`")
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
