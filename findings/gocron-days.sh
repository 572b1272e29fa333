#!/bin/sh
# netresearch/go-cron 0.9.1, a fork of robfig/cron: with a day of the month and a day of the week, both have to be met.
#
# Guess: either is enough, as in crontab(5) and in robfig/cron, which it replaces.
# So is: "0 3 1,15 * 1" runs when the 1st or the 15th is a Monday: not once in the second half of 2026.
# Seen, from 2026-07-01:
#	robfig/cron v3.0.1  2026-07-06, 2026-07-13, 2026-07-15
#	go-cron v0.9.1      2027-02-01, 2027-02-15, 2027-03-01
. "$(dirname "$0")/lib.sh"
goprogram github.com/netresearch/go-cron@v0.9.1 github.com/robfig/cron/v3@v3.0.1 <<'G'
package main

import (
	"fmt"
	"time"

	fork "github.com/netresearch/go-cron"
	"github.com/robfig/cron/v3"
)

type schedule interface{ Next(time.Time) time.Time }

func three(s schedule) {
	t := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for range 3 {
		t = s.Next(t)
		fmt.Print(t.Format("2006-01-02 "))
	}
	fmt.Println()
}

func main() {
	a, err := cron.ParseStandard("0 3 1,15 * 1")
	if err != nil {
		panic(err)
	}
	b, err := fork.ParseStandard("0 3 1,15 * 1")
	if err != nil {
		panic(err)
	}
	three(a)
	three(b)
}
G
same 'the next days' "$("$tmp/program")" '2026-07-06 2026-07-13 2026-07-15 
2027-02-01 2027-02-15 2027-03-01 '
