package store

import (
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// release takes the pages of the database out of this process's memory. They
// stay in the system's cache, from where they come back at a touch. Without it a
// long scan leaves the whole database mapped, as many times the memory as it needs.
// Must be called in a transaction, which keeps the mapping where it is.
func release(b *bolt.Tx) {
	// A failure costs memory, nothing else.
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, b.DB().Info().Data, uintptr(b.Size()), unix.MADV_DONTNEED)
}
