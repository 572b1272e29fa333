#!/bin/sh
# go-git 5.19.3 reads .gitignore otherwise than git: [!a] means the opposite, [[:digit:]] never matches, and x/** ignores x itself.
#
# Guess: plumbing/format/gitignore decides as git check-ignore does.
# So is: classes go to filepath.Match, in which ! is a character like others and only ^ negates.
# Seen (git 2.39.5 of Debian 12 beside it; y: ignored):
#	pattern       path  git  go-git
#	[!a]z         bz    y    n
#	[!a]z         az    n    y
#	[[:digit:]]y  1y    y    n
#	e[]]f         e]f   y    n
#	x/**          x     n    y
. "$(dirname "$0")/lib.sh"
debs git=1:2.39.5-0+deb12u3
goprogram github.com/go-git/go-git/v5@v5.19.3 <<'G'
package main

import (
	"fmt"
	"os"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

func main() {
	m := gitignore.NewMatcher([]gitignore.Pattern{gitignore.ParsePattern(os.Args[1], nil)})
	fi, err := os.Stat(os.Args[2])
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Match([]string{os.Args[2]}, fi.IsDir()))
}
G
cd "$tmp"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TEMPLATE_DIR='' GIT_EXEC_PATH="$tmp/root/usr/lib/git-core"
git init -q repository
cd repository
mkdir x
touch az bz 1y 'e]f'
judge() { # PATTERN PATH
	printf '%s\n' "$1" >.git/exclude
	if git -c core.excludesFile=.git/exclude check-ignore -q --no-index -- "$2"; then one=true; else one=false; fi
	echo "$one $("$tmp/program" "$1" "$2")"
}
same '[!a]z, bz' "$(judge '[!a]z' bz)" 'true false'
same '[!a]z, az' "$(judge '[!a]z' az)" 'false true'
same '[[:digit:]]y, 1y' "$(judge '[[:digit:]]y' 1y)" 'true false'
same 'e[]]f, e]f' "$(judge 'e[]]f' 'e]f')" 'true false'
same 'x/**, x' "$(judge 'x/**' x)" 'false true'
