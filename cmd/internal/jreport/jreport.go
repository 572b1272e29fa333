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

const long = `Jreport stands at the end of a pipe. It counts what was stored and what was not,
and keeps a JSON report that also says when the tree was last stored whole.

On a terminal it prints a summary; elsewhere only what went wrong, on standard
error. With -v it names each entry that something was done about.

"jreport status REPORT…" prints reports, those of --source and --dest if these are
given, and exits 1 unless all are well: the last run stored everything, no brake
acted, no proof failed, and the job has not missed its turn. It has if nothing ran
for three times as long as usual, once four runs have shown what is usual; with
--max-age, also if the tree was not stored whole for that long.

A file that --proof found not to be stored as it is on disk stays in the report
until the very file has been proven, was stored anew, or is gone. "jreport again
REPORT" prints the paths of all such files, each followed by a NUL, for the next
run to hash them afresh; it exits 1 if there are more than it can name, so that
everything has to be hashed. That run says so with --again-done.

"jreport slice REPORT" prints the slice, such as 3/31, that was read back longest
ago, or never.

What is left out although the service has it, such as a file that is a symbolic
link now, is named once, on standard error, and stays in the report.

A problem that lies in the entry itself, above all in its name, can be declared
known: --known FILE has a path or a pattern on each line, as in a .gitignore.
Such an entry does not make the run fail; status still lists it. Damage, missing
permissions and trouble with the service are never known.`

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
	f.StringVar(&o.previous, "previous", "", "the report of the run before is `FILE` (default: that of --file)")
	f.StringVar(&o.source, "source", "", "the `DIR` that the report is about")
	f.StringVar(&o.dest, "dest", "", "the `REMOTE` folder that the report is about")
	f.StringVar(&o.started, "started", "", "when the run began, an RFC 3339 `TIME` (default now)")
	f.StringVar(&o.proof, "proof", "", "the records are not of a backup but compare `WHAT` is stored: all of it by MD5, or slice N/OF as jverify did")
	f.BoolVar(&o.againDone, "again-done", false, "the files that jreport again names were hashed afresh in this run, or all if it exits 1")
	f.StringVar(&o.known, "known", "", "the problems of what the patterns in `FILE` match are known")
	f.StringVar(&o.outOfTime, "out-of-time", "", "if `FILE` exists, the run was stopped by --max-duration")
	f.StringVar(&o.trouble, "trouble", "", "read no records; note in the report that a run could not begin, since `TEXT`; one that is not there is made if --source is given")
	f.BoolVar(&o.local, "local", false, "the service is a jserve of this machine's own, started for the run")
	f.BoolVar(&o.restore, "restore", false, "the run goes from the service to the disk")
	f.BoolVarP(&o.dryRun, "dry-run", "n", false, "the records are a plan: print it, and keep no report")
	f.BoolVar(&o.json, "json", false, "print reports as JSON")
	f.DurationVar(&o.maxAge, "max-age", 0, "status exits 1 if the tree was not stored whole for `TIME`, such as 36h")
	f.IntVar(&o.of, "of", 31, "slice cuts the tree into `N` slices, unless it is cut already")
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
