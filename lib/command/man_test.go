package command

import (
	"strings"
	"testing"
)

// TestMan: the page is roff, and no text in it, whatever it begins with, acts as a roff
// request.
func TestMan(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	c := New("jtest", "test - this, and 'that'")
	c.Args = "DIR…"
	c.Long = "One\n.two `three` ~/x.\n\nLike this:\n\n  a \\ b\n\n    c\n\nAnd on."
	c.Example = "  jtest 'a' |\n      jq"
	c.Environment, c.Files = [][2]string{{"A", "says b"}}, [][2]string{{"~/c", "is 'd'"}}
	var name string
	f := c.Flags()
	f.StringVar(&name, "name", "none", "call it `WHAT`, not \\x")
	f.Bool("with-care", false, ".carefully")
	f.IntP("jobs", "j", 6, "at most `N` at once")
	f.Bool("hidden", false, "")
	if err := f.MarkHidden("hidden"); err != nil {
		t.Fatal(err)
	}
	c.settle()
	var b strings.Builder
	if err := c.writeMan(&b); err != nil {
		t.Fatal(err)
	}
	want := `.TH JTEST 1 "Sep 2026" "jottatools ` + Version() + `"
.nh
.SH NAME
jtest \- test \- this, and \(aqthat\(aq
.SH SYNOPSIS
\fBjtest\fP [flags] DIR…
.SH DESCRIPTION
One
\&.two \(gathree\(ga \(ti/x.
.PP
Like this:
.sp
.EX
  a \e b

    c
.EE
.PP
And on.
.SH OPTIONS
.TP
\fB\-\-name\fP \fIWHAT\fP
call it WHAT, not \ex (default none)
.TP
\fB\-\-with\-care\fP
\&.carefully
.TP
\fB\-j\fP, \fB\-\-jobs\fP \fIN\fP
at most N at once (default 6)
`
	got, rest, _ := strings.Cut(b.String(), ".TP\n\\fB\\-v\\fP")
	if got != want {
		t.Errorf("the page begins\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(rest, "\n  130  interrupted\n.EE\n") || !strings.Contains(rest, ".SH EXAMPLES\n.sp\n.EX\n  jtest \\(aqa\\(aq |\n      jq\n.EE\n.SH ENVIRONMENT\n.TP\n\\fBA\\fP\nsays b\n.TP\n") ||
		!strings.Contains(rest, ".SH FILES\n.TP\n\\fB\\(ti/c\\fP\nis \\(aqd\\(aq\n.SH SEE ALSO\n\\fBjdiff\\fP(1), ") {
		t.Errorf("the page ends\n%s", rest)
	}
}
