package test

import (
	"io"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"jottatools/test/plain"
)

// fetch REMOTE DIR brings a remote folder back without our client.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch REMOTE DIR")
	}
	c := &plain.Client{Endpoint: ts.Getenv("JOTTA_ENDPOINT"), User: ts.Getenv("JOTTACLOUD_USERNAME"), Password: ts.Getenv("JOTTACLOUD_PASSWORD")}
	dir := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(dir, 0o755))
	tree, err := c.Tree(args[0])
	ts.Check(err)
	for _, e := range tree {
		name := filepath.Join(dir, e.Path)
		switch {
		case e.Dir:
			ts.Check(os.MkdirAll(name, 0o755))
		case e.State == "COMPLETED":
			ts.Check(fetchFile(c, e, name))
		}
	}
}

func fetchFile(c *plain.Client, e plain.Entry, name string) error {
	body, err := c.Open(e.Remote)
	if err != nil {
		return err
	}
	defer body.Close()
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, body); err != nil {
		return err
	}
	return os.Chtimes(name, e.Modified, e.Modified)
}
