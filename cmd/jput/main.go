// Jput uploads what a plan says.
//
// Usage:
//
//	jdiff --dest REMOTE < tree.ndjson | jput [-j N] [--bwlimit RATE] [--tpslimit N] [-n]
//
// Each record of the plan leaves when it has been dealt with, with what became
// of it. Deletions pass through, after everything before them is done.
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

With --bwlimit, all uploads together send no more than RATE bytes a second:
512k, 1.5M, off, or a timetable such as "08:00,512k 23:00,off".

With --dry-run nothing is sent, nor the service asked. What would be done leaves
with the status "skipped".

Credentials come from JOTTACLOUD_USERNAME and JOTTACLOUD_PASSWORD, else from the
entry for jottacloud.com in ~/.netrc. JOTTA_ENDPOINT names another server.`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jput --bwlimit "08:00,512k 23:00,off" < plan.ndjson | tee done.ndjson
  jput -n < plan.ndjson | jq -r 'select(.status == "skipped") | .action + " " + .path'`

func main() {
	cmd := command.New("jput", "upload what a plan says, in parallel")
	cmd.Long, cmd.Example = long, example
	jobs := cmd.Flags().IntP("jobs", "j", 6, "upload at most `N` files at once")
	bwlimit := cmd.Flags().String("bwlimit", "", "send at most `RATE` bytes a second: 512k, or a timetable")
	tps := cmd.Flags().Float64("tpslimit", 0, "send at most `N` requests a second (0: no limit)")
	dry := cmd.Flags().BoolP("dry-run", "n", false, "send nothing; mark what would be done as skipped")
	os.Exit(cmd.Main(func(ctx context.Context, env *command.Env) error {
		return run(ctx, env, transfer.UploadOptions{Jobs: *jobs, DryRun: *dry}, *bwlimit, *tps)
	}))
}

func run(ctx context.Context, env *command.Env, o transfer.UploadOptions, bwlimit string, tps float64) error {
	switch {
	case len(env.Args) > 0:
		return command.Usagef("jput reads a plan from standard input, not files; write: jwalk %s | jhash | jdiff --dest REMOTE | jput", env.Args[0])
	case o.Jobs < 1:
		return command.Usagef("--jobs must be at least 1, not %d", o.Jobs)
	case tps < 0:
		return command.Usagef("--tpslimit must not be negative")
	}
	if bwlimit != "" {
		var err error
		if o.Bandwidth, err = transfer.ParseBandwidth(bwlimit); err != nil {
			return command.Usagef("--bwlimit: %v", err)
		}
	}
	var service transfer.Uploader
	if !o.DryRun {
		client, err := connect.Client(env, tps)
		if err != nil {
			return err
		}
		service = client
	}
	progress := env.Progress()
	o.Expect, o.Progress, o.NoMore = progress.Expect, progress.Add, progress.ExpectNoMore
	var held *transfer.WithheldError
	err := env.Filter(func(in *record.Reader, out *record.Writer) error {
		err := transfer.Upload(ctx, in, out, service, o)
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
