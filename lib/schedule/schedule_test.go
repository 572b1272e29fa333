//go:build unix

package schedule

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestWhen(t *testing.T) {
	for _, test := range []struct {
		parse                      func(string) (When, error)
		text, said, calendar, cron string // without said, it is refused
	}{
		{Daily, "03:17", "every day at 03:17", "*-*-* 03:17:00", "17 3 * * *"},
		{Daily, "3:17", "every day at 03:17", "*-*-* 03:17:00", "17 3 * * *"},
		{Daily, "00:00", "every day at 00:00", "*-*-* 00:00:00", "0 0 * * *"},
		{Daily, "23:59", "every day at 23:59", "*-*-* 23:59:00", "59 23 * * *"},
		{Daily, "24:00", "", "", ""}, {Daily, "3", "", "", ""}, {Daily, "3:60", "", "", ""}, {Daily, " 3:17", "", "", ""},
		{Weekly, "Sun 00:00", "every Sun at 00:00", "Sun *-*-* 00:00:00", "0 0 * * 0"},
		{Weekly, "sat 3:17", "every Sat at 03:17", "Sat *-*-* 03:17:00", "17 3 * * 6"},
		{Weekly, "Sunday 3:17", "", "", ""}, {Weekly, "3:17", "", "", ""}, {Weekly, "Sun", "", "", ""},
		{Hourly, "0", "every hour, at minute 0", "*-*-* *:00:00", "0 * * * *"},
		{Hourly, "59", "every hour, at minute 59", "*-*-* *:59:00", "59 * * * *"},
		{Hourly, "60", "", "", ""}, {Hourly, "-1", "", "", ""}, {Hourly, "x", "", "", ""},
	} {
		w, err := test.parse(test.text)
		if test.said == "" {
			if err == nil {
				t.Errorf("%q is taken for %v", test.text, w)
			}
			continue
		}
		line, _ := cronLine(Job{Name: "j", Command: []string{"x"}}, w)
		if err != nil || w == (When{}) || w.String() != test.said || w.calendar() != test.calendar || line != test.cron+" x # j" {
			t.Errorf("%q: %v, %q, %q, %q", test.text, err, w, w.calendar(), line)
		}
		checkCalendar(t, w.calendar())
	}
}

// checkCalendar has systemd read a time, if it is here.
func checkCalendar(t *testing.T, text string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return
	}
	if out, err := exec.Command("systemd-analyze", "calendar", text).CombinedOutput(); err != nil {
		t.Errorf("systemd does not take %q: %v\n%s", text, err, out)
	}
}

