// Atmost leaves out files larger than a number of bytes: jwalk DIR | atmost 1000000 | jhash
package main

import (
	"errors"
	"log"
	"os"
	"strconv"

	"jottatools/lib/record"
)

func main() {
	log.SetFlags(0)
	limit, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err == nil {
		err = atMost(limit)
	}
	if err != nil {
		log.Fatalf("atmost: %v", err)
	}
}

func atMost(limit int64) error {
	in, out := record.NewReader(os.Stdin), record.NewWriter(os.Stdout, "atmost")
	for r := range in.All() {
		if r.Kind == record.KindFile && r.Size > limit && r.Error == nil && !r.Ignored {
			r.Ignored, r.Reason = true, record.ReasonLarge
		}
		out.Write(r) // Close returns the first error
	}
	whole := in.Whole()
	if whole != nil {
		out.Incomplete()
	}
	out.Inherit(in.End())
	return errors.Join(whole, out.Close())
}
