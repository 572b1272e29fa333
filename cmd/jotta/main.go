// Jotta is all programs in one file: it is the one under whose name it is started.
//
// Usage:
//
//	jotta --install DIR
//	jotta PROGRAM [ARG…]
//
// Each program's text is in cmd/internal, and shared with the one in cmd that is built
// alone.
package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jottatools/cmd/internal/jdiff"
	"jottatools/cmd/internal/jfuse"
	"jottatools/cmd/internal/jget"
	"jottatools/cmd/internal/jhash"
	"jottatools/cmd/internal/jjob"
	"jottatools/cmd/internal/jlogin"
	"jottatools/cmd/internal/jls"
	"jottatools/cmd/internal/jput"
	"jottatools/cmd/internal/jreport"
	"jottatools/cmd/internal/jrm"
	"jottatools/cmd/internal/jserve"
	"jottatools/cmd/internal/jshare"
	"jottatools/cmd/internal/jverify"
	"jottatools/cmd/internal/jwalk"
	"jottatools/lib/command"
)

// programs are what jotta can be. Each takes its arguments from os.Args.
var programs = map[string]func() int{
	"jdiff":   jdiff.Main,
	"jfuse":   jfuse.Main,
	"jget":    jget.Main,
	"jhash":   jhash.Main,
	"jjob":    jjob.Main,
	"jlogin":  jlogin.Main,
	"jls":     jls.Main,
	"jput":    jput.Main,
	"jreport": jreport.Main,
	"jrm":     jrm.Main,
	"jserve":  jserve.Main,
	"jshare":  jshare.Main,
	"jverify": jverify.Main,
	"jwalk":   jwalk.Main,
}

const long = `Jotta is one file with all programs of the toolkit. It runs the program whose name
it was started under, for example through a link, or whose name is the first
argument.

"jotta --install DIR" makes links in DIR that lead to jotta. It replaces links that
exist, but not files.`

const example = `  jotta --install ~/bin
  jotta jwalk ~/photos | jotta jhash`

func main() {
	command.OneFile = true
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if programs[name] == nil && len(os.Args) > 1 && programs[os.Args[1]] != nil {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	if program := programs[name]; program != nil {
		os.Exit(program())
	}
	os.Exit(itself())
}

// itself is jotta under its own name.
func itself() int {
	cmd := command.New("jotta", "all programs of the toolkit in one file")
	cmd.Long, cmd.Example = long, example
	cmd.Args, cmd.Verbs = "[PROGRAM ARG…]", slices.Sorted(maps.Keys(programs))
	cmd.Alone = true
	dir := cmd.Flags().String("install", "", "make links to this file in `DIR`, one for each program")
	return cmd.Main(func(_ context.Context, env *command.Env) error {
		all := strings.Join(cmd.Verbs, ", ")
		switch {
		case len(env.Args) > 0:
			return command.Usagef("jotta has no program %q; it has %s", env.Args[0], all)
		case *dir == "":
			return command.Usagef("say which program: %s", all)
		}
		return install(*dir, cmd.Verbs)
	})
}
