// Package jhash adds the MD5 of each file to its record.
//
// Usage:
//
//	jwalk DIR | jhash [-j N] [--cache FILE [--fresh]] [--format md5sum|bsd] > tree.ndjson
//	jhash --check < tree.ndjson
//
// Records leave in the order they came. A file that cannot be read keeps its
// record, with the reason in its error, and jhash exits 1 at the end.
package jhash

import (
	"context"
	"errors"
	"io"

	"jottatools/lib/command"
	"jottatools/lib/digest"
	"jottatools/lib/record"
)

const long = `Jhash reads records, adds the MD5 of each file, and writes the records in the
order they came. These pass through unchanged: records with an MD5, an error or
a status, ignored entries, and anything that is not a file. Records with an
action other than put pass through too, so "jdiff | jhash" reads only the files
to be sent.

If a file changes while jhash reads it, jhash reads it again. If it keeps
changing, or is gone, jhash skips it with the reason "changing"; the next run
takes it. This is not a failure. A file that cannot be read gets an error.

With --cache FILE, jhash keeps digests from run to run. It reuses a digest only
if the size, mtime, ctime and inode number of the file are unchanged; then it
does not open the file. A new cache replaces the old one at the end of the run.
A run that is interrupted, or even killed, keeps the digests it has computed.
Use one cache per tree. The cache is a stream of records: zstdcat FILE | jq.
With a cache, records must be in tree order; if they are not, jhash says so and
sorts them.

--fresh reads every file, whatever the cache says. --again reads the files whose
paths are in FILE, each followed by a NUL byte. --ignore-ctime and --ignore-inode
reuse a digest even if the ctime or the inode number has changed, as for all
files after a chmod -R or a new mount; the cache then stores the new values.
With --ignore-ctime, jhash does not notice when a program writes to a file and
puts its mtime back.

Jhash compares each file that it reads with the cache. If size and mtime are
unchanged but the data differs, the ctime decides. If the ctime has changed, a
program wrote to the file and put the mtime back, and jhash takes the new
version. If the ctime is unchanged, no program wrote to the file, so the disk has
damaged it. Jhash then gives the file an error of class "corrupt" and no MD5, so
that it does not replace the good copy on the service. It does the same if the
ctime proves nothing: on FAT and exFAT, which have no ctime; on FUSE and network
file systems where the ctime merely equals the mtime; and with --ignore-ctime if
the ctime has changed. The cache keeps the old digest. Every run reads and
reports the file until its data is restored, its size or mtime changes, or you
accept it with --accept-changed. That flag takes a path relative to the root, or
a pattern: ? and [a-z] match one character, * matches any characters within a
name, and ** matches any number of folders. A pattern that matches a folder
matches everything beneath it. Jhash marks a record as "fresh" if it read the
file and the cache had no entry of the same size and mtime to compare with.

Somebody can make two different files with the same MD5 and size. The service
would confuse them. Jhash therefore compares files of the same MD5 and size. If
two differ, the second gets an error of class "collision" and no MD5.

Some files, as in /proc, have data but report a size of 0. They get an error,
too. Send their data with "jput --to".

With --check, jhash reads the files again and compares them with the MD5 in
their records. Each checked record gets the status "done", or "failed" and an
error, which is of class "corrupt" if the MD5 differs.

--format md5sum prints lines as GNU md5sum does, and --format bsd as BSD's md5 does:
MD5 (name) = …. The first escapes a backslash, CR or newline in a name as md5sum does:
"md5sum -c" finds such a file; rclone, busybox and rhash do not. The second escapes
only names with a newline: "cksum --check" and "md5sum -c" find all files, and rhash
all but those with a backslash. Rclone and busybox do not read it.`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jwalk ~/photos | jhash --cache ~/.cache/jottatools/photos.zst > photos.ndjson
  jwalk . | jhash --cache FILE --fresh --accept-changed '**/*.hc' > tree.ndjson
  jhash --check < photos.ndjson | jq -r 'select(.status == "failed").path'
  jwalk ~/photos | jhash --format md5sum > photos.md5
  (cd ~/photos && md5sum -c) < photos.md5
  jwalk ~/photos | jhash --format bsd | (cd ~/photos && cksum --check)`

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jhash", "add the MD5 of each file to its record, keeping the order")
	cmd.Serial, cmd.Garbage = true, 100 // serial as long as the cache knows all
	cmd.Long, cmd.Example = long, example
	var o digest.Options
	f := cmd.Flags()
	command.JobsPerProcessorVar(f, &o.Jobs, 2, "read at most `N` files at once")
	f.StringVar(&o.Cache, "cache", "", "keep digests in `FILE` from run to run")
	f.BoolVar(&o.Fresh, "fresh", false, "read every file, and compare it with the cache")
	again := f.String("again", "", "read the files whose paths are in `FILE`, each followed by a NUL byte, whatever the cache says")
	f.BoolVar(&o.IgnoreCTime, "ignore-ctime", false, "reuse a digest even if the ctime has changed")
	f.BoolVar(&o.IgnoreInode, "ignore-inode", false, "reuse a digest even if the inode number has changed")
	command.PatternsVar(f, &o.Accept, "accept-changed", "accept files that match `PATTERN` even if they seem to be damaged (repeatable)")
	format := f.String("format", "records", "write `FORMAT`: records, or lines of md5sum or bsd")
	f.BoolVar(&o.Check, "check", false, "compare files with the MD5 in their records")
	cmd.CompleteValues("format", "records", "md5sum", "bsd")
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o, *again, *format, f.Changed) })
}

func run(ctx context.Context, env *command.Env, opts digest.Options, again, format string, given func(flag string) bool) error {
	switch {
	case len(env.Args) > 0:
		return command.Usagef("jhash reads records from standard input, not files; write: jwalk %s | jhash", env.Args[0])
	case format != "records" && format != "md5sum" && format != "bsd":
		return command.Usagef("--format must be records, md5sum or bsd, not %q", format)
	case opts.Check && opts.Cache != "":
		return command.Usagef("--check reads every file, so --cache has no place with it")
	case opts.Check && format != "records":
		return command.Usagef("--check writes records; leave --format out")
	}
	for _, flag := range []string{"fresh", "again", "ignore-ctime", "ignore-inode", "accept-changed"} {
		if opts.Check && given(flag) {
			return command.Usagef("--check compares every file with its record, so --%s has no place with it", flag)
		}
	}
	if again != "" {
		paths, err := digest.ReadPaths(again)
		if err != nil {
			return command.Usagef("--again: %v", err)
		}
		opts.Again = paths
	}
	progress := env.Progress()
	progress.Prepares("hashing")
	opts.Reading, opts.Progress, opts.Begin = progress.Begin, progress.Add, env.UseProcessors
	opts.Warn, opts.Info = env.Errorf, env.Infof

	stdout := env.ExactSink()
	if format != "records" {
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
		if format == "bsd" {
			sums.Append = record.AppendTaggedSum
		}
		sums.Skipped = func(r *record.Record) { env.Errorf("%s: changed while it was read, or is gone; left out", r.Path) }
		return errors.Join(digest.Records(ctx, sums, in, opts), in.LeftOut())
	})
}
