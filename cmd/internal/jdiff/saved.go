package jdiff

import (
	"errors"
	"fmt"
	"io"
	"os"

	"jottatools/lib/command"
	"jottatools/lib/record"
)

func open(name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, command.Usagef("%v", err)
	}
	return f, nil
}

// saved reads a saved stream into tree order. One that is not whole is used as
// far as it goes, and said to be.
func saved(env *command.Env, name string) (*record.Sorter, error) {
	f, err := open(name, env.Stdin)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := env.Reader(f)
	sorted, err := record.Sort(in, func(r *record.Record) bool {
		return (r.Kind == record.KindFile || r.Kind == record.KindDir) && !r.Ignored && r.Action != record.ActionDelete
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(in.Whole(), in.LeftOut()); err != nil {
		sorted.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return sorted, nil
}
