//go:build !amd64

package md5lanes

// Parallel reports whether several messages take less time together than one after
// the other.
func Parallel() bool { return false }

func blocks16(*[4][Width]uint32, *[Width]*byte, int) { panic("never called") }
