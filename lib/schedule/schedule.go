// Package schedule has a command run at set times: by a timer of systemd, or by cron where
// systemd does not run.
//
// It writes units and crontab lines, and knows its own again by the name of the job. It does
// not know what the command does.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"jottatools/lib/local"
)

// Job is a command to be run.
type Job struct {
	Name        string   // of its units, such as jottasync-photos-1a2b; it tells jobs apart
	Description string   // for people, one line
	Command     []string // an absolute path and arguments
	Environment []string // NAME=VALUE, nothing secret: others can read it
	Writable    []string // folders that it writes to
}

// When says at which times; the zero value, at none.
type When struct {
	set          bool
	weekday      int // 0 is Sunday, and -1 any day
	hour, minute int // an hour of -1 is every hour
}

var days = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

var clock = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// Daily reads a time of day, such as 03:17.
func Daily(text string) (When, error) {
	m := clock.FindStringSubmatch(text)
	if m == nil {
		return When{}, errors.New("it is a time of day, such as 03:17")
	}
	w := When{set: true, weekday: -1}
	w.hour, _ = strconv.Atoi(m[1])
	w.minute, _ = strconv.Atoi(m[2])
	return w, nil
}

// Weekly reads a day and a time, such as "Sun 03:17".
func Weekly(text string) (When, error) {
	day, at, _ := strings.Cut(text, " ")
	for i, name := range days {
		if strings.EqualFold(day, name) {
			w, err := Daily(strings.TrimSpace(at))
			w.weekday = i
			return w, err
		}
	}
	return When{}, errors.New(`it is a day and a time, such as "Sun 03:17"`)
}

// Hourly reads a minute, such as 17.
func Hourly(text string) (When, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 59 {
		return When{}, errors.New("it is a minute, from 0 to 59")
	}
	return When{set: true, weekday: -1, hour: -1, minute: n}, nil
}

// String says it to people.
func (w When) String() string {
	switch {
	case w.hour < 0:
		return fmt.Sprintf("every hour, at minute %d", w.minute)
	case w.weekday < 0:
		return fmt.Sprintf("every day at %02d:%02d", w.hour, w.minute)
	}
	return fmt.Sprintf("every %s at %02d:%02d", days[w.weekday], w.hour, w.minute)
}

// Scheduler is systemd or cron. A job is in one of them at most.
type Scheduler interface {
	// Add has the job run from now on, in place of the one of that name, and returns what a
	// person should know besides.
	Add(ctx context.Context, j Job, w When) (hint string, err error)
	// Remove does not have the job run any more. It reports whether it did.
	Remove(ctx context.Context, name string) (bool, error)
	// Find says when the job runs, and by what; "" if it does not.
	Find(ctx context.Context, name string) (string, error)
}

// Schedulers returns what can run jobs here, the best first.
func Schedulers() []Scheduler {
	var all []Scheduler
	if s, err := newSystemd(); err == nil {
		all = append(all, s)
	}
	if _, err := exec.LookPath("crontab"); err == nil {
		all = append(all, cron{})
	}
	return all
}

// ErrNone says that nothing can run jobs here.
var ErrNone = errors.New("neither systemd nor crontab is here; have another program run the command")

// run runs a program, and returns what it prints.
func run(ctx context.Context, input string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(input)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return string(out), err
}

// replace writes a file that others may read, whatever the umask.
func replace(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := local.Replace(name, []byte(text)); err != nil {
		return err
	}
	return os.Chmod(name, 0o644)
}
