// Jget fetches from the service what a listing or a plan says.
package main

import (
	"os"

	"jottatools/cmd/internal/jget"
)

func main() { os.Exit(jget.Main()) }
