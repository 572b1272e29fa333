// Jjob does for a job what is needed around its pipe.
package main

import (
	"os"

	"jottatools/cmd/internal/jjob"
)

func main() { os.Exit(jjob.Main()) }
