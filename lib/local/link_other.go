//go:build !unix

package local

import (
	"os"
	"time"
)

// SetLinkTime does nothing: links have no time of their own here that can be set.
func SetLinkTime(*os.File, string, time.Time) error { return nil }

// SetTime sets the time of modification of a file.
func SetTime(name string, mtime time.Time) error { return os.Chtimes(name, time.Time{}, mtime) }
