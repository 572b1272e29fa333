package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// cron is the crontab of the user.
type cron struct{}

func (cron) Add(ctx context.Context, j Job, w When) (string, error) {
	line, err := cronLine(j, w)
	if err != nil {
		return "", err
	}
	table, _, err := without(ctx, j.Name)
	if err != nil {
		return "", err
	}
	_, err = run(ctx, table+line+"\n", "crontab", "-")
	return "", err
}

func (cron) Remove(ctx context.Context, name string) (bool, error) {
	table, lines, err := without(ctx, name)
	if err != nil || len(lines) == 0 {
		return false, err
	}
	_, err = run(ctx, table, "crontab", "-")
	return err == nil, err
}

func (cron) Find(ctx context.Context, name string) (string, error) {
	_, lines, err := without(ctx, name)
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return strings.Join(strings.Fields(lines[0])[:5], " ") + " (crontab)", nil
}

// without returns the crontab without the lines of a job, and these.
func without(ctx context.Context, name string) (table string, lines []string, err error) {
	out, err := run(ctx, "", "crontab", "-l")
	if err != nil && !strings.Contains(err.Error(), "no crontab for") {
		return "", nil, err
	}
	for line := range strings.Lines(out) {
		if strings.HasSuffix(strings.TrimRight(line, "\n"), mark(name)) && len(strings.Fields(line)) > 5 {
			lines = append(lines, line)
			continue
		}
		table += line
	}
	if table != "" && !strings.HasSuffix(table, "\n") {
		table += "\n"
	}
	return table, lines, nil
}

// mark ends a line of ours. To the shell, it is a comment.
func mark(name string) string { return " # " + name }

// cronLine returns the line of a crontab. In it, a percent sign would end the command, and a
// line end the line.
func cronLine(j Job, w When) (string, error) {
	words := j.Command
	if len(j.Environment) > 0 {
		words = append(append([]string{"env"}, j.Environment...), words...)
	}
	var command strings.Builder
	for _, word := range words {
		if strings.ContainsAny(word, "\n\r\x00") {
			return "", errors.New("a name with a line end cannot stand in a crontab")
		}
		command.WriteString(" " + quote(word))
	}
	hour, day := "*", "*"
	if w.hour >= 0 {
		hour = fmt.Sprint(w.hour)
	}
	if w.weekday >= 0 {
		day = fmt.Sprint(w.weekday)
	}
	return fmt.Sprintf("%d %s * * %s%s%s", w.minute, hour, day, strings.ReplaceAll(command.String(), "%", `\%`), mark(j.Name)), nil
}

// quote returns a word as the shell takes it, plain where that is safe.
func quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-=,:@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
