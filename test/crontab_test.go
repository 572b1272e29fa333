package test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// crontabLine is a line of a crontab, wherever it stands on a page: five fields, of which
// one at least is a star, or a name such as @daily, and a command.
var crontabLine = regexp.MustCompile("(?:^|[ \\t`\"'])((?:(?:\\*|[0-9])[-0-9*,/]*[ \\t]+){5}|@(?:reboot|hourly|daily|midnight|weekly|monthly|yearly|annually)[ \\t]+)([^\\s`*|].*)")

// cronCommand returns what cron hands to sh of the sixth field of a line, and what
// the command gets as its input: the first % without a backslash before it ends the
// command, and every one after it is a newline. Source: crontab(5) of cron 3.0pl1.
func cronCommand(field string) (command, input string) {
	var b strings.Builder
	command, ended := "", false
	for i := 0; i < len(field); i++ {
		switch {
		case field[i] == '\\' && i+1 < len(field) && field[i+1] == '%':
			i++
			b.WriteByte('%')
		case field[i] != '%':
			b.WriteByte(field[i])
		case ended:
			b.WriteByte('\n')
		default:
			command, ended = b.String(), true
			b.Reset()
		}
	}
	if !ended {
		return b.String(), ""
	}
	return command, b.String() + "\n"
}

func TestCronCommand(t *testing.T) {
	for _, test := range []struct{ field, command, input string }{
		{`jottasync --prune a`, `jottasync --prune a`, ""},
		{`jottasync --max-delete 20\% a`, `jottasync --max-delete 20% a`, ""},
		{`jottasync --max-delete 20% a`, `jottasync --max-delete 20`, " a\n"},
		{`echo "$(date +%F)" x%y\%z%`, `echo "$(date +`, "F)\" x\ny%z\n\n"},
	} {
		if command, input := cronCommand(test.field); command != test.command || input != test.input {
			t.Errorf("%s: got %q and %q", test.field, command, input)
		}
	}
}

// TestCrontabLines reads every line of a crontab that the pages, the scripts and
// the help texts show, as cron does.
func TestCrontabLines(t *testing.T) {
	found, percent := 0, false
	for _, pattern := range []string{"*.md", "jotta*", "*.toml", "j*.go"} {
		for _, name := range findFiles(t, pattern) {
			page := readDoc(t, name)
			for line := range strings.Lines(page) {
				match := crontabLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
				if match == nil || !strings.ContainsAny(match[1], "*@") {
					continue
				}
				found++
				field, _, _ := strings.Cut(match[2], "`")
				command, input := cronCommand(field)
				percent = percent || strings.Contains(command, "%")
				if input != "" {
					t.Errorf("%s: cron ends the command at %%, which has to be \\%%: %s", name, line)
				} else if out, err := exec.Command("sh", "-n", "-c", command).CombinedOutput(); err != nil {
					t.Errorf("%s: sh cannot read %s: %s", name, command, out)
				}
			}
		}
	}
	if found < 2 || !percent {
		t.Errorf("%d lines found, one of them with a %%: %t", found, percent)
	}
}
