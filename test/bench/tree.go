package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// treeSpec says what a tree is like. Two trees of one spec and seed are the same.
type treeSpec struct {
	files int
	size  int64 // bytes of each file; 0: 9 KB on average, most of them smaller
	alike bool  // all files have the same content
}

// tree is a tree on disk.
type tree struct {
	dir            string
	files, entries int64
	bytes          int64
}

// tree makes a tree, unless an earlier run left it in --dir.
func (w *world) tree(ctx context.Context, spec treeSpec) (tree, error) {
	dir := filepath.Join(w.trees, fmt.Sprintf("tree-%d-%d-%d-%t", w.o.seed, spec.files, spec.size, spec.alike))
	made := dir + ".made"
	_, err := os.Stat(made)
	there := err == nil
	if !there {
		if err := os.RemoveAll(dir); err != nil {
			return tree{}, err
		}
	}
	t, err := generate(ctx, dir, spec, w.o.seed, there)
	if err == nil && !there {
		err = os.WriteFile(made, nil, 0o600)
	}
	return t, err
}

const (
	perFolder = 100 // files
	years     = 10  // folders at the top of a tree, however large it is
)

// generate makes a tree, or only says what it would be like.
func generate(ctx context.Context, root string, spec treeSpec, seed uint64, there bool) (tree, error) {
	random := rand.New(rand.NewPCG(seed, seed))
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = byte(random.Uint32())
	}
	t := tree{dir: root, files: int64(spec.files)}
	folder := ""
	for i := range spec.files {
		if i%perFolder == 0 {
			if ctx.Err() != nil {
				return t, context.Cause(ctx)
			}
			album := i / perFolder
			folder = filepath.Join(root, fmt.Sprintf("year %d", 2000+album%years), fmt.Sprintf("album %05d", album))
			if !there {
				if err := os.MkdirAll(folder, 0o755); err != nil {
					return t, err
				}
			}
			t.entries++
			if album < years {
				t.entries++
			}
		}
		length := spec.size
		if length == 0 {
			length = min(int64(random.ExpFloat64()*9000), 1<<20)
		}
		if !there {
			id := fmt.Sprintf("%016x", i)
			if spec.alike {
				id = ""
			}
			if err := write(filepath.Join(folder, fmt.Sprintf("IMG_%06d.jpg", i)), id, length, block); err != nil {
				return t, err
			}
		}
		t.bytes += length
		t.entries++
	}
	return t, nil
}

// write makes a file. Its content begins with id, so that no other has the same.
func write(name, id string, length int64, block []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	head := id[:min(length, int64(len(id)))]
	io.WriteString(w, head)
	for left := length - int64(len(head)); left > 0; left -= int64(len(block)) {
		w.Write(block[:min(left, int64(len(block)))])
	}
	return errors.Join(w.Flush(), f.Close())
}
