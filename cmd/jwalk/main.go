// Jwalk lists folders as records, in tree order.
package main

import (
	"os"

	"jottatools/cmd/internal/jwalk"
)

func main() { os.Exit(jwalk.Main()) }
