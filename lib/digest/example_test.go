package digest_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"jottatools/lib/digest"
	"jottatools/lib/record"
)

// A stream of records gets the MD5 of each file, in the order in which the records came.
func ExampleRecords() {
	root, err := os.MkdirTemp("", "digest-example-")
	if err != nil {
		log.Panic(err)
	}
	defer os.RemoveAll(root)
	var stream bytes.Buffer
	in := record.NewWriter(&stream, "example")
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o600); err != nil {
			log.Panic(err)
		}
		if err := in.Write(&record.Record{Kind: record.KindFile, Root: root, Path: name, Size: 1}); err != nil {
			log.Panic(err)
		}
	}
	if err := in.Close(); err != nil { // with the end record, which says that this is all
		log.Panic(err)
	}

	var hashed bytes.Buffer
	out := record.NewWriter(&hashed, "example")
	if err := digest.Records(context.Background(), out, record.NewReader(&stream), digest.Options{}); err != nil {
		log.Panic(err)
	}
	if err := out.Close(); err != nil {
		log.Panic(err)
	}
	read := record.NewReader(&hashed)
	for r := range read.All() {
		fmt.Println(r.Path, r.MD5)
	}
	fmt.Println(read.Whole())
	// Output:
	// a 0cc175b9c0f1b6a831c399e269772661
	// b 92eb5ffee6ae2fec3ad71c777531578f
	// <nil>
}
