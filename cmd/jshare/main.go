// Jshare gives public links to files: it uploads them, shares them and prints the
// link.
package main

import (
	"os"

	"jottatools/cmd/internal/jshare"
)

func main() { os.Exit(jshare.Main()) }
