// Package jget fetches from the service what a listing or a plan says.
//
// Usage:
//
//	jls REMOTE | jget -C DIR
//	jdiff --dest REMOTE --reverse < tree.ndjson | jget -C DIR
//	jget -C DIR REMOTE…
//	jget -o FILE REMOTE
//
// Each record leaves when it has been dealt with, with what became of it. A file
// appears under its name when it is whole, checked against its MD5.
package jget

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/jfs"
	"jottatools/lib/list"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Jget fetches the files and folders that jls lists, or those that differ
according to jdiff --reverse, and puts them into DIR. With arguments, it fetches
them as if jls had listed them. If a record has a revision number, jget fetches
that revision.

Jget fetches a large file over up to three connections, if --jobs allows it.

Jget writes each file to a temporary file beside it, whose name begins with
.jget-. It checks the MD5, sets the modification time, and only then gives the
file its name. After a broken connection, or kill -9, the next run resumes the
file. If you never repeat the run, you can delete the leftover file; jwalk
ignores it. When jget exits, the files it fetched are on disk, not only in
memory.

When it reads a listing, jget treats a local file with the size and time of the
stored file as the same. If only the time differs, it reads the file to find
out. (jdiff --reverse compares MD5s.) If the local file is newer than the stored
one, jget leaves it alone, with the status "skipped" and the reason "newer", and
exits 6; with --overwrite it replaces the file. If a folder or a symbolic link
is in the place of a file, or the reverse, the entry fails. Jget never deletes
anything.

The service keeps no permissions, no fractions of seconds, no folder times and
no symbolic links. With --metadata, jget takes these from a stream that you
saved with "jwalk DIR | jhash > FILE". It restores symbolic links, the
permissions and times of folders, and those of files whose MD5 is the same.

Jget writes nothing outside DIR, whatever names the service has and whatever
symbolic links are in DIR: it does not follow links.

With -o, jget fetches one file into FILE, or with - to standard output.

With --dry-run, jget fetches nothing and looks neither at the service nor at
DIR. Records that it would carry out get the status "skipped".`

const example = `  jls /Jotta/Archive/photos | jget -C ~/photos
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos --reverse |
      jget -C ~/photos
  jls --at 2026-01-31T12:00 /Jotta/Archive/photos | jget -C ~/photos-then
  jls /Jotta/Archive/nas | jget -C /srv --metadata nas.ndjson.zst
  jget -C ~/music /Jotta/Archive/music/bach /Jotta/Archive/music/pärt
  jget -o - /Jotta/Archive/db.sql | psql db`

type options struct {
	transfer.DownloadOptions
	dir, output, metadata string
	tps                   float64
	timeout               time.Duration
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jget", "fetch what a listing or a plan says, in parallel")
	cmd.Online = true
	cmd.Args, cmd.Long, cmd.Example = "[REMOTE…]", long, example
	var o options
	f := cmd.Flags()
	f.StringVarP(&o.dir, "directory", "C", ".", "write everything into `DIR`")
	f.StringVarP(&o.output, "output", "o", "", "fetch one file into `FILE`, or with - to standard output")
	f.StringVar(&o.metadata, "metadata", "", "restore modes, exact times and symbolic links from `FILE`, a saved stream")
	f.BoolVar(&o.Overwrite, "overwrite", false, "replace local files that are newer than the stored ones")
	command.JobsVar(f, &o.Jobs, 6, "fetch over at most `N` connections at once")
	command.ParseVar(f, &o.Bandwidth, transfer.ParseBandwidth, "bwlimit", "fetch at most `RATE` bytes a second: 512k, or a timetable")
	command.TPSVar(f, &o.tps)
	command.TimeoutVar(f, &o.timeout)
	f.BoolVarP(&o.DryRun, "dry-run", "n", false, "fetch nothing; mark records that jget would carry out as skipped")
	cmd.CompleteArgs(connect.RemotePaths)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

func run(ctx context.Context, env *command.Env, o options) error {
	switch {
	case o.output != "" && len(env.Args) != 1:
		return command.Usagef("-o takes one file; give one REMOTE")
	case o.output == "-" && (o.DryRun || o.metadata != ""):
		return command.Usagef("-o - writes content and nothing else; leave --dry-run and --metadata out")
	}
	tops, err := list.Tops(env.Args)
	if err != nil {
		return command.Usagef("%v", err)
	}
	if fi, err := os.Stat(o.dir); err == nil && !fi.IsDir() {
		return command.Usagef("-C %s: it is not a folder", o.dir)
	}
	var cut error // of the metadata
	if o.metadata != "" {
		sorted, whole, err := saved(env, o.metadata)
		if err != nil {
			return err
		}
		cut = whole
		defer sorted.Close()
		o.Metadata = sorted.Sorted
	}
	var client *jfs.Client
	if !o.DryRun || len(tops) > 0 {
		if client, err = connect.Within(env, o.tps, o.timeout); err != nil {
			return err
		}
	}
	progress := env.Progress()
	o.Warn = func(message string) { env.Errorf("%s", message) }
	if o.output == "-" {
		return transfer.NewReceiver(client, o.Jobs, o.Bandwidth).Fetch(ctx, tops[0].Remote, env.Stdout, func(int64) {})
	}
	wait := func() error { return nil }
	if len(tops) > 0 {
		env.Stdin, wait = list.Stream(func(emit list.Emit) error { return o.named(ctx, client, tops, emit) })
	}
	if o.output != "" {
		o.dir = filepath.Dir(o.output)
	}
	o.Expect, o.Progress, o.NoMore = progress.Expect, progress.Add, progress.ExpectNoMore
	var kept *transfer.KeptError
	err = env.Filter(func(in *record.Reader, out *record.Writer) error {
		err := transfer.Download(ctx, in, out, client, o.dir, o.DownloadOptions)
		if errors.As(err, &kept) {
			err = nil
		}
		if o.Metadata != nil { // that of entries whose content is the same may differ
			err = errors.Join(err, in.LeftOut())
		}
		return errors.Join(err, wait())
	})
	if kept != nil {
		err = errors.Join(err, command.Exit(command.ExitLimit, kept))
	}
	return errors.Join(err, cut)
}

// named lists what the arguments name.
func (o *options) named(ctx context.Context, client *jfs.Client, tops []list.Top, emit list.Emit) error {
	if o.output == "" {
		return list.All(ctx, client, tops, list.Options{Warn: o.Warn}, emit)
	}
	rec, err := list.File(ctx, client, tops[0].Remote, filepath.Base(o.output))
	if err != nil {
		return err
	}
	return emit(rec)
}

// saved reads a saved stream into tree order. If the stream is not whole, the records
// that are there are used, and cut says why the rest is missing. A file without any
// record is an error.
func saved(env *command.Env, name string) (sorted *record.Sorter, cut, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, command.Usagef("--metadata: %v", err)
	}
	defer f.Close()
	in := env.Reader(f)
	records := 0
	sorted, err = record.Sort(in, func(*record.Record) bool { records++; return true })
	whole := errors.Join(in.Whole(), in.LeftOut())
	switch {
	case err != nil || whole == nil:
		return sorted, nil, err
	case records == 0:
		return nil, nil, fmt.Errorf("--metadata %s: %w; nothing is fetched without a stream that jwalk has written", name, whole)
	}
	return sorted, fmt.Errorf("--metadata %s: %w; it was used as far as it goes", name, whole), nil
}
