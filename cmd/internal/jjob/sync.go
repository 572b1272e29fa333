package jjob

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
)

const syncLong = `Jottasync stores the folder SRC in the remote folder DEST, such as
/Jotta/Archive/photos, or else /Jotta/Archive/HOST/PATH-OF-SRC. It is the pipe

  jwalk SRC | jhash --cache … | jdiff --dest DEST | jput | jrm | jreport

with a lock, a hash cache, a memory and a report for each job, that is, for each pair of
SRC and DEST in an account. A job is the path that was given, wherever a symbolic link in
it leads. Jottasync is made for cron: it says nothing when all is well, and a second run
of a job that is still running ends at once, with code 8.

Nothing that is stored is ever deleted, unless --prune says so. Files that another job
has stored beneath DEST are neither deleted nor changed.

"jottasync status" says when a tree was last stored whole, where, what was not stored, what
a brake holds back, and when the tree was last proven with --verify. It exits with 1 unless
all is well, and also if a job has not run for three times as long as usual.

"jottasync history" prints a line for each of the last runs of a job.

"jottasync schedule" has the job run at set times, with the options that are given: by a
timer of systemd, or by cron where systemd does not run. "jottasync unschedule" ends that, and
status shows it.

"jottasync forget" removes the report, the memory and the hash cache of a job, and its mark
at the service. It is for a job whose DEST was mistyped; what is stored stays.`

const syncExample = `  jottasync ~/photos /Jotta/Archive/photos
  jottasync --prune --exclude '*.tmp' /srv/photos /Jotta/Archive/nas/photos
  jottasync schedule --daily 03:17 --prune /srv/photos /Jotta/Archive/nas/photos
  jottasync status
  jottasync --verify=auto /srv/photos /Jotta/Archive/nas/photos`

// syncFiles are for the man page.
var syncFiles = [][2]string{
	{"$XDG_STATE_HOME/jottatools/jobs/", "locks, reports, and what jobs remember (default: beneath ~/.local/state). A report is JSON: complete, last_complete (when the last complete run ended), counts, proof (when the tree was last proven, and what was not), and not_stored, a list of paths with a reason, or a class and a message"},
	{"$XDG_CACHE_HOME/jottatools/", "hash caches (default: beneath ~/.cache)"},
	{"$XDG_DATA_HOME/jottatools/local/", "the store of --local (default: beneath ~/.local/share)"},
	{".jottatools/jobs/ in the mount point of DEST", "the marks of the jobs that store in it"},
}

var jobEnvironment = [][2]string{
	{"JOTTA_HOST", "the name of this machine, where its host name does not last, as in a container"},
	{"JOTTA_BIN", "the folder with the programs, if it is not the one of the checkout"},
}

// syncOptions are those of jottasync.
type syncOptions struct {
	common
	notices
	times

	prune                          bool
	adopt                          bool
	unmounted                      []string
	verify, known                  string
	maxDuration, staleLock, maxAge string
	metrics                        string
	json                           bool

	walk, hash, diff, sum []string

	limit time.Duration // 0: none
	slice string        // what --verify reads back; "" all of it by MD5
	of    int           // with --verify=auto: into how many slices the tree is cut
}

func syncMain(script string, args []string) int {
	cmd := command.New("jottasync", "back up a tree to Jottacloud with one command")
	cmd.SetArgs(args)
	cmd.Online, cmd.Serial = true, true
	cmd.Args = "SRC [DEST]\n--verify SRC [DEST]\nstatus [SRC [DEST]]\nhistory SRC [DEST]\nschedule --daily TIME SRC [DEST]\nunschedule SRC [DEST]\nforget SRC [DEST]"
	cmd.Verbs = []string{"status", "history", "schedule", "unschedule", "forget", "help"}
	cmd.Long, cmd.Example = syncLong, syncExample
	cmd.Environment, cmd.Files = jobEnvironment, syncFiles
	o := &syncOptions{common: common{script: script}}
	o.declare(cmd)
	cmd.CompleteArgs(connect.RemotePaths)
	cmd.CompleteFlag("profile", connect.Profiles)
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		if len(env.Args) > 0 && env.Args[0] == "help" {
			return cmd.Help()
		}
		if err := o.prepare(env); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return err
		}
		return o.dispatch(ctx, env)
	})
}

