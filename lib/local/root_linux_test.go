package local

import "testing"

// ways runs a test with openat2, if the kernel has it, and as if it had not.
func ways(t *testing.T, test func(*testing.T)) {
	t.Run("openat2", test)
	had := !noOpenat2.Swap(true)
	t.Run("part by part", test)
	noOpenat2.Store(!had)
}
