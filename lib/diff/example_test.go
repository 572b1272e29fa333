package diff_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"jottatools/lib/brake"
	"jottatools/lib/diff"
	"jottatools/lib/record"
)

// stream returns a whole stream of files with these paths and contents.
func stream(root string, files ...[2]string) *record.Reader {
	var b bytes.Buffer
	w := record.NewWriter(&b, "example")
	for _, f := range files {
		if err := w.Write(&record.Record{Kind: record.KindFile, Root: root, Path: f[0], Size: 1, MD5: f[1]}); err != nil {
			log.Panic(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Panic(err)
	}
	return record.NewReader(&b)
}

// everything keeps all records of a stream.
func everything(*record.Record) bool { return true }

// A plan says what is to be done for the target to become like the source.
func ExamplePlan() {
	const one, two = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"
	source := stream("/home/me", [2]string{"a", one}, [2]string{"b", two}, [2]string{"new", one})
	target, err := record.Sort(stream("", [2]string{"a", one}, [2]string{"b", one}, [2]string{"gone", one}), everything)
	if err != nil {
		log.Panic(err)
	}
	defer target.Close()

	err = diff.Plan(context.Background(), source, target, func(r *record.Record) error {
		fmt.Println(r.Action, r.Path, r.Reason)
		return nil
	}, diff.Options{Dest: "/Jotta/Archive/me", Prune: true, MaxDelete: brake.Limit{N: 50, Percent: true}})
	fmt.Println(err)
	// Output:
	// none a same
	// put b changed
	// put new new
	// delete gone gone
	// <nil>
}
