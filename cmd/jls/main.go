// Jls lists what the service holds as records, in tree order.
package main

import (
	"os"

	"jottatools/cmd/internal/jls"
)

func main() { os.Exit(jls.Main()) }
