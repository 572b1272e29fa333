// Jfuse mounts the account as a folder.
package main

import (
	"os"

	"jottatools/cmd/internal/jfuse"
)

func main() { os.Exit(jfuse.Main()) }
