#!/bin/sh
# gronx 1.20.4: every 30 minutes means after 70 minutes when the clocks go back.
#
# Guess: "*/30 * * * *" is every 30 minutes, or at worst 60 of them are repeated.
# So is: of the hour that is there twice, only the second is seen. robfig/cron v3.0.1 sees both.
# Seen, from 01:50 of 2026-10-25 in Europe/Oslo:
#	gronx  2026-10-25T02:00:00+01:00 (70 minutes later)
#	robfig 2026-10-25T02:00:00+02:00 (10 minutes later)
. "$(dirname "$0")/lib.sh"
goprogram github.com/adhocore/gronx@v1.20.4 github.com/robfig/cron/v3@v3.0.1 <<'G'
package main

import (
	"fmt"
	"time"
	_ "time/tzdata"

	"github.com/adhocore/gronx"
	"github.com/robfig/cron/v3"
)

func main() {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		panic(err)
	}
	from := time.Date(2026, 10, 25, 1, 50, 0, 0, oslo)
	next, err := gronx.NextTickAfter("*/30 * * * *", from, false)
	fmt.Println("gronx", next.Sub(from), err)
	other, err := cron.ParseStandard("*/30 * * * *")
	fmt.Println("robfig", other.Next(from).Sub(from), err)
}
G
same 'the next run' "$("$tmp/program")" 'gronx 1h10m0s <nil>
robfig 10m0s <nil>'
