// Jdiff says what to do so that a remote folder becomes like a local tree.
package main

import (
	"os"

	"jottatools/cmd/internal/jdiff"
)

func main() { os.Exit(jdiff.Main()) }
