//go:build !linux

package command

import "os"

// widen does nothing: here a pipe holds what it holds.
func widen(*os.File) {}