// odd are words that cron, the shell and systemd would read as something else.
var odd = []string{"", "a b", "it's", "100%", "%%", `\%`, "$HOME", "$$", "`x`", "a#b", "#", `"`, `\`, `\\n`, "*", "ä\xff", "a;b", "=", "~", "%h", "-"}

// TestCronLine: a command gets its words back from cron and the shell.
func TestCronLine(t *testing.T) {
	job := Job{Name: "j", Command: append([]string{"printf", `%s\0`}, odd...), Environment: []string{"A=b c%"}}
	line, err := cronLine(job, When{set: true, hour: 3})
	if err != nil {
		t.Fatal(err)
	}
	fields := regexp.MustCompile(`^\S+ \S+ \S+ \S+ \S+ `).FindString(line)
	var command strings.Builder // as cron hands it to the shell: see crontab(5)
	for rest := line[len(fields):]; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `\%`):
			command.WriteByte('%')
			rest = rest[2:]
		case rest[0] == '%':
			t.Fatalf("%s: the command ends at a percent sign", line)
		default:
			command.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	out, err := exec.Command("sh", "-c", command.String()).Output()
	if want := strings.Join(odd, "\x00") + "\x00"; err != nil || string(out) != want {
		t.Errorf("%s\ngives %q, %v\nwant  %q", line, out, err, want)
	}
	if _, err := cronLine(Job{Name: "j", Command: []string{"a\nb"}}, When{}); err == nil {
		t.Error("a line end stands in a crontab")
	}
}

// fake puts programs in front of the PATH that note how they are called.
func fake(t *testing.T, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("DIR", dir)
	return dir
}

// scheduled walks a scheduler through the life of a job.
func scheduled(t *testing.T, s Scheduler) {
	t.Helper()
	ctx := t.Context()
	find := func(name, want string) {
		t.Helper()
		if got, err := s.Find(ctx, name); err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("Find(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	find("j", "")
	if was, err := s.Remove(ctx, "j"); was || err != nil {
		t.Errorf("Remove of what is not there: %v, %v", was, err)
	}
	first, _ := Daily("1:02")
	for i, name := range []string{"j", "jj", "j"} {
		when := first
		when.minute += i
		if _, err := s.Add(ctx, Job{Name: name, Description: "100% " + name, Command: []string{"/bin/true", name}}, when); err != nil {
			t.Fatal(err)
		}
	}
	third, second := first, first
	second.minute, third.minute = 3, 4
	want := func(w When) string {
		if _, isCron := s.(cron); isCron {
			return fmt.Sprintf("%d 1 * * * (crontab)", w.minute)
		}
		return w.calendar()
	}
	find("j", want(third))
	find("jj", want(second))
	if was, err := s.Remove(ctx, "j"); !was || err != nil {
		t.Errorf("Remove: %v, %v", was, err)
	}
	find("j", "")
	find("jj", want(second))
}

func TestCron(t *testing.T) {
	dir := fake(t, map[string]string{"crontab": `
case $1 in
-l) [ -e "$DIR/table" ] || { echo "no crontab for somebody" >&2; exit 1; }; cat "$DIR/table" ;;
-) cat >"$DIR/table.new" && mv "$DIR/table.new" "$DIR/table" ;;
esac`})
	scheduled(t, cron{})
	if b, _ := os.ReadFile(filepath.Join(dir, "table")); string(b) != "3 1 * * * /bin/true jj # jj\n" {
		t.Errorf("left is %q", b)
	}
	// The lines of others stay as they are, also one without an end.
	others := "# a # j\nMAILTO=\"\" # j\n0 0 * * * x"
	if err := os.WriteFile(filepath.Join(dir, "table"), []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	scheduled(t, cron{})
	if b, _ := os.ReadFile(filepath.Join(dir, "table")); string(b) != others+"\n3 1 * * * /bin/true jj # jj\n" {
		t.Errorf("left is %q", b)
	}
	fake(t, map[string]string{"crontab": "echo you are not allowed to use this program >&2; exit 1"})
	if _, err := (cron{}).Add(t.Context(), Job{Name: "j"}, When{}); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("Add = %v", err)
	}
}

func TestSystemd(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // as jjob has it
	dir := fake(t, map[string]string{"systemctl": `echo "$@" >>"$DIR/calls"`, "loginctl": "echo Linger=no"})
	s := &systemd{filepath.Join(dir, "units"), []string{"--user"}}
	scheduled(t, s)
	calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
	for _, want := range []string{"--user daemon-reload\n--user enable j.timer\n--user restart j.timer\n", "--user disable --now j.timer\n--user daemon-reload\n"} {
		if !strings.Contains(string(calls), want) {
			t.Errorf("it does not call\n%s, but\n%s", want, calls)
		}
	}
	entries, _ := os.ReadDir(s.dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
		if info, err := e.Info(); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v; systemd wants units that all can read", e.Name(), info.Mode(), err)
		}
	}
	if want := []string{"jj.service", "jj.timer"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	if hint := s.linger(context.Background()); !strings.Contains(hint, "loginctl enable-linger") {
		t.Errorf("the user does not hear that it must linger: %q", hint)
	}
}

// TestUnits has systemd read what is written, and judge how well the job is kept apart.
func TestUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	j := Job{
		Name: "jottasync-x", Description: "back /a%b up", Environment: []string{"A=it's \"b\" 100% $x"},
		Command: append([]string{"/bin/true"}, odd...), Writable: []string{"/var/lib/a b%", "/root/.local/state/jottatools"},
	}
	for _, system := range []bool{true, false} {
		files := map[string]string{".service": service(j, system), ".timer": timer(j, When{set: true, weekday: -1, hour: 3})}
		verify := []string{"verify", "--man=no"}
		for kind, text := range files {
			name := filepath.Join(dir, j.Name+kind)
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			verify = append(verify, name)
		}
		if !system {
			verify = append(verify, "--user")
			t.Setenv("XDG_RUNTIME_DIR", dir)
		}
		out, err := exec.Command("systemd-analyze", verify...).CombinedOutput()
		if err != nil || strings.Contains(string(out), j.Name) {
			t.Errorf("verify, system %v: %v\n%s\n%s", system, err, out, files[".service"])
		}
	}
	name := filepath.Join(dir, j.Name+".service")
	if err := os.WriteFile(name, []byte(service(j, true)), 0o600); err != nil {
		t.Fatal(err)
	}
	// A level of 30 is an exposure of 3.0.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=30", name).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
