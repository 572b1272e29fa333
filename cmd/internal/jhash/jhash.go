// Package jhash adds the MD5 of each file to its record.
//
// Usage:
//
//	jwalk DIR | jhash [-j N] [--cache FILE [--fresh]] [--format md5sum] > tree.ndjson
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

--fresh reads every file all the same, and --again reads those whose paths stand
in FILE, each with a NUL byte after it. --ignore-ctime and --ignore-inode reuse a
digest though the one or the other is not what it was, as for all files after a
chmod -R or a new mount; the cache then learns the new ones. With --ignore-ctime,
jhash does not notice a program that writes to a file and puts its mtime back.

A file that is read is compared with the cache. If its size and mtime are what
they were, and its content is not, the ctime tells why: if it has changed,
somebody wrote to the file and put the mtime back, and the new content is taken.
If it is the same, nobody wrote to the file, and the disk has damaged it. Such a
file gets an error of the class "corrupt" and no MD5, so that nothing is stored in
the place of the good copy. So does one of which nobody can tell: on FAT and
exFAT, which keep no ctime, behind FUSE and on network file systems if the ctime
is just the mtime, and with --ignore-ctime if the ctime has changed. The cache
keeps the old digest, and the file is read and reported in every run until the
content is what it was, its size or mtime changes, or you accept it as it is:
--accept-changed takes a path relative to the root, or a pattern of paths, in
which ? and [a-z] are one character, * is any number of them within a name, and **
any number of folders. What matches a folder matches everything beneath it.
A record is marked "fresh" if its file was read, and the cache had no entry of the
same size and mtime to compare it with.

Two files may have the same MD5 and size and yet differ, if somebody made them so. The
service takes one for the other. So files of one MD5 and size are compared, and the
second of two that differ gets an error of the class "collision" and no MD5.

A file whose size is given as 0 though it has content, as in /proc, gets an error,
too: send what it holds with "jput --to".

With --check, jhash reads the files again and compares them with the MD5 in
their records. Each checked record leaves with the status "done", or "failed"
and an error: class "corrupt" if the content is another.`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput
  jwalk ~/photos | jhash --cache ~/.cache/jottatools/photos.zst > photos.ndjson
  jwalk . | jhash --cache FILE --fresh --accept-changed '**/*.hc' > tree.ndjson
  jhash --check < photos.ndjson | jq -r 'select(.status == "failed").path'
  jwalk ~/photos | jhash --format md5sum > photos.md5
  (cd ~/photos && md5sum -c) < photos.md5`

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
	again := f.String("again", "", "read the files whose paths are in `FILE`, each with a NUL byte after it, whatever the cache says")
	f.BoolVar(&o.IgnoreCTime, "ignore-ctime", false, "reuse a digest though the ctime has changed")
	f.BoolVar(&o.IgnoreInode, "ignore-inode", false, "reuse a digest though the inode number has changed")
	command.PatternsVar(f, &o.Accept, "accept-changed", "take files that match `PATTERN` as they are, though they seem to be damaged (repeatable)")
	format := f.String("format", "records", "write `FORMAT`: records, or md5sum lines")
	f.BoolVar(&o.Check, "check", false, "compare files with the MD5 their records have")
	cmd.CompleteValues("format", "records", "md5sum")
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o, *again, *format, f.Changed) })
}

func run(ctx context.Context, env *command.Env, opts digest.Options, again, format string, given func(flag string) bool) error {
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
