// Jrm deletes on the service: what a plan says is gone, or what is named.
package main

import (
	"os"

	"jottatools/cmd/internal/jrm"
)

func main() { os.Exit(jrm.Main()) }
