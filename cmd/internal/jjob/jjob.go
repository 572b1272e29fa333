// Package jjob does for a job what is needed around its pipe.
//
// Usage:
//
//	jjob sync SCRIPT [flags] SRC [DEST]
//	jjob restore SCRIPT [flags] [REMOTE] DIR
//	eval "$(jjob name SRC [DEST])"
//	jjob begin --state FILE SRC DEST && PIPE; jjob end --state FILE --report FILE
//
// It names the job, remembers between runs what the brakes have to know, and leaves a
// mark at the service so that jobs leave each other's files alone. The scripts jottasync
// and jottarestore are the pipes; for all else they call it.
package jjob

import (
	"context"
	"os"

	"jottatools/lib/command"
)

const long = `Jjob does the work that a job needs around its pipe. A job consists of a folder SRC,
the remote folder DEST that stores it, and the account.

"jjob sync SCRIPT …" is jottasync, and "jjob restore SCRIPT …" is jottarestore: these
scripts run jjob with their own path and their arguments. Jjob takes the lock of the
job, and runs the script again with the variable JOTTA_PIPE set. JOTTA_PIPE names a
file of shell variables that describe the parts of the pipe. The script reads it, runs
the pipe, and writes the names of its programs and then their exit codes to the file
"$codes". So your own script can have another pipe.

"jjob name SRC [DEST]" prints shell assignments: src and dest as absolute paths,
and job, a name for the files of the job. Jjob does not resolve symbolic links in
SRC: the path as given identifies a job, wherever it leads. Without DEST,
it is /Jotta/Archive/HOST/SRC.

"jjob begin SRC DEST" begins a run. It reads the marks of jobs in .jottatools/jobs
in the mount point of DEST, and leaves the mark of this job there. It writes the
data that the run needs to --state for jdiff --state, and to --mounts for
jwalk --mounts. From the --report of the last run, it takes the files that were
found to differ from their stored copies, and lists them in the --again file, for
jhash.

"jjob end" ends a run: it reads the result from the report of the run, and notes it
in --state and at the service.

"jjob forget" removes the mark of the job from the service.`

const example = `  eval "$(jjob name ~/photos /Jotta/Archive/photos)"
  jjob begin --state "$job.state" "$src" "$dest"
  jwalk "$src" | jhash | jdiff --dest "$dest" --prune --state "$job.state" |
      jput | jrm | jreport --file "$job.report"
  jjob end --state "$job.state" --report "$job.report"`

type options struct {
	kind, state, out, mounts, again, report string
	local, readOnly, adopt                  bool
	unmounted                               []string
}

// jobs are the scripts that jjob is called by.
var jobs = map[string]func(script string, args []string) int{"sync": syncMain, "restore": restoreMain}

// Main runs the program, and returns its exit code.
func Main() int {
	if len(os.Args) > 2 {
		if run := jobs[os.Args[1]]; run != nil {
			return run(os.Args[2], os.Args[3:])
		}
	}
	cmd := command.New("jjob", "name a job, and remember between its runs what the brakes need")
	cmd.Online = true
	cmd.Long, cmd.Example, cmd.Args = long, example, "name | begin | end | forget …\nsync | restore SCRIPT …"
	cmd.Verbs = []string{"sync", "restore", "name", "begin", "end", "forget"}
	cmd.Serial = true
	var o options
	f := cmd.Flags()
	f.StringVar(&o.state, "state", "", "keep the state of the job in `FILE`")
	f.StringVar(&o.out, "out", "", "with begin: write the state to `FILE` instead")
	f.StringVar(&o.mounts, "mounts", "", "with begin: write the folders that were mount points to `FILE`, for jwalk")
	f.StringVar(&o.again, "again", "", "with begin: write the files that differed from their stored copies to `FILE`, for jhash; if jjob writes no file, hash all")
	f.StringVar(&o.report, "report", "", "read the report from `FILE`: with begin that of the last run, with end that of this run")
	f.StringVar(&o.kind, "kind", "sync", "with name: the `KIND` of job: sync or restore")
	f.BoolVar(&o.local, "local", false, "with name: the service is a jserve of this machine's own")
	f.BoolVar(&o.readOnly, "read-only", false, "with begin: change nothing at the service")
	f.BoolVar(&o.adopt, "adopt", false, "with begin: from now on, everything in DEST belongs to this job; forget other jobs of the same DEST")
	f.StringArrayVar(&o.unmounted, "accept-unmounted", nil, "with begin: no longer expect a file system at the folder `PATH`")
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return dispatch(ctx, env, o) })
}

// verbs are what jjob does; how many arguments each takes stands beside it.
var verbs = map[string]struct {
	do          func(context.Context, *command.Env, options) error
	least, most int
}{
	"name":   {name, 1, 2},
	"begin":  {begin, 2, 2},
	"end":    {end, 0, 0},
	"forget": {forget, 0, 0},
}

func dispatch(ctx context.Context, env *command.Env, o options) error {
	if len(env.Args) == 0 {
		return command.Usagef("say what to do: sync, restore, name, begin, end or forget")
	}
	verb, known := verbs[env.Args[0]]
	if !known {
		return command.Usagef("jjob knows sync, restore, name, begin, end and forget, not %q", env.Args[0])
	}
	env.Args = env.Args[1:]
	if n := len(env.Args); n < verb.least || n > verb.most {
		return command.Usagef("that is not how it is used; see the help")
	}
	return verb.do(ctx, env, o)
}
