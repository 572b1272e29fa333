// Jserve is a Jottacloud-compatible server on this machine.
package main

import (
	"os"

	"jottatools/cmd/internal/jserve"
)

func main() { os.Exit(jserve.Main()) }
