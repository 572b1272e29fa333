package jjob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/job/session"
	"jottatools/lib/report"
)

const restoreLong = `Jottarestore makes the folder DIR what is stored in the remote folder REMOTE, such as
/Jotta/Archive/photos. Without REMOTE it is where "jottasync DIR" stores,
/Jotta/Archive/HOST/PATH-OF-DIR. If DIR does not exist, it is made. It is the pipe

  jwalk DIR | jhash | jdiff --reverse --dest REMOTE | jget -C DIR | jreport

with a lock, a hash cache and a report. Only what differs is fetched. Nothing is deleted,
and a local file that is newer than the stored one stays as it is (exit code 6), unless
--overwrite says otherwise.`

const restoreExample = `  jottarestore /Jotta/Archive/photos ~/photos
  jottarestore --at 2026-01-31T12:00 /Jotta/Archive/photos ~/photos-of-january
  jottarestore -n /Jotta/Archive/photos ~/photos`

// restoreOptions are those of jottarestore.
type restoreOptions struct {
	common
	notices
	at  string
	get []string
}

func restoreMain(script string, args []string) int {
	cmd := command.New("jottarestore", "bring a tree back from Jottacloud with one command")
	cmd.SetArgs(args)
	cmd.Online, cmd.Serial = true, true
	cmd.Args = "[REMOTE] DIR"
	cmd.Long, cmd.Example = restoreLong, restoreExample
	cmd.Environment, cmd.Files = jobEnvironment, syncFiles[:3]
	o := &restoreOptions{common: common{script: script}}
	f := cmd.Flags()
	f.BoolVar(&o.local, "local", false, "from the jserve of \"jottasync --local\"")
	f.StringVar(&o.profile, "profile", "", "use the login that jlogin keeps under `NAME`")
	f.StringVar(&o.at, "at", "", "as it was at `TIME`, such as 2026-01-31T12:00")
	command.PassVar(f, "metadata", "", "permissions, exact times and symbolic links come from `FILE`, which \"jwalk DIR | jhash\" has written", &o.get)
	command.PassBoolVar(f, "overwrite", "", "", "replace local files that are newer, too", &o.get)
	o.limits(cmd, "fetch")
	o.outputs(cmd)
	o.notices.declare(cmd)
	cmd.CompleteArgs(connect.RemotePaths)
	cmd.CompleteFlag("profile", connect.Profiles)
	return cmd.Main(func(ctx context.Context, env *command.Env) error {
		if err := o.prepare(env); err != nil {
			return err
		}
		return o.dispatch(ctx, env)
	})
}

// dispatch looks at the arguments.
func (o *restoreOptions) dispatch(ctx context.Context, env *command.Env) error {
	remote, dir := "", ""
	switch len(env.Args) {
	case 1:
		dir = env.Args[0]
	case 2:
		if remote, dir = env.Args[0], env.Args[1]; remote == "" {
			return command.Usagef("REMOTE is empty; is a variable not set?")
		}
	default:
		return command.Usagef("give DIR, the folder to bring back, and before it perhaps REMOTE, where from")
	}
	if dir == "" {
		return command.Usagef("DIR is empty; is a variable not set?")
	}
	_, err := os.Stat(dir)
	missing := errors.Is(err, os.ErrNotExist)
	if remote == "" && missing && looksRemote(dir) {
		return command.Usagef("there is no %s on this machine; if it is REMOTE, give DIR after it, the folder to bring it back to", dir)
	}
	if !missing {
		if err := enterable(dir); err != nil {
			return command.Usagef("%v", err)
		}
	}
	id, err := identify(kindRestore, o.local, dir, remote)
	if err != nil {
		return err
	}
	return o.restore(ctx, env, id)
}

// looksRemote reports whether a path that is not on this machine begins as remote ones do.
func looksRemote(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	top, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	if top == "" {
		return false
	}
	_, err := os.Stat("/" + top)
	return top == "Jotta" || err != nil
}

