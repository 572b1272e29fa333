// Jverify reads back what is stored and compares it with what is on disk.
package main

import (
	"os"

	"jottatools/cmd/internal/jverify"
)

func main() { os.Exit(jverify.Main()) }
