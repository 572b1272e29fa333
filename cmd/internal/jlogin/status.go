package jlogin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/connect"
	"jottatools/lib/record"
)

// state is what jlogin status says.
type state struct {
	auth.Info
	Kind  string `json:"kind"`  // "login", or "password"
	Used  int64  `json:"used"`  // bytes
	Quota *int64 `json:"quota"` // bytes; null if there is no limit
	Left  *int64 `json:"left"`  // likewise

	WriteLocked bool `json:"write_locked,omitempty"`
	ReadLocked  bool `json:"read_locked,omitempty"`
}

// status asks the service who is logged in, and how much space there is.
func status(ctx context.Context, env *command.Env, o options) error {
	credentials, err := auth.Find(connect.Login(o.Settings))
	if err != nil {
		return err
	}
	client, err := connect.Open(env, credentials, o.Endpoint, 0)
	if err != nil {
		return err
	}
	customer, err := client.Customer(ctx)
	if err != nil {
		return err
	}
	s := state{Kind: "password", Used: customer.Usage, WriteLocked: customer.WriteLocked, ReadLocked: customer.ReadLocked}
	s.Endpoint = o.Endpoint
	if _, ok := credentials.(*auth.Session); ok {
		s.Kind = "login"
		if s.Info, err = auth.Look(connect.Login(o.Settings)); err != nil {
			return err
		}
	}
	s.Username = customer.Username
	if customer.Quota >= 0 {
		left := max(0, customer.Quota-customer.Usage)
		s.Quota, s.Left = &customer.Quota, &left
	}
	if o.json {
		return env.PrintJSON(s, "")
	}
	return s.print(env)
}

// print shows the state to people.
func (s *state) print(env *command.Env) error {
	space := command.Bytes(s.Used) + " used, no limit"
	if s.Quota != nil {
		space = fmt.Sprintf("%s of %s used, %s left", command.Bytes(s.Used), command.Bytes(*s.Quota), command.Bytes(*s.Left))
	}
	switch {
	case s.WriteLocked:
		space += "; the account takes no uploads"
	case s.ReadLocked:
		space += "; the account hands nothing out"
	}
	service := s.Service
	if s.Endpoint != "" {
		service = s.Endpoint
	}
	rows := [][2]string{{"User", s.Username}, {"Service", service}, {"Space", space}}
	if s.Kind == "login" {
		rows = append([][2]string{{"Profile", s.Profile}}, rows...)
		rows = append(rows, [2]string{"Logged in", record.LocalTime(s.LoggedIn)}, [2]string{"Token", "good until " + record.LocalTime(s.Expires) + ", then renewed"})
	} else {
		rows = append(rows, [2]string{"Logged in", "by name and password, from the environment or ~/.netrc"})
	}
	table := tabwriter.NewWriter(env.TextSink(), 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
		}
	}
	return table.Flush()
}

// list lists the profiles, without asking anybody.
func list(_ context.Context, env *command.Env, o options) error {
	names, err := auth.Profiles(auth.StoreDir(os.Getenv))
	if err != nil {
		return fmt.Errorf("list the profiles: %w", err)
	}
	table := tabwriter.NewWriter(env.TextSink(), 0, 0, 2, ' ', 0)
	if !o.json && len(names) > 0 {
		fmt.Fprintln(table, "PROFILE\tSERVICE\tUSER\tLOGGED IN\t")
	}
	for _, name := range names {
		settings := o.Settings
		settings.Profile = name
		info, err := auth.Look(connect.Login(settings))
		if err != nil {
			return err
		}
		if o.json {
			if err := env.PrintJSON(info, ""); err != nil {
				return err
			}
			continue
		}
		since := ""
		if !info.LoggedIn.IsZero() {
			since = record.LocalTime(info.LoggedIn)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", info.Profile, where(info), info.Username, since, info.Problem)
	}
	return table.Flush()
}

// renew renews the token. The programs have it done so, by generation; they read
// from standard output what became of it.
func renew(ctx context.Context, env *command.Env, o options) error {
	err := auth.Renew(ctx, connect.Login(o.Settings), o.generation)
	if err == nil || o.generation < 0 {
		return err
	}
	if jsonErr := env.PrintJSON(connect.RenewedAs(err), ""); jsonErr != nil {
		return jsonErr
	}
	return command.Exit(command.ExitAuth, errors.New("")) // it is told
}
