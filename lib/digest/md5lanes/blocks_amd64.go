package md5lanes

import "golang.org/x/sys/cpu"

// Parallel reports whether several messages take less time together than one after
// the other.
func Parallel() bool { return parallel }

var parallel = cpu.X86.HasAVX2

// blocks16 adds n bytes, a multiple of BlockSize, from each pointer to the state in
// its column. It needs AVX2.
//
//go:noescape
func blocks16(state *[4][Width]uint32, p *[Width]*byte, n int)
