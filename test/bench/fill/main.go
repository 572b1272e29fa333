// Fill makes a store of jserve hold a tree, without a server.
//
// Usage:
//
//	fill STORE USER TREE FOLDER
//
// The files of TREE must all have the same content, and no server may have STORE
// open. It is then as an upload of TREE to FOLDER would have left it, which takes a
// quarter of an hour for a million files. A program of its own, it leaves the memory
// of the benchmark small, which is part of what that measures of others.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"jottatools/lib/jserve/store"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: fill STORE USER TREE FOLDER")
		os.Exit(2)
	}
	if err := fill(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
}

// workers is how many files are stored at once: as many changes share a commit.
const workers = 256

// file is a file on its way into the store.
type file struct {
	path    store.Path
	content store.Content
}

func fill(ctx context.Context, dir, user, tree, folder string) (err error) {
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.EnsureUser(user); err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	files := make(chan file)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for f := range files {
				a, err := s.Allocate(user, f.path, f.content)
				if err == nil && a.State != store.Completed {
					err = fmt.Errorf("%s is not like the first file", f.path)
				}
				if err != nil {
					fail(err)
				}
			}
		})
	}
	var content *store.Content
	err = filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, context.Cause(ctx))
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		p := pathOf(folder + strings.TrimPrefix(name, tree))
		if content == nil {
			if content, err = bring(ctx, s, user, p, name); err != nil {
				return err
			}
		}
		c := *content
		c.Created = store.At(fi.ModTime().Unix())
		c.Modified = c.Created
		files <- file{p, c}
		return nil
	})
	close(files)
	all.Wait()
	return errors.Join(err, context.Cause(ctx))
}

// pathOf returns what the store calls a path.
func pathOf(path string) store.Path {
	return store.NewPath(strings.Split(strings.Trim(path, "/"), "/")...)
}

// bring stores a file with its content, and returns what it was announced as.
func bring(ctx context.Context, s *store.Store, user string, p store.Path, name string) (*store.Content, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c := store.Content{Size: int64(len(data)), MD5: md5.Sum(data), Quota: -1}
	a, err := s.Allocate(user, p, c)
	if err == nil && a.State != store.Completed {
		_, _, err = s.Receive(ctx, store.Delivery{User: user, Token: a.Token, Body: bytes.NewReader(data)})
	}
	return &c, err
}
