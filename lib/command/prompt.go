package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// maxSecret bounds what is read where a secret is expected, in bytes.
const maxSecret = 64 << 10

// Asked reports whether a person can be asked: standard input is a terminal.
func (e *Env) Asked() bool {
	p, ok := e.Stdin.(*pipedFile)
	return ok && isatty.IsTerminal(p.file.Fd())
}

// ReadSecret returns what standard input holds, to its end. From a terminal it
// reads lines without showing them, after a prompt, until enough is true of all
// that has come, or a line is empty.
func (e *Env) ReadSecret(prompt string, enough func(string) bool) (string, error) {
	if !e.Asked() {
		text, err := io.ReadAll(io.LimitReader(e.Stdin, maxSecret))
		return string(text), err
	}
	file := e.Stdin.(*pipedFile).file
	text := ""
	for {
		e.draw(func() { io.WriteString(e.Stderr, prompt) })
		line, err := readHidden(e.ctx, file)
		e.draw(func() { io.WriteString(e.Stderr, "\n") })
		if err != nil && err != io.EOF {
			return "", err
		}
		text += line + "\n"
		if line == "" || err == io.EOF || len(text) > maxSecret || enough(text) {
			return text, nil
		}
		prompt = "… and the rest of it: "
	}
}

// readHidden reads a line from a terminal that does not show it. However it ends,
// the terminal is as it was.
func readHidden(ctx context.Context, file *os.File) (string, error) {
	fd := int(file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type result struct {
		line []byte
		err  error
	}
	read := make(chan result, 1)
	go func() { // may hang in the read until the process ends
		line, err := term.ReadPassword(fd)
		read <- result{line, err}
	}()
	select {
	case r := <-read:
		return string(r.line), r.err
	case <-ctx.Done():
		return "", errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

// Lines returns the lines of standard input, as they come, until it ends.
func (e *Env) Lines() <-chan string {
	lines := make(chan string)
	go func() { // ends with the input, or with the process
		defer close(lines)
		for in := bufio.NewScanner(e.Stdin); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-e.ctx.Done():
				return
			}
		}
	}()
	return lines
}
