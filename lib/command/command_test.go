package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"jottatools/lib/record"
)

type classedError struct{ class record.Class }

func (e classedError) Error() string         { return string(e.class) }
func (e classedError) Record() *record.Error { return &record.Error{Class: e.class} }

func TestExitCode(t *testing.T) {
	classed := func(c record.Class) error { return fmt.Errorf("put a: %w", classedError{c}) }
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 75},
		{fmt.Errorf("write: %w", syscall.EPIPE), 0},
		{errors.Join(Exit(ExitPartial, errors.New("x")), syscall.EPIPE), 1},
		{&record.Error{Class: record.ClassCorrupt}, 1},
		{Usagef("x"), 2},
		{fmt.Errorf("x: %w", record.ErrTruncated), 3},
		{fmt.Errorf("x: %w", record.ErrIncomplete), 3},
		{fmt.Errorf("x: %w", record.ErrMiscounted), 3},
		{fmt.Errorf("x: %w", record.ErrMalformed), 3},
		{fmt.Errorf("x: %w", record.ErrLeftOut), 3},
		{fmt.Errorf("%w by a signal", record.ErrStopped), 75}, // 130, if its context says so
		{classed(record.ClassAuth), 4},
		{classed(record.ClassForbidden), 4},
		{classed(record.ClassNameInvalid), 5},
		{Exit(ExitLimit, errors.New("x")), 6},
		{classed(record.ClassQuota), 7},
		{classed(record.ClassLocked), 7},
		{Exit(ExitBusy, errors.New("x")), 8},
		{classed(record.ClassNetwork), 75},
		{classed(record.ClassServer), 75},
		{&record.Error{Class: record.ClassRateLimited}, 75},
		{errors.Join(Exit(ExitPartial, errors.New("x")), record.ErrTruncated), 3},
		{errors.Join(record.ErrTruncated, classed(record.ClassAuth)), 4},
		{errors.Join(Exit(ExitPartial, errors.New("x")), errors.Join(classed(record.ClassNetwork), classed(record.ClassQuota))), 7},
		{fmt.Errorf("both %w and %w", Exit(ExitBusy, errors.New("x")), errors.New("y")), 8},
	} {
		if got := exitCode(context.Background(), test.err); got != test.want {
			t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
	interrupted, cancel := context.WithCancel(context.Background())
	cancel()
	if got := exitCode(interrupted, record.ErrTruncated); got != ExitInterrupted {
		t.Errorf("exit code after a signal = %d, want %d", got, ExitInterrupted)
	}
	if got := exitCode(interrupted, nil); got != ExitOK {
		t.Errorf("exit code of a run that ended just before the signal = %d, want 0", got)
	}
}

// TestExitTable holds the table in the help against the constants.
func TestExitTable(t *testing.T) {
	for _, code := range append([]int{ExitOK}, gravest...) {
		if !strings.Contains(exitTable, fmt.Sprintf("%5d  ", code)) {
			t.Errorf("the help says nothing of exit code %d", code)
		}
	}
	if n := strings.Count(exitTable, "\n"); n != len(gravest)+1 {
		t.Errorf("the help has %d codes, want %d", n, len(gravest)+1)
	}
}

func testEnv() (*Env, *bytes.Buffer, *bytes.Buffer) {
	var stdout, stderr bytes.Buffer
	return &Env{name: "jtest", ctx: context.Background(), logFormat: "text", Stdout: &stdout, Stderr: &stderr}, &stdout, &stderr
}

func TestMessages(t *testing.T) {
	env, _, stderr := testEnv()
	env.Errorf("a\nb \x1b[31m%s", "c\r")
	env.Infof("unheard")
	env.verbose = 1
	env.Infof("heard")
	env.Debugf("unheard")
	if got, want := stderr.String(), "jtest: a\njtest: b \\x1b[31mc\\x0d\njtest: heard\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	stderr.Reset()
	env.logFormat = "json"
	env.Errorf("a \x1b")
	var line struct{ Time, Level, Program, Message string }
	if err := json.Unmarshal(stderr.Bytes(), &line); err != nil || line.Level != "error" || line.Program != "jtest" || line.Message != "a \x1b" || line.Time == "" {
		t.Errorf("json message %s: %v", stderr, err)
	}
}

const input = `{"kind":"file","path":"a","size":1}
{"kind":"end","v":1,"stage":"jwalk","records":1,"bytes":1,"errors":0,"complete":true,"scope":["a"]}
`

func TestFilter(t *testing.T) {
	full := errors.New("the disk is full")
	for _, test := range []struct {
		name, in string
		body     func(in *record.Reader, out *record.Writer) error
		code     int
		want     string // end of the output
		stderr   string // part of the messages
	}{
		{"all well", input, copyAll, 0, `"records":1,"bytes":1,"errors":0,"complete":true,"scope":["a"]}`, ""},
		{"truncated", input[:36], copyAll, 3, `"records":1,"bytes":1,"errors":0,"complete":false}`, ""},
		{"malformed", "x\n" + input, copyAll, 3, `"complete":false,"scope":["a"]}`, "jtest: line 1: the line is not a JSON object"},
		{"body fails", input, func(in *record.Reader, out *record.Writer) error { return errors.Join(copyAll(in, out), full) }, 75, `"complete":false,"scope":["a"]}`, ""},
		{"body does not read", input, func(*record.Reader, *record.Writer) error { return full }, 75, `"records":0,"bytes":0,"errors":0,"complete":false}`, ""},
		{"an entry fails", input, func(in *record.Reader, out *record.Writer) error {
			for r := range in.All() {
				r.Error = &record.Error{Class: record.ClassQuota, Message: "full"}
				out.Write(r)
			}
			return nil
		}, 1, `"errors":1,"complete":true,"scope":["a"]}`, "jtest: a: full"},
		{"an entry had failed", strings.Replace(input, `"size":1`, `"size":1,"error":{"class":"quota","message":"full"}`, 1), copyAll, 1, `"errors":1,"complete":true,"scope":["a"]}`, ""},
	} {
		env, stdout, stderr := testEnv()
		env.Stdin = strings.NewReader(test.in)
		err := env.Filter(test.body)
		if code := exitCode(context.Background(), err); code != test.code {
			t.Errorf("%s: %v gives code %d, want %d", test.name, err, code, test.code)
		}
		if !strings.HasSuffix(stdout.String(), test.want+"\n") {
			t.Errorf("%s: output\n%swant at the end %s", test.name, stdout, test.want)
		}
		if !strings.Contains(stderr.String(), test.stderr) || test.stderr == "" && stderr.Len() > 0 {
			t.Errorf("%s: messages %q, want %q", test.name, stderr, test.stderr)
		}
	}
}

func copyAll(in *record.Reader, out *record.Writer) error {
	for r := range in.All() {
		if err := out.Pass(r); err != nil {
			return err
		}
	}
	return nil
}

// TestReportPrintsEachErrorOnce: joined errors have a line each, those without
// words none, and a reader that has gone is no news.
func TestReportPrintsEachErrorOnce(t *testing.T) {
	c := New("jtest", "test")
	var stderr bytes.Buffer
	c.env = Env{name: "jtest", ctx: context.Background(), logFormat: "text", Stderr: &stderr}
	err := errors.Join(Exit(ExitPartial, errors.New("a")), Exit(ExitPartial, errors.New("")), fmt.Errorf("write: %w", syscall.EPIPE), errors.Join(Exit(ExitPartial, errors.New("b"))))
	if code := c.report(context.Background(), err); code != ExitPartial {
		t.Errorf("code %d", code)
	}
	if got, want := stderr.String(), "jtest: a\njtest: b\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

type toldError struct{ error }

func (toldError) Told() bool      { return true }
func (e toldError) Unwrap() error { return e.error }

// TestReportLeavesOutWhatWasTold: another program of the pipe has said it; the code
// is the same.
func TestReportLeavesOutWhatWasTold(t *testing.T) {
	for _, alone := range []bool{false, true} {
		c := New("jtest", "test")
		c.Alone = alone
		var stderr bytes.Buffer
		c.env = Env{name: "jtest", ctx: context.Background(), logFormat: "text", Stderr: &stderr}
		err := fmt.Errorf("list: %w", toldError{Exit(ExitAuth, errors.New("it has ended"))})
		if code := c.report(context.Background(), err); code != ExitAuth || (stderr.Len() > 0) != alone {
			t.Errorf("alone %v: code %d, printed %q", alone, code, stderr.String())
		}
	}
}

// TestBlame: why an input was cut off, if that is known, is the reason to exit for.
func TestBlame(t *testing.T) {
	env, _, _ := testEnv()
	env.Stdin = strings.NewReader(input[:36])
	env.Blame = func() error { return Exit(ExitAuth, errors.New("it has ended")) }
	if code := exitCode(context.Background(), env.Filter(copyAll)); code != ExitAuth {
		t.Errorf("code %d, want %d", code, ExitAuth)
	}
	env.Stdin = strings.NewReader(input)
	if err := env.Filter(copyAll); err != nil {
		t.Errorf("a whole input is blamed: %v", err)
	}
}

func TestTable(t *testing.T) {
	env, stdout, _ := testEnv()
	table := &table{env: env}
	const stream = `{"kind":"file","path":"a\u001b[2J","size":1536,"status":"done"}
{"kind":"dir","path":"d","action":"mkdir"}
{"kind":"symlink","path":"l","target":"x"}
{"kind":"file","path":"f","size":2,"mtime":"2026-01-02T03:04:05Z"}
{"kind":"file","path":"e","size":0,"error":{"class":"quota","message":"full"}}
{"kind":"end","v":1,"records":5}
`
	for i := range stream { // whatever the pieces
		if _, err := io.WriteString(table, stream[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	want := `done            1.5 KiB  a\x1b[2J
mkdir                    d/
symlink                                    l -> x
file                2 B  ` + time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Local().Format("2006-01-02 15:04") + `  f
failed              0 B  e: full
`
	if stdout.String() != want {
		t.Errorf("got\n%swant\n%s", stdout, want)
	}
}

// TestShown holds that what goes to people shows what a terminal would obey, whatever
// the pieces it is written in, and that JSON says the same as before.
func TestShown(t *testing.T) {
	env, stdout, stderr := testEnv()
	const hostile = "a\x1b[2J\u202e\u009b\x7f\U000e0001ä\xff\n"
	const shown = `a\x1b[2J\u202e\u009b\x7f\U000e0001ä\xff` + "\n"
	sink := env.TextSink()
	for i := range len(hostile) {
		if _, err := io.WriteString(sink, hostile[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	env.Printf("%s", hostile[:len(hostile)-1])
	env.Sayf("%s", hostile[:len(hostile)-1])
	if stdout.String() != shown+shown || stderr.String() != shown {
		t.Errorf("got %q and %q, want %q", stdout, stderr, shown)
	}
	io.WriteString(env.ExactSink(), hostile)
	if want := shown + shown + hostile; stdout.String() != want {
		t.Errorf("got %q, want %q", stdout, want)
	}
	stdout.Reset()
	valid := strings.ToValidUTF8(hostile, "")
	if err := env.PrintJSON(valid, ""); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(stdout.Bytes(), &back); err != nil || back != valid || strings.IndexFunc(strings.TrimSpace(stdout.String()), record.Hidden) >= 0 {
		t.Errorf("JSON %q is %q: %v", stdout, back, err)
	}
	env.logFormat = "json"
	stderr.Reset()
	env.Errorf("%s", valid)
	var message struct{ Message string }
	if err := json.Unmarshal(stderr.Bytes(), &message); err != nil || message.Message+"\n" != valid || strings.IndexFunc(strings.TrimSpace(stderr.String()), record.Hidden) >= 0 {
		t.Errorf("message %q is %q: %v", stderr, message.Message, err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "4096": 4096, "512k": 512 << 10, "10M": 10 << 20, "1.5G": 3 << 29, "2T": 2 << 40} {
		var n int64
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		SizeVar(f, &n, "max-size", "")
		if err := f.Parse([]string{"--max-size", text}); err != nil || n != want {
			t.Errorf("--max-size %s = %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "10X", "1e99"} {
		var n int64
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		SizeVar(f, &n, "max-size", "")
		if err := f.Parse([]string{"--max-size", text}); err == nil {
			t.Errorf("--max-size %q = %d, want an error", text, n)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		patterns string
		is, not  []string
	}{
		{"", nil, []string{"a", "a/b"}},
		{"a", []string{"a", "a/b", "a/b/c"}, []string{"b", "b/a", "ab", "A", "a b"}},
		{"a/b/", []string{"a/b", "a/b/c"}, []string{"a", "a/bc"}},
		{"*", []string{"a", "a/b"}, nil},
		{"*.hc", []string{"a.hc", "a.hc/b"}, []string{"a/b.hc", "a.hcx"}},
		{"**/*.hc", []string{"a.hc", "a/b.hc", "a/b/c.hc"}, []string{"a/hc"}},
		{"a/**/z", []string{"a/z", "a/b/z", "a/b/c/z", "a/b/z/x"}, []string{"a/b", "z"}},
		{"a/?", []string{"a/b", "a/é", "a/b/c"}, []string{"a", "a/bc"}},
		{"a/[bc]", []string{"a/b", "a/c", "a/[bc]"}, []string{"a/d"}},
		{"a/[^b]", []string{"a/c"}, []string{"a/b"}},
		{"{a,b}/c", []string{"a/c", "b/c", "{a,b}/c"}, []string{"c/c"}},
		{`a\[1`, []string{"a[1"}, []string{"a1"}},
		{`a\*`, []string{"a*"}, []string{"ab"}},
		{"**", []string{"a", "a/b", ".x/y"}, nil},
		{"x y/**", []string{"a", "y/b"}, []string{"b"}}, // two patterns: a, and y/**
		{"\xff*", []string{"\xff", "\xff\xfe"}, []string{"\xfe"}},
	} {
		args := []string{"--accept", test.patterns}
		switch test.patterns {
		case "":
			args = nil
		case "x y/**":
			args = []string{"--accept", "a", "--accept=y/**"}
		}
		var match func(string) bool
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		PatternsVar(f, &match, "accept", "")
		if err := f.Parse(args); err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		for _, path := range test.is {
			if !match(path) {
				t.Errorf("%q does not match %q", args, path)
			}
		}
		for _, path := range test.not {
			if match(path) {
				t.Errorf("%q matches %q", args, path)
			}
		}
	}
	for _, pattern := range []string{"", "/", "/a", "a//b", "./a", "a/../b", "..", "a[", "a/{b", `a\`, "[]"} {
		var match func(string) bool
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		PatternsVar(f, &match, "accept", "")
		err := f.Parse([]string{"--accept", pattern})
		if err == nil {
			t.Errorf("the pattern %q is taken", pattern)
		} else if err = flagError(err); !strings.HasPrefix(err.Error(), "--accept: ") {
			t.Errorf("the pattern %q: %v", pattern, err)
		}
	}
}

func TestInterruptible(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	in := interruptible(ctx, r)
	io.WriteString(w, "x")
	var b [1]byte
	if _, err := io.ReadFull(in, b[:]); err != nil || b[0] != 'x' {
		t.Fatalf("read %q, %v", b, err)
	}
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := in.Read(b[:]); !errors.Is(err, stopped) {
		t.Errorf("reading on a silent pipe: %v, want the cause", err)
	}
}

func TestNoProgressWithoutATerminal(t *testing.T) {
	env, _, stderr := testEnv()
	p := env.Progress()
	p.Expect(1, 1)
	p.ExpectNoMore()
	p.Add(1, 1)
	p.Done()
	if p != nil || stderr.Len() > 0 {
		t.Errorf("drawn: %q", stderr)
	}
}

// TestPanicIsNoUsage: a program with a fault of its own must not exit with the code
// for wrong usage, of which jottasync keeps no report.
func TestPanicIsNoUsage(t *testing.T) {
	if os.Getenv("JOTTA_TEST_PANIC") != "" {
		os.Args = []string{"jtest"}
		os.Exit(New("jtest", "panic").Main(func(context.Context, *Env) error {
			done := make(chan struct{})
			go func() { panic("on purpose") }()
			<-done
			return nil
		}))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicIsNoUsage$")
	cmd.Env = append(os.Environ(), "JOTTA_TEST_PANIC=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() == ExitUsage || !strings.Contains(string(out), "on purpose") {
		t.Errorf("a program that panics ends with %v:\n%s", err, out)
	}
}

// A serial program uses one processor until it has much to do, unless it is told how many.
func TestSerial(t *testing.T) {
	if os.Getenv("JOTTA_TEST_SERIAL") != "" {
		os.Args = []string{"jtest"}
		cmd := New("jtest", "count processors")
		cmd.Serial = true
		os.Exit(cmd.Main(func(_ context.Context, env *Env) error {
			before := runtime.GOMAXPROCS(0)
			env.UseProcessors()
			env.UseProcessors()
			env.Printf("%d %d", before, runtime.GOMAXPROCS(0))
			return nil
		}))
	}
	for set, want := range map[string]string{"": fmt.Sprintf("1 %d", runtime.GOMAXPROCS(0)), "3": "3 3"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSerial$")
		cmd.Env = append(os.Environ(), "JOTTA_TEST_SERIAL=1", "GOMAXPROCS="+set)
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("GOMAXPROCS=%s: %q, %v, want %q", set, got, err, want)
		}
	}
}

// TestSignalReads: a run that was ended says so in words, wherever the cause of it is
// told.
func TestSignalReads(t *testing.T) {
	signals, signal := context.WithCancelCause(context.Background())
	ctx := explained(signals)
	signal(errors.New("terminated signal received")) // as signal.NotifyContext says it
	<-ctx.Done()
	const want = "the run was ended by a signal (terminated)"
	if got := context.Cause(ctx).Error(); got != want {
		t.Errorf("the cause is %q, want %q", got, want)
	}
	f, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer w.Close()
	in := record.NewReader(interruptible(ctx, f))
	for range in.All() {
	}
	if got := in.Whole(); got == nil || got.Error() != want {
		t.Errorf("the stream is not whole: %v, want %q", got, want)
	}
}
