//go:build !unix

package place

// nonblock is not needed: FIFOs have no place in the tree here.
const nonblock = 0
