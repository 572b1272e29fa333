package command

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// writeMan writes the man page, in roff, out of what the help shows. Its date is
// SOURCE_DATE_EPOCH if that is set, so that packages can be built again.
func (c *Command) writeMan(w io.Writer) error {
	date := time.Now()
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return Usagef("SOURCE_DATE_EPOCH: %q is not a number of seconds", epoch)
		}
		date = time.Unix(seconds, 0).UTC()
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %q %q\n.nh\n", strings.ToUpper(c.Name()), date.Format("Jan 2006"), "jottatools "+Version())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", c.Name(), roff(c.cobra.Short))
	usage := strings.TrimPrefix(c.cobra.UseLine(), c.Name()+" ")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fP %s\n", c.Name(), roff(usage))
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, c.cobra.Long)
	b.WriteString(".SH OPTIONS\n")
	c.cobra.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			manFlag(&b, f)
		}
	})
	b.WriteString(".SH EXIT STATUS\n")
	manText(&b, exitTable)
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		manText(&b, c.Example)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// manText writes paragraphs. Indented lines stay as they are, as in the help.
func manText(b *strings.Builder, text string) {
	verbatim, blank := false, false
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			blank = true
			continue
		}
		switch indented := line[0] == ' '; {
		case indented && !verbatim:
			b.WriteString(".sp\n.EX\n")
		case !indented && verbatim:
			b.WriteString(".EE\n.PP\n")
		case blank && verbatim:
			b.WriteString("\n")
		case blank:
			b.WriteString(".PP\n")
		}
		verbatim, blank = line[0] == ' ', false
		b.WriteString(roff(line) + "\n")
	}
	if verbatim {
		b.WriteString(".EE\n")
	}
}

// manFlag writes the entry of a flag.
func manFlag(b *strings.Builder, f *pflag.Flag) {
	b.WriteString(".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "\\fB\\-%s\\fP, ", f.Shorthand)
	}
	fmt.Fprintf(b, "\\fB\\-\\-%s\\fP", roff(f.Name))
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		fmt.Fprintf(b, " \\fI%s\\fP", roff(value))
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	b.WriteString("\n" + roff(usage) + "\n")
}

// roffEscapes has typesetters show what is there: a hyphen that can be copied, for
// instance, and no ligature of quotes.
var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// roff returns a line of text that typesetters take as it is.
func roff(line string) string {
	line = roffEscapes.Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
