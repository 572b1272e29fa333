#!/bin/sh
# hashicorp/cronexpr 1.1.3: the range 5-7 is Friday and Saturday; Sunday is lost, and nothing says so.
#
# Guess: 7 is Sunday in a range, too, as in crontab(5), or is refused.
# So is: 7 alone is Sunday, and 5-7 is not.
# Seen, from Tuesday, 2026-12-01:
#	0 0 * * 7    2026-12-06, 2026-12-13, 2026-12-20
#	0 0 * * 5-7  2026-12-04, 2026-12-05, 2026-12-11
. "$(dirname "$0")/lib.sh"
goprogram github.com/hashicorp/cronexpr@v1.1.3 <<'G'
package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/cronexpr"
)

func main() {
	for _, line := range []string{"0 0 * * 7", "0 0 * * 5-7"} {
		t := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
		fmt.Print(line, ":")
		for _, next := range cronexpr.MustParse(line).NextN(t, 3) {
			fmt.Print(next.Format(" 2006-01-02"))
		}
		fmt.Println()
	}
}
G
same 'the next days' "$("$tmp/program")" '0 0 * * 7: 2026-12-06 2026-12-13 2026-12-20
0 0 * * 5-7: 2026-12-04 2026-12-05 2026-12-11'
