// Package jreport sums up the records of a run.
//
// Usage:
//
//	jwalk DIR | jhash | jdiff --dest REMOTE | jput | jreport --file REPORT
//	jreport status REPORT…
//	jreport again REPORT
//	jreport slice REPORT
//
// It stands at the end of a pipe, counts what was stored and what was not, and
// keeps a small JSON report. It says nothing when all is well, unless a person
// is looking.
package jreport

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"jottatools/lib/command"
)

const long = `Jreport stands at the end of a pipe. It counts the entries that were stored and
those that were not, and keeps a JSON report that also says when the tree was
last stored whole.

On a terminal it prints a summary; elsewhere it prints only problems, on
standard error. With -v it names each entry that the run acted on.

"jreport status REPORT…" prints reports. With --source and --dest it prints only
the reports about these. It exits 1 unless all is well: the last run stored
everything, no brake acted, no verification failed, and the job is not overdue.
A job is overdue if it has not run for three times its usual interval; after
four runs, jreport knows the interval. With --max-age, a job is also overdue if
the tree was not stored whole for that long.

If --proof finds that the stored copy of a file differs from the one on disk, the
file stays in the report until it passes a later check, is stored anew, or is
gone. "jreport again REPORT" prints the paths of all such files, each followed by
a NUL byte, so that the next run can hash them again. It exits 1 if there are
more files than it can name; then hash everything. Report such a run with
--again-done.

"jreport slice REPORT" prints the slice to verify next, such as 3/31: one that
was never verified, or the one verified longest ago.

Jreport names each entry that was left out although the service has it, such as
a file that is now a symbolic link. It does so once, on standard error, and keeps
the entry in the report.

You can declare problems known if they lie in the entry itself, above all in its
name: --known FILE has a path or a pattern on each line, as in a .gitignore. Such
an entry does not make the run fail, but status still lists it. Damage, missing
permissions and trouble with the service never count as known.`

const example = `  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos | jput |
      jreport --file photos.json
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos |
      jreport --dry-run
  jreport status --max-age 36h photos.json
  jwalk ~/photos | jhash | jdiff --dest /Jotta/Archive/photos |
      jverify --slice "$(jreport slice photos.json)" |
      jreport --file photos.json --proof "$(jreport slice photos.json)"
  jreport --trouble "the disk is not mounted" --file photos.json`

type options struct {
	file, previous, source, dest, started, proof string
	known, trouble, outOfTime                    string
	maxAge                                       time.Duration
	of                                           int
	dryRun, json, restore, local                 bool
	againDone, troubled                          bool
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jreport", "sum up a run: what was stored, what was not, and why")
	cmd.Serial = true
	cmd.Args = "[status REPORT… | again REPORT | slice REPORT]"
	cmd.Verbs = []string{"status", "again", "slice"}
	cmd.Long, cmd.Example = long, example
	var o options
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "keep the report in `FILE`")
	f.StringVar(&o.previous, "previous", "", "read the report of the previous run from `FILE` (default: that of --file)")
	f.StringVar(&o.source, "source", "", "the report is about the local folder `DIR`")
	f.StringVar(&o.dest, "dest", "", "the report is about the remote folder `REMOTE`")
	f.StringVar(&o.started, "started", "", "the run began at `TIME`, in RFC 3339 (default now)")
	f.StringVar(&o.proof, "proof", "", "the records are of a verification, not of a backup; it covered `WHAT`: all (by MD5), or slice N/OF (by jverify)")
	f.BoolVar(&o.againDone, "again-done", false, "this run hashed the files that jreport again names, or all files if it exited 1")
	f.StringVar(&o.known, "known", "", "treat problems of entries that match a pattern in `FILE` as known")
	f.StringVar(&o.outOfTime, "out-of-time", "", "if `FILE` exists, report that --max-duration stopped the run")
	f.StringVar(&o.trouble, "trouble", "", "read no records; note in the report that a run could not begin, because of `TEXT`; with --source, make the report if it does not exist")
	f.BoolVar(&o.local, "local", false, "the service is a jserve of this machine's own, started for the run")
	f.BoolVar(&o.restore, "restore", false, "the run was a restore, from the service to the disk")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "the records are a plan: print it, and keep no report")
	f.BoolVar(&o.json, "json", false, "print reports as JSON")
	f.DurationVar(&o.maxAge, "max-age", 0, "with status: exit 1 if the tree was not stored whole for `TIME`, such as 36h")
	f.IntVar(&o.of, "of", 31, "with slice: divide the tree into `N` slices, unless it is divided already")
	// The report matters more than who reads along.
	signal.Ignore(syscall.SIGPIPE)
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		o.troubled = f.Changed("trouble")
		return dispatch(env, o)
	})
}

func dispatch(env *command.Env, o options) error {
	switch {
	case o.troubled && len(env.Args) == 0:
		return trouble(o)
	case len(env.Args) == 0 && o.proof != "":
		return prove(env, o)
	case len(env.Args) == 0:
		return run(env, o)
	case env.Args[0] == "status" && len(env.Args) > 1:
		return status(env, o)
	case env.Args[0] == "again" && len(env.Args) == 2:
		return again(env, env.Args[1])
	case env.Args[0] == "slice" && len(env.Args) == 2:
		return slice(env, env.Args[1], o.of)
	}
	return command.Usagef("give status and the reports to print, again or slice and one report, or no arguments to read records")
}
