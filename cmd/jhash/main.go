// Jhash adds the MD5 of each file to its record.
//
// Usage:
//
//	jwalk DIR | jhash [-j N] [--cache FILE] [--format md5sum] > tree.ndjson
//	jhash --check < tree.ndjson
//
// Records leave in the order they came. A file that cannot be read keeps its
// record, with the reason in its error, and jhash exits 1 at the end.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"

	"jottatools/lib/command"
	"jottatools/lib/digest"
	"jottatools/lib/record"
)

const long = `Reads records, adds the MD5 of each file and writes them in the order they came.
Records that have an MD5, an error or a status, are ignored, or are no files
pass unchanged. So do those with an action other than put: "jdiff | jhash" reads
only what will be sent.

A file that changes while it is read is read again, and then skipped with the
reason "changing", as is one that has gone: the next run takes it. Neither is a
failure. A file that cannot be read gets an error.

With --cache FILE, digests are kept from run to run. A digest is reused only
while size, mtime, ctime and inode number of the file are what they were; then
the file is not opened. The new cache replaces the old one when the run is over,
and a run that is interrupted, or even killed, keeps what it hashed. Use one
cache for each tree. It is a stream of records: zstdcat FILE | jq.
With a cache, records must be in tree order; if they are not, jhash says so and
sorts them.

With --check, jhash reads the files again and compares them with the MD5 in
their records. Each checked record leaves with the status "done", or "failed"
and an error: class "corrupt" if the content is another.`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jwalk ~/photos | jhash --cache ~/.cache/jottatools/photos.zst > photos.ndjson
  jhash --check < photos.ndjson | jq -r 'select(.status == "failed").path'
  jwalk ~/photos | jhash --format md5sum > photos.md5
  (cd ~/photos && md5sum -c) < photos.md5`

func main() {
	cmd := command.New("jhash", "add the MD5 of each file to its record, keeping the order")
	cmd.Serial, cmd.Garbage = true, 100 // serial as long as the cache knows all
	cmd.Long, cmd.Example = long, example
	var o digest.Options
	f := cmd.Flags()
	command.JobsVar(f, &o.Jobs, 2*runtime.NumCPU(), "read at most `N` files at once")
	f.StringVar(&o.Cache, "cache", "", "keep digests in `FILE` from run to run")
	format := f.String("format", "records", "write `FORMAT`: records, or md5sum lines")
	f.BoolVar(&o.Check, "check", false, "compare files with the MD5 their records have")
	os.Exit(cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o, *format) }))
}

func run(ctx context.Context, env *command.Env, opts digest.Options, format string) error {
	switch {
	case len(env.Args) > 0:
		return command.Usagef("jhash reads records from standard input, not files; write: jwalk %s | jhash", env.Args[0])
	case format != "records" && format != "md5sum":
		return command.Usagef("--format must be records or md5sum, not %q", format)
	case opts.Check && opts.Cache != "":
		return command.Usagef("--check reads every file, so --cache has no place with it")
	case opts.Check && format != "records":
		return command.Usagef("--check writes records; leave --format out")
	}
	opts.Progress, opts.Begin = env.Progress().Add, env.UseProcessors
	opts.Warn, opts.Info = env.Errorf, env.Infof

	stdout := env.ExactSink()
	if format == "md5sum" {
		env.Stdout = io.Discard // its records are only counted
	}
	return env.Filter(func(in *record.Reader, out *record.Writer) error {
		if format == "records" {
			err := digest.Records(ctx, out, in, opts)
			if opts.Check {
				err = errors.Join(err, in.LeftOut())
			}
			return err
		}
		sums := digest.NewSums(stdout, out)
		sums.Skipped = func(r *record.Record) { env.Errorf("%s: changed while it was read, or is gone; left out", r.Path) }
		return errors.Join(digest.Records(ctx, sums, in, opts), in.LeftOut())
	})
}
