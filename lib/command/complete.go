package command

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Candidates returns what the beginning of a word can be completed to. What ends with "/"
// can be completed further.
type Candidates func(ctx context.Context, typed string) []string

// patience is how long somebody who presses the tab key waits.
const patience = 3 * time.Second

// CompleteArgs has shells complete the arguments, after [Command.Verbs] if there are any.
func (c *Command) CompleteArgs(candidates Candidates) { c.candidates = candidates }

// CompleteFlag has shells complete the value of a flag.
func (c *Command) CompleteFlag(name string, candidates Candidates) {
	complete := func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return completions(cmd.Context(), candidates, typed)
	}
	if err := c.cobra.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // there is no such flag: a fault of the program
	}
}

// CompleteValues has shells complete the value of a flag to one of values.
func (c *Command) CompleteValues(name string, values ...string) {
	c.CompleteFlag(name, func(context.Context, string) []string { return values })
}

// completeArgs completes an argument to a verb, or as the program does.
func (c *Command) completeArgs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 && len(c.Verbs) > 0 {
		if c.candidates == nil {
			return c.Verbs, cobra.ShellCompDirectiveNoFileComp
		}
		if verbs := beginWith(c.Verbs, typed); len(verbs) > 0 {
			return verbs, cobra.ShellCompDirectiveDefault
		}
	}
	if c.candidates == nil {
		return nil, cobra.ShellCompDirectiveDefault // files
	}
	return completions(cmd.Context(), c.candidates, typed)
}

func completions(ctx context.Context, candidates Candidates, typed string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := beginWith(candidates(ctx, typed), typed)
	if len(found) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, word := range found {
		if strings.HasSuffix(word, "/") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return found, directive
}

func beginWith(words []string, typed string) []string {
	var found []string
	for _, word := range words {
		if strings.HasPrefix(word, typed) && !strings.ContainsAny(word, "\n\t") { // which would end it
			found = append(found, word)
		}
	}
	return found
}

func (c *Command) complete(w io.Writer) error {
	switch c.shell {
	case "bash":
		return c.cobra.GenBashCompletionV2(w, true)
	case "zsh":
		return c.cobra.GenZshCompletion(w)
	case "fish":
		return c.cobra.GenFishCompletion(w, true)
	}
	return Usagef("--completion knows bash, zsh and fish, not %q", c.shell)
}
