package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"jottatools/lib/record"
)

// Env is what a program sees of the world: its arguments, its streams and a
// way to speak to people.
type Env struct {
	Args   []string
	Stdin  io.Reader // ends when the program is interrupted, even on a silent pipe
	Stdout io.Writer
	Stderr io.Writer

	// Blame, if set, is asked why an input may have been cut off. An error is the
	// better reason to exit for; nil means that none is known.
	Blame func() error

	name      string
	ctx       context.Context
	verbose   counter
	quiet     bool
	logFormat string

	processors int       // that a serial program leaves to others
	unleash    sync.Once // for UseProcessors

	screen   sync.Mutex // guards what is drawn on the terminal, and what follows
	progress *Progress
	textErr  error // the first of writing text to standard output
}

func (e *Env) start(ctx context.Context, c *Command) {
	e.ctx = ctx
	e.name = c.Name()
	e.logFormat = "text"
	widen(os.Stdin)
	widen(os.Stdout)
	e.Stdin = interruptible(ctx, os.Stdin)
	e.Stdout = os.Stdout
	e.Stderr = os.Stderr
}

// finish takes the progress line away and returns what kept text for people from
// being written.
func (e *Env) finish() error {
	if e.progress != nil {
		e.progress.Done()
	}
	e.screen.Lock()
	defer e.screen.Unlock()
	return e.textErr
}

// UseProcessors has a program that is [Command.Serial] use all processors from now on,
// since there is much to do at once. It may be called often, by anybody.
func (e *Env) UseProcessors() {
	e.unleash.Do(func() {
		if e.processors > 1 {
			runtime.GOMAXPROCS(e.processors)
		}
	})
}

// Verbose returns how often -v was given.
func (e *Env) Verbose() int { return int(e.verbose) }

// Quiet reports whether -q was given.
func (e *Env) Quiet() bool { return e.quiet }

// Watched reports whether a person is looking at standard output, and has not
// asked for silence.
func (e *Env) Watched() bool {
	f, ok := e.Stdout.(*os.File)
	return ok && !e.quiet && isatty.IsTerminal(f.Fd())
}

// Stopped reports whether the program has been told to stop.
func (e *Env) Stopped() bool { return e.ctx.Err() != nil }

// OnTerminal reports whether a person reads the messages.
func (e *Env) OnTerminal() bool {
	f, ok := e.Stderr.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// Talk returns the flags that have another program say as much as this one, and in the
// same form.
func (e *Env) Talk() []string {
	var flags []string
	for range e.verbose {
		flags = append(flags, "-v")
	}
	if e.quiet {
		flags = append(flags, "-q")
	}
	if e.logFormat != "text" {
		flags = append(flags, "--log-format="+e.logFormat)
	}
	return flags
}

// Printf prints lines of text for people on standard output.
func (e *Env) Printf(format string, args ...any) { fmt.Fprintf(e.TextSink(), format+"\n", args...) }

// Sayf prints lines of text for people on standard error, without the program's name.
func (e *Env) Sayf(format string, args ...any) {
	text := printableLines(fmt.Sprintf(format, args...))
	e.draw(func() { io.WriteString(e.Stderr, text+"\n") })
}

// PrintJSON prints v as JSON on standard output, in one line unless there is an indent.
// Characters that a terminal would obey stand as JSON escapes.
func (e *Env) PrintJSON(v any, indent string) error {
	text, err := json.MarshalIndent(v, "", indent)
	if indent == "" {
		text, err = json.Marshal(v)
	}
	if err != nil {
		return err
	}
	e.draw(func() { _, err = fmt.Fprintln(e.Stdout, escapeJSON(text)) })
	return err
}

// escapeJSON returns JSON that says the same and has no character that is hidden.
func escapeJSON(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		if r != '\n' && record.Hidden(r) {
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ExactSink returns a writer of text to standard output of which each byte counts,
// such as names for another program. Only on a terminal it is like [Env.TextSink].
func (e *Env) ExactSink() io.Writer {
	if f, ok := e.Stdout.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return e.TextSink()
	}
	return e.Stdout
}

// TextSink returns a writer of text to standard output that shows characters, other
// than newlines, instead of having a terminal obey them; see [record.Printable].
func (e *Env) TextSink() io.Writer { return &textSink{env: e, out: e.Stdout} }

type textSink struct {
	env  *Env
	out  io.Writer
	rest []byte // the start of a character whose end has not come yet
}

func (t *textSink) Write(b []byte) (n int, err error) {
	text := append(t.rest, b...)
	whole := len(text)
	for i := max(0, whole-utf8.UTFMax+1); i < whole; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			whole = i
		}
	}
	t.rest = append([]byte(nil), text[whole:]...)
	t.env.draw(func() {
		if _, err = io.WriteString(t.out, printableLines(string(text[:whole]))); t.env.textErr == nil {
			t.env.textErr = err
		}
	})
	return len(b), err
}

// printableLines makes each line of text printable.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = record.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Errorf prints a message that is always shown.
func (e *Env) Errorf(format string, args ...any) { e.print("error", format, args) }

// Infof prints a message that -v shows.
func (e *Env) Infof(format string, args ...any) {
	if e.verbose > 0 {
		e.print("info", format, args)
	}
}

// Debugf prints a message that -vv shows.
func (e *Env) Debugf(format string, args ...any) {
	if e.verbose > 1 {
		e.print("debug", format, args)
	}
}

