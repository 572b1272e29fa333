// Jhash adds the MD5 of each file to its record.
package main

import (
	"os"

	"jottatools/cmd/internal/jhash"
)

func main() { os.Exit(jhash.Main()) }
