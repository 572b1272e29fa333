// Jreport sums up the records of a run.
package main

import (
	"os"

	"jottatools/cmd/internal/jreport"
)

func main() { os.Exit(jreport.Main()) }
