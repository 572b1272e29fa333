// Package jverify reads back what is stored and compares it with what is on disk.
//
// Usage:
//
//	jdiff --dest REMOTE < tree.ndjson | jverify [--slice N/OF] [-j N] [--bwlimit RATE]
//
// Each record leaves when it has been dealt with. Nothing is stored or changed on
// either side.
package jverify

import (
	"context"
	"errors"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/record"
	"jottatools/lib/transfer"
)

const long = `Jverify downloads the files that jdiff found to be the same on both sides, and
compares them byte for byte with those on disk. If a file is identical, its
record gets the status "verified". If not, it gets an error: of class
"collision" if the service has a different file of the same MD5 and size in its
place, otherwise of class "corrupt". Jverify keeps no data and changes nothing.

With --slice 3/30, jverify checks only the third of thirty parts of the tree.
The path of a file alone decides which part it is in. After thirty runs, each
with the next slice, every file has been checked.

If jdiff found an entry to differ, for example because it has changed since the
last backup, its record passes through unchanged. If a file changes during the
comparison, its record gets the status "skipped" and the reason "changing".`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jverify
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos |
      jverify --slice $(date +%d)/31`

type options struct {
	transfer.VerifyOptions
	slice   string
	tps     float64
	timeout time.Duration
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jverify", "read back what is stored, and compare it with what is on disk")
	cmd.Online = true
	cmd.Long, cmd.Example = long, example
	var o options
	f := cmd.Flags()
	f.StringVar(&o.slice, "slice", "1/1", "read back slice `N/OF` only")
	command.JobsVar(f, &o.Jobs, 6, "read back at most `N` files at once")
	command.ParseVar(f, &o.Bandwidth, transfer.ParseBandwidth, "bwlimit", "fetch at most `RATE` bytes a second: 512k, or a timetable")
	command.TPSVar(f, &o.tps)
	command.TimeoutVar(f, &o.timeout)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

func run(ctx context.Context, env *command.Env, o options) (err error) {
	switch {
	case len(env.Args) > 0:
		return command.Usagef("jverify reads a plan from standard input; write: jwalk %s | jhash | jdiff --dest REMOTE | jverify", env.Args[0])
	}
	if o.Slice, err = record.ParseSlice(o.slice); err != nil {
		return command.Usagef("--slice: %v", err)
	}
	client, err := connect.Within(env, o.tps, o.timeout)
	if err != nil {
		return err
	}
	progress := env.Progress()
	o.Expect, o.Progress, o.NoMore = progress.Expect, progress.Add, progress.ExpectNoMore
	return env.Filter(func(in *record.Reader, out *record.Writer) error {
		err := transfer.Verify(ctx, in, out, client, o.VerifyOptions)
		return errors.Join(err, in.LeftOut())
	})
}
