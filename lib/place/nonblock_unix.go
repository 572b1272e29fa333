//go:build unix

package place

import "syscall"

// nonblock keeps the opening of a FIFO that took a file's place from waiting.
const nonblock = syscall.O_NONBLOCK
