package jserve

import (
	"context"
	"errors"

	"jottatools/lib/command"
	"jottatools/lib/jserve/store"
)

// exportStore writes a store to the standard output.
func exportStore(ctx context.Context, env *command.Env, o options, args []string) error {
	dir, err := storeDir("export", o, args)
	if err != nil {
		return err
	}
	contents, size, err := store.Export(ctx, dir, env.Stdout)
	if err == nil {
		env.Infof("exported %d contents, %d bytes", contents, size)
	}
	return unopened(err)
}

// importStore makes a store from the standard input.
func importStore(ctx context.Context, env *command.Env, o options, args []string) error {
	dir, err := storeDir("import", o, args)
	if err != nil {
		return err
	}
	contents, size, err := store.Import(ctx, dir, env.Stdin)
	switch {
	case err == nil:
		env.Infof("imported %d contents, %d bytes", contents, size)
	case errors.Is(err, store.ErrExport):
		err = command.Exit(command.ExitInput, err)
	case errors.Is(err, store.ErrNotEmpty):
		err = command.Exit(command.ExitRefused, err)
	}
	return err
}
