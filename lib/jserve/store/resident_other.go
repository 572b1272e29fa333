//go:build !linux

package store

import bolt "go.etcd.io/bbolt"

// release does nothing here: other systems only take the advice when memory is
// short, and then they need none.
func release(*bolt.Tx) {}
