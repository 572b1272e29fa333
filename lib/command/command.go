// Package command has the parts that all programs share: the command line, the streams,
// signals, messages, progress and exit codes. A main declares its flags, passes one
// function to [Command.Main], and exits with the result.
//
// The package uses cobra for command lines and hides it, so that help, man page and
// completions come from one declaration. It has no logic of any program.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// OneFile says that this executable is all programs, and the one under whose name it is
// started. Cmd/jotta sets it before anything else happens.
var OneFile bool

// Command is one program: its name, its flags and its help.
type Command struct {
	Long    string   // what the program does, for its help and man page
	Example string   // indented lines of shell
	Args    string   // the arguments in the usage line, such as "DIR…"; with several lines, several ways
	Verbs   []string // words that the shell completes the first argument to
	Alone   bool     // it is no part of a pipe, whose programs speak for each other
	// Environment and Files are what the program goes by besides what all do: a name and
	// what it means, for the man page.
	Environment, Files [][2]string

	Garbage int  // how much garbage may wait, in percent of what is kept; 0: gcPercent
	Online  bool // it speaks to the service: the man page says what chooses the account
	Serial  bool // it does one thing after the other, until [Env.UseProcessors] is called

	cobra      *cobra.Command
	candidates Candidates // for the arguments; may be nil
	headings   []heading

	version bool
	man     bool
	shell   string
	profile profile
	env     Env
}

// New returns the program called name; short says in a few words what it does.
func New(name, short string) *Command {
	c := &Command{cobra: &cobra.Command{
		Use:                   name,
		Short:                 short,
		Args:                  cobra.ArbitraryArgs,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
	}}
	f := c.cobra.Flags()
	f.SortFlags = false
	c.cobra.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	return c
}

// Name returns the program's name.
func (c *Command) Name() string { return c.cobra.Name() }

// Flags returns the program's own flags, to declare them.
func (c *Command) Flags() *pflag.FlagSet { return c.cobra.Flags() }

// SetArgs has the program take args as its command line, not those of the process.
func (c *Command) SetArgs(args []string) { c.cobra.SetArgs(args) }

// gcPercent makes the collector run four times as often as it would by itself. What
// the programs keep is small and what they throw away is much, so that most of
// their memory is garbage that waits: this keeps that small for a few percent of time.
const gcPercent = 25

// Main runs the program and returns its exit code. It parses the command line,
// then calls run with a context that ends at the first SIGINT, SIGTERM or SIGHUP;
// a second one kills at once. An error of run is printed, and gives the code.
func (c *Command) Main(run func(ctx context.Context, env *Env) error) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(cmp.Or(c.Garbage, gcPercent))
	}
	if c.Serial && os.Getenv("GOMAXPROCS") == "" {
		// The programs of a pipe run side by side already. One that would spread its own
		// few goroutines over processors, too, loses up to a seventh of its time to that.
		c.env.processors = runtime.GOMAXPROCS(1)
	}
	// A panic ends a program with the code 2, which means wrong usage. Now it dies of
	// a signal.
	debug.SetTraceback("crash")
	ctx, stop := signal.NotifyContext(context.Background(), heard()...)
	defer stop()
	context.AfterFunc(ctx, stop)
	ctx, cancel := leash(explained(ctx))
	defer cancel()
	c.env.start(ctx, c)
	err := c.execute(ctx, run)
	return c.report(ctx, errors.Join(err, c.env.finish()))
}

// report prints err and returns the exit code for it.
func (c *Command) report(ctx context.Context, err error) int {
	code := c.env.tellAll(ctx, err, c.Alone)
	if code == ExitUsage {
		c.env.Errorf("try %s --help", c.Name())
	}
	return code
}

// Tell prints an error, as if the program ended with it, and returns the exit code for it.
func (e *Env) Tell(ctx context.Context, err error) int { return e.tellAll(ctx, err, false) }

// tellAll prints what err joins. Alone is as in [Command].
func (e *Env) tellAll(ctx context.Context, err error, alone bool) int {
	for _, leaf := range leaves(err) {
		switch message := leaf.Error(); {
		case message == "" || isBrokenPipe(leaf):
		case isTold(leaf) && !alone, ctx.Err() != nil && onLeash():
			e.Infof("%s", message)
		default:
			e.Errorf("%s", message)
		}
	}
	return exitCode(ctx, err)
}

