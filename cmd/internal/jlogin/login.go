package jlogin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/connect"
)

// login logs in, and shows whose login it is.
func login(ctx context.Context, env *command.Env, o options) error {
	if o.json || o.force {
		return command.Usagef("--json is for status and list, --force for logout")
	}
	if o.service != "" && o.tokenFile != "" {
		return command.Usagef("give --service or --token-file, not both")
	}
	service := o.service
	if service == "" && o.tokenFile == "" && env.Asked() { // what is piped in is a token
		service = o.Settings.Service
	}
	var err error
	if service != "" {
		err = byBrowser(ctx, env, o, service)
	} else {
		err = byToken(ctx, env, o)
	}
	if err != nil {
		return err
	}
	return confirm(ctx, env, o)
}

func byToken(ctx context.Context, env *command.Env, o options) error {
	text, err := readToken(env, o.tokenFile)
	if err != nil {
		return err
	}
	token, err := auth.ParseLoginToken(text)
	if err != nil {
		return err
	}
	return auth.LogIn(ctx, connect.Login(o.Settings), token)
}

// readToken reads a login token, however it comes.
func readToken(env *command.Env, file string) (string, error) {
	if file == "" {
		return env.ReadSecret("Login token (it is not shown): ", func(text string) bool {
			_, err := auth.ParseLoginToken(text)
			return !errors.Is(err, auth.ErrTokenShort)
		})
	}
	f, err := os.Open(file)
	if err != nil {
		return "", command.Usagef("--token-file: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, auth.MaxLoginToken+1))
	return string(text), err
}

// byBrowser has a person log in, here or elsewhere.
func byBrowser(ctx context.Context, env *command.Env, o options, name string) error {
	service, ok := auth.LookUpService(name)
	if !ok {
		var keys []string
		for _, s := range auth.Services {
			keys = append(keys, s.Key)
		}
		return command.Usagef("--service: there is no %q; there are %s", name, strings.Join(keys, " "))
	}
	loopback, err := auth.Listen()
	if err != nil {
		return err
	}
	defer loopback.Close()
	browser, err := auth.NewBrowser(ctx, connect.Login(o.Settings), service, loopback.Redirect)
	if err != nil {
		return err
	}
	env.Sayf("Log in to %s at this address:\n\n    %s\n", service.Name, browser.URL())
	var pasted <-chan string
	if env.Asked() {
		env.Sayf("If the browser is on another machine it will fail to open an address in the end,\nbeginning with %s. Paste that address here:", loopback.Redirect)
	}
	pasted = env.Lines()
	code, err := browser.Await(ctx, loopback, pasted, func(err error) { env.Errorf("%v", err) })
	if err != nil {
		return err
	}
	return browser.Finish(ctx, code)
}

// confirm uses the new login once, and says whose it is.
func confirm(ctx context.Context, env *command.Env, o options) error {
	session, err := auth.Open(connect.Login(o.Settings))
	if err != nil {
		return err
	}
	client, err := connect.Open(env, session, "", 0)
	if err != nil {
		return err
	}
	customer, err := client.Customer(ctx)
	if err != nil {
		return fmt.Errorf("the login is kept, but cannot be used: %w", err)
	}
	if err := auth.SetUsername(ctx, connect.Login(o.Settings), customer.Username); err != nil {
		return err
	}
	if env.Quiet() {
		return nil
	}
	info, err := auth.Look(connect.Login(o.Settings))
	if err != nil {
		return err
	}
	env.Printf("logged in as %s at %s (profile %s)", customer.Username, where(info), info.Profile)
	return nil
}

// where is where a login is good, for people.
func where(info auth.Info) string {
	if info.Endpoint != "" {
		return info.Endpoint
	}
	return info.Service
}

func logout(ctx context.Context, env *command.Env, o options) error {
	if err := auth.LogOut(ctx, connect.Login(o.Settings), o.force); err != nil {
		return err
	}
	if !env.Quiet() {
		env.Printf("logged out")
	}
	return nil
}