// restore runs the job.
func (o *restoreOptions) restore(ctx context.Context, env *command.Env, id identity) error {
	r := &restoreRun{restoreOptions: o, run: o.newRun(env, id, "restore")}
	return r.do(ctx, &o.common, &o.notices, func() error { return nil }, r.work)
}

// restoreRun is a run of jottarestore.
type restoreRun struct {
	*restoreOptions
	run
}

// work brings the tree back.
func (r *restoreRun) work(ctx context.Context) (code int, err error) {
	if err := r.serve(ctx, r.env, r.s, "fetching from"); err != nil {
		return 0, err
	}
	if !r.dryRun {
		if err := report.Begun(r.final, r.started); err != nil {
			return 0, err
		}
	}
	var folders opened
	defer folders.close()
	for {
		stages := 0
		if code, stages, err = r.round(ctx); err != nil {
			return 0, err
		}
		if stages == 1 { // only jls has run, and found nothing to restore
			if !r.dryRun {
				os.Remove(report.Unfinished(r.final))
			}
			return code, nil
		}
		if code != command.ExitPartial || r.dryRun || ctx.Err() != nil || !folders.more(r.id.source, r.s.File("report.json")) {
			break
		}
		r.env.Infof("folders that their owner could not list are open to the owner now; going on")
	}
	code = r.keepReport(r.env, r.s, r.final, code)
	if r.dryRun {
		return code, nil
	}
	if code == command.ExitOK { // jget makes no folder for a tree with nothing in it
		session.Mask(r.mask)
		err := os.MkdirAll(r.id.source, 0o777)
		session.Mask(private)
		if err != nil {
			r.env.Errorf("%v", err)
			code = command.ExitPartial
		}
	}
	return code, os.Remove(report.Unfinished(r.final))
}

// round runs the pipe once, and returns how many stages it had.
func (r *restoreRun) round(ctx context.Context) (code, stages int, err error) {
	plan, err := r.plan()
	if err != nil {
		return 0, 0, err
	}
	ended, err := r.s.Pipe(r.script, plan)
	if err != nil {
		r.env.Errorf("%v; is the disk full?", err)
	}
	return judge(r.env, ended, err, ctx.Err() != nil, false), len(ended), nil
}

// plan says to the script what its pipe is made of.
func (r *restoreRun) plan() (session.Plan, error) {
	tree := r.id.source
	if !isDir(tree) {
		tree = filepath.Join(r.s.Dir, "none")
		if err := os.MkdirAll(tree, 0o700); err != nil {
			return nil, err
		}
	}
	list := func(more ...string) []string { return slices.Concat(r.talk, more) }
	sum := list("--restore", "--source", string(r.id.dest), "--dest", r.id.source, "--started", r.started.Format(time.RFC3339Nano))
	if r.local {
		sum = append(sum, "--local")
	}
	middle, get := "cat", []string(nil)
	if r.dryRun {
		sum = append(sum, "--dry-run")
	} else {
		sum = append(sum, "--file", r.s.File("report.json"), "--previous", r.final)
		middle = "jget"
		get = slices.Concat(list("-C", r.id.source), r.get, r.transfer)
	}
	diff := list("--reverse")
	var p session.Plan
	if r.at == "" {
		diff = append(diff, "--dest", string(r.id.dest))
		p.SetList("list", nil)
	} else {
		listing := r.s.File("listing")
		diff = append(diff, "-", listing)
		p.SetList("list", list("--at", r.at, "--", string(r.id.dest)))
		p.Set("listing", listing)
	}
	p.Set("mask", fmt.Sprintf("%04o", r.mask))
	p.SetList("walk", list("--", tree))
	p.SetList("hash", list("--cache", r.folders.HashCache(r.id.key)))
	p.SetList("diff", diff)
	p.Set("middle", middle)
	p.SetList("get", get)
	p.SetList("sum", sum)
	p.Set("line", r.s.File("line"))
	return p, nil
}