// Help prints the help.
func (c *Command) Help() error { return c.cobra.Help() }

// settle completes the declaration by what all programs share.
func (c *Command) settle() {
	c.sharedFlags()
	c.cobra.Use = c.Name()
	c.cobra.Long = c.Long
	if c.Long == "" {
		c.cobra.Long = strings.ToUpper(c.cobra.Short[:1]) + c.cobra.Short[1:] + "."
	}
	c.cobra.ValidArgsFunction = c.completeArgs
}

func (c *Command) execute(ctx context.Context, run func(context.Context, *Env) error) error {
	c.settle()
	help := &firstError{Writer: os.Stdout}
	// Not SetHelpTemplate: with templates the linker has to keep every exported method.
	c.cobra.SetHelpFunc(func(*cobra.Command, []string) { c.writeHelp(help) })
	c.cobra.SetOut(help)
	c.cobra.SetErr(io.Discard) // what it says of help that cannot be written, we say, too
	c.cobra.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case c.version:
			_, err := fmt.Fprintln(os.Stdout, c.Name(), Version(), runtime.Version())
			return err
		case c.man:
			return c.writeMan(os.Stdout)
		case c.shell != "":
			return c.complete(os.Stdout)
		}
		if format := c.env.logFormat; format != "text" && format != "json" {
			return Usagef("--log-format must be text or json, not %q", format)
		}
		c.env.Args = args
		stop, err := c.profile.start()
		if err != nil {
			return err
		}
		return errors.Join(run(ctx, &c.env), stop())
	}
	return errors.Join(c.cobra.ExecuteContext(ctx), help.err)
}

// usageLines returns the ways to call the program.
func (c *Command) usageLines() []string {
	var lines []string
	for args := range strings.SplitSeq(c.Args, "\n") {
		lines = append(lines, strings.TrimSpace(c.Name()+" [flags] "+args))
	}
	return lines
}

// firstError keeps the first error of writing, for those who do not ask for it.
type firstError struct {
	io.Writer
	err error
}

func (w *firstError) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

func (c *Command) sharedFlags() {
	f := c.cobra.Flags()
	f.VarPF(&c.env.verbose, "verbose", "v", "print more on standard error; twice for details").NoOptDefVal = "true"
	f.BoolVarP(&c.env.quiet, "quiet", "q", false, "print only errors, no progress")
	f.StringVar(&c.env.logFormat, "log-format", "text", "write messages as `FORMAT`: text or json")
	f.BoolVar(&c.version, "version", false, "print the version and exit")
	f.BoolVar(&c.man, "man", false, "print the man page and exit")
	f.StringVar(&c.shell, "completion", "", "print the completion script for `SHELL` (bash, zsh, fish) and exit")
	c.CompleteValues("log-format", "text", "json")
	c.CompleteValues("completion", "bash", "zsh", "fish")
	c.profile.flags(f)
	f.BoolP("help", "h", false, "print this help and exit")
}

// writeHelp writes the help.
func (c *Command) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "%s - %s\n\nUsage:\n  %s\n\n%s\n", c.Name(), c.cobra.Short, strings.Join(c.usageLines(), "\n  "), fill(c.cobra.Long))
	for _, s := range c.sections("Flags") {
		fmt.Fprintf(w, "\n%s:\n%s\n", s.title, strings.TrimRight(s.flags.FlagUsagesWrapped(helpWidth), "\n"))
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	fmt.Fprintf(w, "\nExit codes:\n%s", exitTable)
}

// helpWidth is the width of a terminal that nobody has made wider.
const helpWidth = 80

// fill breaks the lines of paragraphs anew, so that none is wider than a terminal.
// Indented lines stay as they are.
func fill(text string) string {
	var b strings.Builder
	width := 0 // of the line so far
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if line == "\n" || line[0] == ' ' {
			if width > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line)
			width = 0
			continue
		}
		for word := range strings.FieldsSeq(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case width == 0:
			case width+1+n > helpWidth:
				b.WriteByte('\n')
				width = 0
			default:
				b.WriteByte(' ')
				width++
			}
			b.WriteString(word)
			width += n
		}
	}
	return b.String()
}

// Version returns the version that the program was built from: the module's, or
// the commit's, or "(devel)".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "(devel)"
}
