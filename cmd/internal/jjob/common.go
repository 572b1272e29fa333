package jjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/job"
	"jottatools/lib/job/session"
)

// private makes files readable by their owner only.
const private = 0o077

// common is what jottasync and jottarestore have in common.
type common struct {
	script  string // what runs the pipe
	folders job.Folders
	mask    int // the permissions that people do not want on what they get

	local, dryRun               bool
	profile, report, reportMode string
	copyMode                    fs.FileMode // what reportMode says
	logFile                     string
	stale                       time.Duration // 0: a day

	talk     []string // for all programs
	transfer []string // for the one that sends or fetches
}

// limits declares how fast and how much at once.
func (c *common) limits(cmd *command.Command, verb string) {
	f := cmd.Flags()
	command.PassVar(f, "bwlimit", "", verb+" no faster than `RATE`, such as 512k or \"08:00,512k 23:00,off\"", &c.transfer)
	command.PassVar(f, "tpslimit", "", "make at most `N` requests a second", &c.transfer)
	command.PassVar(f, "jobs", "j", verb+" `N` files at once", &c.transfer)
}

func (c *common) outputs(cmd *command.Command) {
	f := cmd.Flags()
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "print what would be done, and do nothing")
	f.StringVar(&c.report, "report", "", "write a copy of the JSON report to `FILE`")
	f.StringVar(&c.reportMode, "report-mode", "0600", "the copy has the permissions `MODE`, such as 0640 for a group that watches")
	f.StringVar(&c.logFile, "log-file", "", "add messages to `FILE` instead of standard error")
}

// prepare makes the process ready: the account, the folders, where messages go.
func (c *common) prepare(env *command.Env) error {
	if c.profile != "" { // the flag takes precedence over the environment
		os.Setenv("JOTTA_PROFILE", c.profile)
		os.Unsetenv("JOTTACLOUD_USERNAME")
		os.Unsetenv("JOTTACLOUD_PASSWORD")
	}
	mode, err := strconv.ParseUint(c.reportMode, 8, 9)
	if err != nil {
		return command.Usagef("--report-mode is an octal number such as 0640, not %s", c.reportMode)
	}
	c.copyMode = fs.FileMode(mode)
	if c.folders, err = job.FindFolders(os.Getenv); err != nil {
		return command.Usagef("%v", err)
	}
	c.mask = session.Mask(private)
	c.talk = env.Talk()
	return nil
}

// errBusy says that another run of the job is at work. People have been told, if they
// want to know.
var errBusy = errors.New("")

// begin takes the lock of a job, or returns errBusy with its exit code.
func (c *common) begin(env *command.Env, key string) (*session.Session, error) {
	if err := os.MkdirAll(c.folders.Jobs(), 0o700); err != nil {
		return nil, fmt.Errorf("the folder for locks and reports cannot be made: %w", err)
	}
	_ = os.MkdirAll(c.folders.Cache, 0o700) // the programs do without
	s, err := session.Begin(c.folders.Lock(key), c.folders.Run(key))
	var busy *session.Busy
	if !errors.As(err, &busy) {
		return s, err
	}
	switch {
	case time.Since(busy.Since) >= cmp.Or(c.stale, 24*time.Hour):
		env.Errorf("%s", busy.Long())
	case env.Verbose() > 0 || env.OnTerminal():
		env.Errorf("%v", busy)
	}
	return nil, command.Exit(command.ExitBusy, errBusy)
}

// serve starts the store of --local, and leads the programs to it.
func (c *common) serve(ctx context.Context, env *command.Env, s *session.Session, what string) error {
	if !c.local {
		return nil
	}
	if !env.Quiet() {
		env.Errorf("--local: %s THIS machine, in %s, NOT on Jottacloud", what, c.folders.Data+"/local")
	}
	store, err := s.Serve(ctx, sibling("jserve"), c.folders.Data, func() {
		if !env.Quiet() {
			env.Errorf("another run uses the store of --local; waiting for it")
		}
	})
	if err != nil {
		return fmt.Errorf("start the store of --local: %w", err)
	}
	os.Setenv("JOTTA_ENDPOINT", store.Endpoint)
	os.Setenv("JOTTACLOUD_USERNAME", session.LocalUser)
	os.Setenv("JOTTACLOUD_PASSWORD", store.Password)
	return nil
}

// span is a time that people write: 90 seconds, 90m, 1h30m or 2d.
var span = regexp.MustCompile(`^([0-9]{1,9})([smhd])`)

// parseSpan returns the time that text, the value of a flag, stands for; more than none.
func parseSpan(flag, text string) (time.Duration, error) {
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	var sum time.Duration
	rest := text
	if _, err := strconv.ParseUint(text, 10, 30); err == nil {
		rest += "s"
	}
	for rest != "" {
		part := span.FindStringSubmatch(rest)
		if part == nil {
			sum = 0
			break
		}
		n, _ := strconv.Atoi(part[1])
		sum += time.Duration(n) * units[part[2]]
		rest = rest[len(part[0]):]
	}
	if sum <= 0 {
		return 0, command.Usagef("%s is a time, such as 90m or 5h30m, not %s", flag, text)
	}
	return sum, nil
}