// print writes one message: each of its lines with the program's name before
// it, or one JSON object.
func (e *Env) print(level, format string, args []any) {
	message := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	var text strings.Builder
	if e.logFormat == "json" {
		line, _ := json.Marshal(struct {
			Time    time.Time `json:"time"`
			Level   string    `json:"level"`
			Program string    `json:"program"`
			Message string    `json:"message"`
		}{time.Now().UTC(), level, e.name, message})
		text.WriteString(escapeJSON(line))
		text.WriteByte('\n')
	} else {
		for line := range strings.SplitSeq(message, "\n") {
			fmt.Fprintf(&text, "%s: %s\n", e.name, record.Printable(line))
		}
	}
	e.draw(func() { io.WriteString(e.Stderr, text.String()) })
}

// draw runs f, which writes to the terminal, with the progress line out of the
// way.
func (e *Env) draw(f func()) {
	e.screen.Lock()
	defer e.screen.Unlock()
	if e.progress != nil {
		e.progress.hide()
	}
	f()
}

// Filter runs a program that reads records from standard input and writes
// records to standard output.
//
// It reports malformed lines, hands on what the input's end record says, closes
// the output with an end record that tells the truth, and returns what decides
// the exit code: body's error, an input that is not whole, entries with errors.
func (e *Env) Filter(body func(in *record.Reader, out *record.Writer) error) error {
	return e.Consume(func(in *record.Reader) error {
		return e.Source(func(out *record.Writer) error {
			err := body(in, out)
			if err != nil || in.Whole() != nil {
				out.Incomplete()
			}
			out.Inherit(in.End())
			return err
		})
	})
}

// Consume runs a program that reads records from standard input and writes
// something else, or nothing. The error of an input that is not whole is joined
// to body's.
func (e *Env) Consume(body func(in *record.Reader) error) error {
	if p, ok := e.Stdin.(*pipedFile); ok && isatty.IsTerminal(p.file.Fd()) {
		return Usagef("standard input is a terminal; pipe records into it")
	}
	in := e.Reader(e.Stdin)
	err := body(in)
	if err != nil && !in.Ended() {
		return err // what was not read cannot be blamed
	}
	return errors.Join(err, e.verdict(in.Whole()))
}

// verdict returns the error of an input that is not whole. When the program
// that says so of its own stream is at the other end of a pipe, it has told
// people why, and only the exit code is left to pass on.
func (e *Env) verdict(whole error) error {
	if whole != nil && e.Blame != nil {
		if why := e.Blame(); why != nil {
			e.Infof("%v", whole)
			return why
		}
	}
	p, ok := e.Stdin.(*pipedFile)
	if !errors.Is(whole, record.ErrIncomplete) || !ok {
		return whole
	}
	if info, err := p.file.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return whole
	}
	e.Infof("%v", whole)
	return Exit(ExitInput, errors.New(""))
}

// Source runs a program that begins a stream of records on standard output. It
// closes the stream with an end record, marked incomplete if body fails.
func (e *Env) Source(body func(out *record.Writer) error) error {
	known, err := knownProblems()
	if err != nil {
		return err
	}
	out := record.NewWriter(e.recordSink(), e.name)
	own := 0
	out.OnError = func(r *record.Record) {
		if !known.Has(r) {
			own++
			e.tell(r)
		}
	}
	err = body(out)
	if err != nil {
		out.Incomplete()
	}
	closeErr := out.Close()
	switch n := out.Errors(); {
	case own > 0:
		err = errors.Join(err, Exit(ExitPartial, errors.New(record.Count(int64(own), "of the entries failed; it is named above", "of the entries failed; each is named above"))))
	case n > 0:
		err = errors.Join(err, Exit(ExitPartial, errors.New(""))) // whoever found them has said so
	}
	return errors.Join(err, closeErr)
}

// knownVariable names a file of problems that a person knows, as jreport --known takes it.
// The programs of a pipe do not print these. The records stay as they are, and so does the
// exit code: only the end of the pipe knows whether all problems are known.
const knownVariable = "JOTTA_KNOWN"

func knownProblems() (record.Known, error) {
	name := os.Getenv(knownVariable)
	if name == "" {
		return record.Known{}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return record.Known{}, Usagef("%s: %v", knownVariable, err)
	}
	defer f.Close()
	known, err := record.ReadKnown(f)
	if err != nil {
		return record.Known{}, Usagef("%s: %s: %v", knownVariable, name, err)
	}
	return known, nil
}

// tell prints the error of an entry, in one line.
func (e *Env) tell(r *record.Record) {
	e.Errorf("%s: %s", record.Printable(r.Path), record.Printable(r.Error.Message))
}

// maxMalformed is how many malformed lines of a stream are named. What has more is
// no stream, and how many there are is said at its end.
const maxMalformed = 10

// Reader returns a reader of the stream r that reports malformed lines.
func (e *Env) Reader(r io.Reader) *record.Reader {
	in := record.NewReader(r)
	told := 0
	in.Malformed = func(err error) {
		switch told++; {
		case told <= maxMalformed:
			e.Errorf("%v", err)
		case told == maxMalformed+1:
			e.Errorf("more malformed lines, which are only counted; is this a stream of records?")
		}
	}
	return in
}

// recordSink returns where records go: standard output, as a table if that is a
// terminal.
func (e *Env) recordSink() io.Writer {
	if f, ok := e.Stdout.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return &table{env: e}
	}
	return e.Stdout
}
