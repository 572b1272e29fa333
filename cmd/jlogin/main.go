// Jlogin logs an account in and out, and shows who is logged in.
package main

import (
	"os"

	"jottatools/cmd/internal/jlogin"
)

func main() { os.Exit(jlogin.Main()) }
