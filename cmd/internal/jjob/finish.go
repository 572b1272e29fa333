package jjob

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"jottatools/lib/command"
	"jottatools/lib/job"
	"jottatools/lib/job/session"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// judge returns the exit code of a pipe. Err is why it is not known how its programs ended.
func judge(env *command.Env, ended []session.Ended, err error, interrupted, late bool) int {
	var codes []int
	for _, e := range ended {
		if signal := e.Signal(); signal > 0 && !interrupted {
			env.Errorf("%s was killed by signal %d", e.Program, signal)
		}
		codes = append(codes, e.Code)
	}
	if err != nil {
		codes = append(codes, command.ExitTemporary)
	}
	known := os.Getenv("JOTTA_KNOWN") != "" && codes[len(codes)-1] == command.ExitOK
	for i, code := range codes {
		switch {
		case known && code == command.ExitPartial:
			// Jreport knows which problems are known; the programs before it do not.
			codes[i] = command.ExitOK
		case late && !interrupted && (code == command.ExitInterrupted || code == command.ExitInput):
			// The programs were told to stop, and say so. The others have not seen the whole
			// tree for that reason.
			codes[i] = command.ExitOK
		}
	}
	return command.Gravest(codes...)
}

// keepReport puts the report of the run in the place of the one before, and returns the
// code that the run has then. Wrong usage has done nothing, and says nothing about what
// was done before.
func (c *common) keepReport(env *command.Env, s *session.Session, final string, code int) int {
	if c.dryRun || code == command.ExitUsage {
		return code
	}
	if err := os.Rename(s.File("report.json"), final); err != nil {
		env.Errorf("there is no report of this run: %v", err)
		if code == command.ExitOK {
			code = command.ExitTemporary
		}
	}
	return code
}

// copyReport writes a copy of the report to --report, which may also be a device or a FIFO.
func (c *common) copyReport(env *command.Env, final string) error {
	if c.report == "" || c.dryRun {
		return nil
	}
	b, err := os.ReadFile(final)
	if err == nil {
		err = local.Replace(c.report, b)
	}
	if err == nil && c.copyMode != 0o600 {
		err = os.Chmod(c.report, c.copyMode)
	}
	if err != nil {
		env.Errorf("the report cannot be copied to %s: %v", c.report, err)
	}
	return err
}

// mendCache removes the hash cache of a job if a power failure has made something else of
// it: jhash does not touch a file that may not be a cache.
func mendCache(env *command.Env, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return nil // jhash says so, if it matters
	}
	start, _ := bufio.NewReader(f).Peek(4)
	f.Close()
	if len(start) == 0 || record.IsZstd(start) {
		return nil
	}
	env.Errorf("the hash cache was damaged; every file is read")
	return os.Remove(name)
}

// leaveOut returns the rules that keep our own folders out of a tree: they change while it
// is read.
func leaveOut(dir string, folders job.Folders) []string {
	var rules []string
	dir = resolved(dir)
	for _, own := range []string{folders.State, folders.Cache, folders.Data} {
		if rel, err := filepath.Rel(dir, resolved(own)); err == nil && filepath.IsLocal(rel) && rel != "." {
			rules = append(rules, "--exclude=/"+ignoreQuoter.Replace(filepath.ToSlash(rel))+"/")
		}
	}
	return rules
}

// ignoreQuoter quotes what means something in a .gitignore.
var ignoreQuoter = strings.NewReplacer("[", `\[`, "]", `\]`, "*", `\*`, "?", `\?`, "!", `\!`, "#", `\#`, `\`, `\\`)

// resolved returns path without symbolic links, as far as it exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir, name := filepath.Split(filepath.Clean(path))
	if dir == "" || name == "" {
		return path
	}
	return filepath.Join(resolved(dir), name)
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// openLog opens a log to add messages to. One that has become large goes to NAME.1 first,
// and what was there to NAME.2, and so on.
func openLog(name string) (*os.File, error) {
	if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() > maxLog {
		for i := keptLogs; i > 1; i-- {
			os.Rename(name+"."+strconv.Itoa(i-1), name+"."+strconv.Itoa(i)) // it may not be there
		}
		if err := os.Rename(name, name+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

const (
	maxLog   = 10 << 20 // bytes
	keptLogs = 4
)

// sibling returns the path of another program of ours.
func sibling(name string) string {
	if dir := filepath.Dir(os.Args[0]); dir != "." || strings.ContainsRune(os.Args[0], filepath.Separator) {
		return filepath.Join(dir, name)
	}
	return name
}
