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

const long = `Jjob does for a job what is needed around its pipe. A job is a folder, SRC, the remote
folder DEST that it is stored in, and the account.

"jjob sync SCRIPT …" is jottasync, and "jjob restore SCRIPT …" is jottarestore: these
scripts call jjob so, with their own path and their arguments. Jjob takes the lock of the
job, and runs the script again with the variable JOTTA_PIPE. That names a file of shell
variables, which says what the pipe is to be made of. The script reads it, runs the pipe,
and writes the names of its programs and then their exit codes to the file "$codes". So a
script of your own can have another pipe.

"jjob name SRC [DEST]" prints, for the shell to evaluate, src and dest as absolute
paths, and job, a name for the job's files. Symbolic links in SRC stay: a job is the
path that was given, wherever it leads. Without DEST it is /Jotta/Archive/HOST/SRC.

"jjob begin SRC DEST" begins a run. It reads the marks of jobs in the mount point of
DEST, in .jottatools/jobs, leaves that of this job, and writes what the run has to know
to --state: jdiff takes that with --state, and jwalk the --mounts file. From the
--report of the last run it takes which files were found to be other than what is
stored, and lists them in the --again file, for jhash.

"jjob end" ends a run: it notes in --state, and at the service, what the report of the
run says.

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
	f.StringVar(&o.state, "state", "", "what the job knows is in `FILE`")
	f.StringVar(&o.out, "out", "", "with begin: write it to `FILE` instead")
	f.StringVar(&o.mounts, "mounts", "", "with begin: write to `FILE` for jwalk in which folders a file system was mounted")
	f.StringVar(&o.again, "again", "", "with begin: write to `FILE` for jhash which files the report found to be other than what is stored; if it is not written, all may be")
	f.StringVar(&o.report, "report", "", "the report of the last run is `FILE`, or with end that of this run")
	f.StringVar(&o.kind, "kind", "sync", "with name: the `KIND` of job: sync or restore")
	f.BoolVar(&o.local, "local", false, "with name: the service is a jserve of this machine's own")
	f.BoolVar(&o.readOnly, "read-only", false, "with begin: change nothing at the service")
	f.BoolVar(&o.adopt, "adopt", false, "with begin: what is in DEST is this job's from now on; other jobs of the same DEST are no more")
	f.StringArrayVar(&o.unmounted, "accept-unmounted", nil, "with begin: no file system is to be mounted in the folder `PATH` any more")
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
