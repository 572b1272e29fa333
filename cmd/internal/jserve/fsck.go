package jserve

import (
	"context"
	"errors"
	"fmt"

	"jottatools/lib/command"
	"jottatools/lib/jserve/store"
)

// fsck checks a store, prints what it finds, and exits 1 if something is wrong.
func fsck(ctx context.Context, env *command.Env, o options, args []string) error {
	dir, err := storeDir("fsck", o, args)
	if err != nil {
		return err
	}
	sum, err := store.Check(ctx, dir, true, func(f store.Finding) {
		kind := "problem"
		if f.Harmless {
			kind = "leftover"
		}
		env.Printf("%s: %s", kind, f.Text)
	})
	if err = unopened(err); err != nil {
		return err
	}
	env.Printf("%d nodes, %d contents, %d bytes read: %d problems, %d leftovers", sum.Nodes, sum.Blobs, sum.Bytes, sum.Problems, sum.Harmless)
	if sum.Problems > 0 {
		err = command.Exit(command.ExitPartial, fmt.Errorf("%s has %d problems", dir, sum.Problems))
	}
	return err
}

// storeDir is where the store is: the one argument, or --data.
func storeDir(name string, o options, args []string) (string, error) {
	switch {
	case len(args) == 1 && o.data == "":
		return args[0], nil
	case len(args) == 0 && o.data != "":
		return o.data, nil
	}
	return "", command.Usagef("jserve %s takes one directory", name)
}

// unopened gives the code for a store that a server has open, or that is none.
func unopened(err error) error {
	switch {
	case errors.Is(err, store.ErrInUse):
		return command.Exit(command.ExitBusy, err)
	case errors.Is(err, store.ErrNoStore):
		return command.Exit(command.ExitUsage, err)
	}
	return err
}
