package jjob

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jottatools/lib/command"
	"jottatools/lib/job"
	"jottatools/lib/report"
	"jottatools/lib/schedule"
)

// times are when a job is to run.
type times struct {
	daily, weekly, hourly schedule.When
	given                 *[]string // the flags of the job, as they were given
}

// fileFlags are the flags whose values are paths.
var fileFlags = []string{"exclude-from", "files-from", "known", "report", "log-file"}

func (t *times) declare(cmd *command.Command) {
	f := cmd.Flags()
	t.given = command.Record(f, fileFlags...)
	cmd.Heading("When, for schedule")
	command.ParseVar(f, &t.daily, schedule.Daily, "daily", "run every day at `TIME`, such as 03:17")
	command.ParseVar(f, &t.weekly, schedule.Weekly, "weekly", "run every week at `DAY TIME`, such as \"Sun 03:17\"")
	command.ParseVar(f, &t.hourly, schedule.Hourly, "hourly", "run every hour at `MINUTE`")
}

// when returns the one that was given.
func (t *times) when() (schedule.When, error) {
	var given []schedule.When
	for _, w := range []schedule.When{t.daily, t.weekly, t.hourly} {
		if w != (schedule.When{}) {
			given = append(given, w)
		}
	}
	if len(given) != 1 {
		return schedule.When{}, command.Usagef("say when: --daily 03:17, --weekly \"Sun 03:17\" or --hourly 17")
	}
	return given[0], nil
}

// kept are the variables of the environment that a job needs when it is run by others.
var kept = []string{
	"JOTTA_PROFILE", "JOTTA_ENDPOINT", "JOTTA_HOST", "JOTTA_BIN", "JOTTA_UPLOAD_HOSTS",
	"XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME", "NETRC",
	"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// unit returns the name of what runs a job, or its proof.
func (o *syncOptions) unit(key string) string {
	if o.verify != "" {
		key += "-verify"
	}
	return "jottasync-" + key
}

// schedule has a job run at set times.
func (o *syncOptions) schedule(ctx context.Context, env *command.Env, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("schedule takes SRC, perhaps DEST, and when: --daily 03:17")
	}
	when, err := o.when()
	if err != nil {
		return err
	}
	if err := enterable(args[0]); err != nil {
		return command.Usagef("%v", err)
	}
	id, err := identify(kindSync, o.local, args[0], strings.Join(args[1:], ""))
	if err != nil {
		return err
	}
	if os.Getenv("JOTTACLOUD_PASSWORD") != "" && !o.local && o.profile == "" {
		return command.Usagef("the password in the environment cannot be scheduled, since others could read it; log in with jlogin, or write it into ~/.netrc")
	}
	all := schedule.Schedulers()
	if len(all) == 0 {
		return schedule.ErrNone
	}
	j := schedule.Job{Name: o.unit(id.key), Description: "back " + id.source + " up to " + string(id.dest)}
	if o.verify != "" {
		j.Description = "prove what is stored of " + id.source + " in " + string(id.dest)
	}
	j.Command = append(append([]string{o.script}, *o.given...), "--", id.source, string(id.dest))
	for _, name := range kept {
		if value := os.Getenv(name); value != "" && (name != "JOTTA_PROFILE" || o.profile == "") {
			j.Environment = append(j.Environment, name+"="+value)
		}
	}
	if j.Writable, err = o.writable(); err != nil {
		return err
	}
	hint, err := all[0].Add(ctx, j, when)
	if err != nil {
		return err
	}
	for _, other := range all[1:] { // or it would run twice
		if _, err := other.Remove(ctx, j.Name); err != nil {
			env.Errorf("%v", err)
		}
	}
	if !env.Quiet() {
		env.Printf("%s runs %v; jottasync unschedule %s ends that", id.source, when, args[0])
		if hint != "" {
			env.Printf("%s", hint)
		}
	}
	return nil
}

// writable returns the folders that a run writes to, which have to be there.
func (o *syncOptions) writable() ([]string, error) {
	dirs := []string{o.folders.State, o.folders.Cache}
	if o.local {
		dirs = append(dirs, o.folders.Data)
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	for _, file := range []string{o.report, o.logFile} {
		if file == "" {
			continue
		}
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs, nil
}

// unschedule ends that.
func (o *syncOptions) unschedule(ctx context.Context, env *command.Env, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("unschedule takes SRC, and perhaps DEST")
	}
	id, err := identify(kindSync, o.local, args[0], strings.Join(args[1:], ""))
	if err != nil {
		return err
	}
	removed := false
	for _, s := range schedule.Schedulers() {
		was, err := s.Remove(ctx, o.unit(id.key))
		if err != nil {
			return err
		}
		removed = removed || was
	}
	if !removed {
		return command.Exit(command.ExitPartial, fmt.Errorf("%s is not scheduled to %s; jottasync status says what is", id.source, id.dest))
	}
	return nil
}

// scheduled says in a line when the job of a report runs, or returns "".
func (o *syncOptions) scheduled(ctx context.Context, env *command.Env) func(report.Found) string {
	all := schedule.Schedulers()
	return func(f report.Found) string {
		var found []string
		for _, kind := range []string{"", "-verify"} {
			for _, s := range all {
				when, err := s.Find(ctx, "jottasync-"+job.KeyOf(f.Name)+kind)
				if err != nil {
					env.Debugf("%v", err)
				} else if when != "" {
					found = append(found, when)
				}
			}
		}
		if len(found) == 0 {
			return ""
		}
		return "  scheduled: " + strings.Join(found, "; ")
	}
}
