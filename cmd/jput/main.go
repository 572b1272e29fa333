// Jput uploads what a plan says.
package main

import (
	"os"

	"jottatools/cmd/internal/jput"
)

func main() { os.Exit(jput.Main()) }