// declare declares the flags.
func (o *syncOptions) declare(cmd *command.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.local, "local", false, "store on this machine, in a jserve of its own")
	f.StringVar(&o.profile, "profile", "", "use the login that jlogin keeps under `NAME`")
	f.BoolVar(&o.prune, "prune", false, "delete what is gone from SRC, to the trash")
	command.PassBoolVar(f, "prune-ignored", "", "", "files that a rule about names leaves out count as gone", &o.diff)
	command.PassBoolVar(f, "track-renames", "", "", "with --prune: move what was renamed on the service, too, with its revisions and its link, instead of sending it again", &o.diff)
	command.PassVar(f, "max-delete", "", "delete nothing at all if it were more than `N|P%` of the files, or of what was stored when all was last well; it holds however often the job runs (default 50%)", &o.diff)
	command.PassVar(f, "max-change", "", "overwrite nothing at all if it were more than `N|P%` of the files (default 50%, if that is more than 100 files)", &o.diff)
	f.BoolVar(&o.adopt, "adopt", false, "what is stored in DEST is this job's from now on; others that store there, too, are no more")
	command.PassVar(f, "accept-changed", "", "store files that match `PATTERN` although the disk seems to have damaged them: their content has changed, and their size and time have not", &o.hash, &o.diff)
	f.StringArrayVar(&o.unmounted, "accept-unmounted", nil, "nothing is to be mounted at `PATH` in SRC any more")

	cmd.Heading("What to store")
	command.PassVar(f, "exclude", "", "leave out what matches `PATTERN`, in the syntax of .gitignore", &o.walk)
	command.PassVar(f, "include", "", "but not what matches `PATTERN`; the last of both that matches decides", &o.walk)
	command.PassVar(f, "exclude-regex", "", "leave out paths that match `RE`", &o.walk)
	command.PassVar(f, "exclude-from", "", "leave out what the patterns in `FILE` match", &o.walk)
	command.PassBoolVar(f, "exclude-caches", "", "", "leave out folders tagged as caches", &o.walk)
	command.PassVar(f, "exclude-if-present", "", "leave out folders that have a file called `NAME`", &o.walk)
	command.PassVar(f, "files-from", "", "only the files named in `FILE`, one a line, with all beneath them; nothing else is deleted either", &o.walk)
	command.PassBoolVar(f, "one-file-system", "x", "", "stay on the file system of SRC", &o.walk)
	command.PassVar(f, "max-size", "", "leave out files larger than `SIZE`", &o.walk)
	command.PassVar(f, "min-age", "", "leave out files that changed less than `DURATION` ago", &o.walk)
	command.PassBoolVar(f, "hidden", "", "", "store names that begin with a dot, too; --hidden=false leaves them out", &o.walk)
	command.PassBoolVar(f, "follow", "", "", "follow symbolic links", &o.walk)
	f.StringVar(&o.known, "known", "", "say nothing of the problems with names that match the patterns in `FILE`; status still lists them")

	cmd.Heading("How")
	o.limits(cmd, "send")
	command.PassBoolVar(f, "checksum", "", "--fresh", "hash every file afresh, whatever the cache says", &o.hash)
	command.PassBoolVar(f, "ignore-ctime", "", "", "a file is the same though its ctime has changed", &o.hash)
	command.PassBoolVar(f, "ignore-inode", "", "", "a file is the same though its inode number has changed", &o.hash)
	f.StringVar(&o.maxDuration, "max-duration", "", "end after `TIME`, such as 5h30m, with code 0; the next run goes on")
	command.OptionalVar(f, &o.verify, "verify", verifyAll, "store nothing; hash all of SRC afresh and compare it with the digests that the service has. With `[=SLICE/OF]`, read that slice of what is stored back, and compare it byte for byte: after OF runs, each with the next slice, all has been read. With =auto or =auto/OF, take the slice proven longest ago (of 31)")
	f.StringVar(&o.staleLock, "stale-lock", "", "report a lock that is held for `TIME` (default 24h)")

	cmd.Heading("What it says")
	o.outputs(cmd)
	o.notices.declare(cmd)
	o.times.declare(cmd)

	cmd.Heading("For status and history")
	f.StringVar(&o.maxAge, "max-age", "", "it is not well if the tree was last stored whole longer than `TIME` ago, such as 36h")
	f.BoolVar(&o.json, "json", false, "print JSON, one line for each report or run")
	f.StringVar(&o.metrics, "metrics", "", "print nothing, and write `FILE` for the node exporter of Prometheus")
}

