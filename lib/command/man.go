package command

import (
	"fmt"
	"io"
	"os"
	"slices"
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
	b.WriteString(".SH SYNOPSIS\n")
	for i, usage := range c.usageLines() {
		if i > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, "\\fB%s\\fP %s\n", c.Name(), roff(strings.TrimPrefix(usage, c.Name()+" ")))
	}
	b.WriteString(".SH DESCRIPTION\n")
	manText(&b, c.cobra.Long)
	b.WriteString(".SH OPTIONS\n")
	for i, s := range c.sections("") {
		if i > 0 {
			b.WriteString(".SS " + roff(s.title) + "\n")
		}
		s.flags.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				manFlag(&b, f)
			}
		})
	}
	b.WriteString(".SH EXIT STATUS\n")
	manText(&b, exitTable)
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		manText(&b, c.Example)
	}
	environment, files := c.Environment, c.Files
	if c.Online {
		environment, files = slices.Concat(environment, onlineEnvironment), slices.Concat(files, onlineFiles)
	}
	manTerms(&b, "ENVIRONMENT", slices.Concat(environment, sharedEnvironment))
	manTerms(&b, "FILES", files)
	var others []string
	for _, name := range pages {
		if name != c.Name() {
			others = append(others, fmt.Sprintf("\\fB%s\\fP(1)", name))
		}
	}
	b.WriteString(".SH SEE ALSO\n" + strings.Join(others, ", ") + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// pages are the man pages there are.
var pages = []string{
	"jdiff", "jfuse", "jget", "jhash", "jjob", "jlogin", "jls", "jotta", "jottarestore", "jottasync",
	"jput", "jreport", "jrm", "jserve", "jshare", "jverify", "jwalk",
}

// What all programs go by, and those that speak to the service.
var (
	sharedEnvironment = [][2]string{
		{"JOTTA_KNOWN", "a file with paths, one a line: problems with them are not reported, and do not change the exit code"},
		{"JOTTA_PROGRESS", "1 draws a progress line on a terminal although the output is a pipe, 0 draws none; programs that have the path of one file here draw by turns"},
		{"TMPDIR", "where streams too large for the memory are sorted"},
	}
	onlineEnvironment = [][2]string{
		{"JOTTA_PROFILE", "the login that is used, by the name that jlogin keeps it under"},
		{"JOTTA_ENDPOINT", "another server, such as http://127.0.0.1:7070 or unix:/run/jserve.sock"},
		{"JOTTACLOUD_USERNAME, JOTTACLOUD_PASSWORD", "go before a login; for servers that take passwords"},
		{"JOTTA_UPLOAD_HOSTS", "hosts besides the server's own that it may have content sent to, with commas between them"},
		{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "the proxy that requests go through"},
		{"SSL_CERT_FILE, SSL_CERT_DIR", "certificates to trust"},
	}
	onlineFiles = [][2]string{
		{"$XDG_CONFIG_HOME/jottatools/config.toml", "settings (default: beneath ~/.config)"},
		{"$XDG_STATE_HOME/jottatools/", "logins, readable by their owner only (default: beneath ~/.local/state)"},
		{"~/.netrc", "user and password, of the host that is asked, if there is no login; or the file that NETRC names"},
	}
)

// manTerms writes a section with terms and what they mean.
func manTerms(b *strings.Builder, title string, terms [][2]string) {
	if len(terms) == 0 {
		return
	}
	b.WriteString(".SH " + title + "\n")
	for _, term := range terms {
		fmt.Fprintf(b, ".TP\n\\fB%s\\fP\n%s\n", roff(term[0]), roff(term[1]))
	}
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
