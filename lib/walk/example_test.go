package walk_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"jottatools/lib/record"
	"jottatools/lib/walk"
)

// A tree is listed in order, with what a rule leaves out marked as ignored.
func ExampleTree() {
	root, err := os.MkdirTemp("", "walk-example-")
	if err != nil {
		log.Panic(err)
	}
	defer os.RemoveAll(root)
	for name, text := range map[string]string{".jottaignore": "*.tmp\n", "a.txt": "a", "b.tmp": "b", "c.txt": "c"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			log.Panic(err)
		}
	}

	err = walk.Tree(context.Background(), walk.Options{Root: root}, func(r *record.Record) error {
		fmt.Println(r.Kind, r.Path, r.Ignored)
		return nil
	})
	fmt.Println(err)
	// Output:
	// file .jottaignore false
	// file a.txt false
	// file b.tmp true
	// file c.txt false
	// <nil>
}