// verifyAll is --verify without a value.
const verifyAll = "true"

// sliced is a value of --verify.
var sliced = regexp.MustCompile(`^(auto|[0-9]{1,6})/([1-9][0-9]{0,5})$`)

// check looks at flags whose values are not for the programs of the pipe.
func (o *syncOptions) check() (err error) {
	if o.maxDuration != "" {
		if o.limit, err = parseSpan("--max-duration", o.maxDuration); err != nil {
			return err
		}
	}
	if o.staleLock != "" {
		if o.stale, err = parseSpan("--stale-lock", o.staleLock); err != nil {
			return err
		}
	}
	if o.known != "" {
		o.sum = append(o.sum, "--known="+o.known)
		os.Setenv("JOTTA_KNOWN", o.known)
	}
	if o.prune {
		o.diff = append(o.diff, "--prune")
	}
	switch {
	case o.verify == "":
		return nil
	case o.prune || o.dryRun:
		return command.Usagef("--verify stores and deletes nothing; leave --prune and --dry-run out")
	case o.verify == verifyAll:
		return nil
	case o.verify == "auto":
		o.of = 31
		return nil
	}
	parts := sliced.FindStringSubmatch(o.verify)
	if parts == nil {
		return command.Usagef("--verify takes a slice, such as auto, auto/31 or 11/31, not %s", o.verify)
	}
	if parts[1] == "auto" {
		fmt.Sscan(parts[2], &o.of)
	} else {
		o.slice = o.verify
	}
	return nil
}

// dispatch does what the arguments say.
func (o *syncOptions) dispatch(ctx context.Context, env *command.Env) error {
	verb := ""
	if len(env.Args) > 0 {
		verb = env.Args[0]
	}
	switch {
	case verb == "status":
		return o.status(ctx, env, env.Args[1:])
	case o.maxAge != "":
		return command.Usagef("--max-age goes with status")
	case o.metrics != "":
		return command.Usagef("--metrics goes with status")
	case verb == "history":
		return o.history(env, env.Args[1:])
	case verb == "schedule":
		return o.schedule(ctx, env, env.Args[1:])
	case verb == "unschedule":
		return o.unschedule(ctx, env, env.Args[1:])
	case verb == "forget":
		return o.forget(ctx, env, env.Args[1:])
	case o.json:
		return command.Usagef("--json goes with status and history")
	}
	switch n := len(env.Args); {
	case n < 1 || n > 2:
		return command.Usagef("give SRC, the folder to back up, and perhaps DEST, where to")
	case env.Args[0] == "":
		return command.Usagef("SRC is empty; is a variable not set?")
	case n == 2 && env.Args[1] == "":
		return command.Usagef("DEST is empty; is a variable not set?")
	}
	id, err := identify(kindSync, o.local, env.Args[0], strings.Join(env.Args[1:], ""))
	if err != nil {
		return err
	}
	return o.sync(ctx, env, id)
}
