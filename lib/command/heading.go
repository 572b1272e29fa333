package command

import "github.com/spf13/pflag"

// heading stands in the help above the flags from one on.
type heading struct {
	at   int // how many flags come before
	text string
}

// Heading begins a group of flags in the help: those that are declared from now on.
func (c *Command) Heading(text string) {
	n := 0
	c.Flags().VisitAll(func(*pflag.Flag) { n++ })
	c.headings = append(c.headings, heading{n, text})
}

// section is a group of flags under a title.
type section struct {
	title string
	flags *pflag.FlagSet
}

// sections returns the groups of flags; those before the first heading are under title.
func (c *Command) sections(title string) []section {
	var all []section
	begin := func(title string) {
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SortFlags = false
		all = append(all, section{title, set})
	}
	headings, n := c.headings, 0
	c.cobra.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch {
		case len(headings) > 0 && headings[0].at == n:
			begin(headings[0].text)
			headings = headings[1:]
		case n == 0:
			begin(title)
		}
		all[len(all)-1].flags.AddFlag(f)
		n++
	})
	return all
}
