package jserve

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"jottatools/lib/command"
	"jottatools/lib/jserve/store"
)

// logout ends all logins of an account, whichever client they are of.
func logout(_ context.Context, env *command.Env, o options, args []string) error {
	switch {
	case o.user == "":
		return command.Usagef("--user is missing: the account whose logins are to end")
	}
	dir, err := storeDir("logout", o, args)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "meta.db")); err != nil {
		return command.Usagef("%s: %v (%v)", dir, store.ErrNoStore, err) // opening would make one
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return unopened(err)
	}
	ended, err := endLogins(st, o.user)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	env.Printf("%d logins of %s have ended", ended, o.user)
	return nil
}

func endLogins(st *store.Store, user string) (int, error) {
	if _, err := st.Stat(user, nil); errors.Is(err, store.ErrNoPath) {
		return 0, command.Usagef("--user: there is no account %s", user)
	} else if err != nil {
		return 0, err
	}
	return st.EndLogins(user)
}
