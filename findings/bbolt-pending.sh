#!/bin/sh
# bbolt 1.5.0: within the transaction that made it, an empty value is nil, as if the key were not there.
#
# Guess: Put(key, nil) and then Get(key) gives an empty value, before the commit as after it.
# So is: before the commit Get returns nil; afterwards it returns an empty value that is not nil.
# Stats of the bucket do not see what the transaction has changed, either.
# Seen: in the transaction nil: true, after it nil: false; 1000 keys deleted, KeyN 1000, then 0.
. "$(dirname "$0")/lib.sh"
goprogram go.etcd.io/bbolt@v1.5.0 <<'G'
package main

import (
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	db, err := bolt.Open(filepath.Join(os.Args[1], "x.db"), 0o600, nil)
	must(err)
	name, key := []byte("b"), []byte("empty")
	must(db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket(name)
		must(err)
		must(b.Put(key, nil))
		fmt.Println("in the transaction, nil:", b.Get(key) == nil)
		return nil
	}))
	must(db.View(func(tx *bolt.Tx) error {
		fmt.Println("after it, nil:", tx.Bucket(name).Get(key) == nil)
		return nil
	}))
	must(db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(name)
		must(b.Delete(key))
		for i := range 1000 {
			must(b.Put(fmt.Appendf(nil, "%04d", i), key))
		}
		return nil
	}))
	must(db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(name)
		for i := range 1000 {
			must(b.Delete(fmt.Appendf(nil, "%04d", i)))
		}
		fmt.Println("all deleted, keys:", b.Stats().KeyN)
		return nil
	}))
	must(db.View(func(tx *bolt.Tx) error {
		fmt.Println("after it, keys:", tx.Bucket(name).Stats().KeyN)
		return nil
	}))
}
G
same 'what is seen' "$("$tmp/program" "$tmp")" 'in the transaction, nil: true
after it, nil: false
all deleted, keys: 1000
after it, keys: 0'
