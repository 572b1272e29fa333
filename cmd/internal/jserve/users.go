package jserve

import (
	"fmt"
	"os"
	"strings"

	"jottatools/lib/command"
	"jottatools/lib/jserve"
	"jottatools/lib/jserve/store"
)

// accounts returns the account of --user and those of --users, each with the
// quota. A line of that file is NAME:PASSWORD; blank ones and those that begin
// with # say nothing.
func (o *options) accounts(password string) ([]jserve.User, error) {
	users := []jserve.User{{Name: o.user, Password: password, Quota: o.quota}}
	if o.users == "" {
		return users, nil
	}
	text, err := os.ReadFile(o.users)
	if err != nil {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	return o.parseAccounts(users, string(text))
}

// parseAccounts adds the accounts of a file.
func (o *options) parseAccounts(users []jserve.User, text string) ([]jserve.User, error) {
	known := map[string]bool{store.Fold(o.user): true}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		switch err := store.CheckName(name); {
		case !ok || password == "":
			return nil, command.Usagef("%s, line %d: write NAME:PASSWORD", o.users, i+1) // the line may hold a password
		case err != nil:
			return nil, command.Usagef("%s, line %d: %v", o.users, i+1, err)
		case known[store.Fold(name)]:
			return nil, command.Usagef("%s, line %d: there is an account %s already", o.users, i+1, name)
		}
		known[store.Fold(name)] = true
		users = append(users, jserve.User{Name: name, Password: password, Quota: o.quota})
	}
	return users, nil
}
