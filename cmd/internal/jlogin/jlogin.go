// Package jlogin logs an account in and out, and shows who is logged in.
//
// Usage:
//
//	jlogin [--profile NAME] [--token-file FILE]
//	jlogin --service NAME [--profile NAME]
//	jlogin status | list | logout | renew
//
// A login is kept as one private file a profile, which all programs share.
package jlogin

import (
	"context"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/config"
	"jottatools/lib/connect"
)

const long = `Jlogin logs an account in, for all programs of the toolkit, until you log it out.

Make a personal login token at https://www.jottacloud.com/web/secure, and paste
it when jlogin asks for it; jlogin does not show it. Or give the token on standard
input, or in a file with --token-file. A token is good for one login. Jlogin does
not take it from the command line, where others could see it.

With --service, you log in with a browser instead. Services under other names need
this. Jlogin prints the address to open. If the machine has no browser, open the
address on another one. At the end, that browser is sent to an address that it
cannot open, http://localhost:…; paste this address into jlogin. The services are:

    jottacloud elgiganten_dk elgiganten_se elkjop elko gigantti letsgo
    mediamarkt onlime phonero tele2 telia_no telia_se

"jlogin status" asks the service and shows who is logged in, how much space is
used, and how long the current token is good. "jlogin list" lists the profiles
and asks nobody. "jlogin logout" ends the login at the service and forgets it.
"jlogin renew" renews the token early; the programs renew it by themselves.

Logins on other machines stay valid, because the service does not let programs end
them. If a login was lost or stolen, open https://www.jottacloud.com/web/secure and
remove it from "My logged in devices". Its current token is good for up to another
hour.

A profile is a name for a login, for people who have several. --profile or
JOTTA_PROFILE chooses one, for all programs.

The programs also accept a name and a password. JOTTACLOUD_USERNAME and
JOTTACLOUD_PASSWORD take precedence over a login, and a login over ~/.netrc.
Jottacloud itself no longer accepts passwords, or at best from accounts without
two-factor login. They are for a server of your own, such as jserve.

With JOTTA_ENDPOINT, jlogin logs in at that server, and the login is for that
server only.`

const example = `  jlogin                                   # asks for a login token
  jlogin --profile work < token.txt
  jlogin --service telia_no
  jlogin status --json | jq .left
  jottasync --profile work ~/papers`

// options are the flags.
type options struct {
	service, profile, tokenFile string
	json, force                 bool
	generation                  int64

	config.Settings
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jlogin", "log an account in and out, and show who is logged in")
	cmd.Online = true
	cmd.Long, cmd.Example = long, example
	cmd.Args, cmd.Verbs = "[status | list | logout | renew]", []string{"status", "list", "logout", "renew"}
	cmd.Alone = true
	var o options
	f := cmd.Flags()
	f.StringVar(&o.service, "service", "", "log in at the service `NAME`, in a browser")
	f.StringVar(&o.profile, "profile", "", "use the login called `NAME` (default: JOTTA_PROFILE, or \"default\")")
	f.StringVar(&o.tokenFile, "token-file", "", "read the login token from `FILE`")
	f.BoolVar(&o.json, "json", false, "with status and list: write JSON")
	f.BoolVar(&o.force, "force", false, "with logout: forget the login even if the service cannot be told")
	f.Int64Var(&o.generation, "generation", -1, "with renew: only if the login has been renewed `N` times so far")
	if err := f.MarkHidden("generation"); err != nil {
		panic(err) // it is declared above
	}
	cmd.CompleteFlag("service", services)
	cmd.CompleteFlag("profile", connect.Profiles)
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

// services returns the keys of all services.
func services(context.Context, string) []string {
	var keys []string
	for _, s := range auth.Services {
		keys = append(keys, s.Key)
	}
	return keys
}

// verbs are what jlogin does besides logging in.
var verbs = map[string]func(ctx context.Context, env *command.Env, o options) error{
	"status": status, "list": list, "logout": logout, "renew": renew,
}

func run(ctx context.Context, env *command.Env, o options) (err error) {
	if o.Settings, err = connect.Settings(o.profile); err != nil {
		return err
	}
	switch len(env.Args) {
	case 0:
		return login(ctx, env, o)
	case 1:
		if verb := verbs[env.Args[0]]; verb != nil {
			if o.service != "" || o.tokenFile != "" {
				return command.Usagef("--service and --token-file are for logging in, not for jlogin %s", env.Args[0])
			}
			return verb(ctx, env, o)
		}
	}
	// The argument is not shown: it may be a token.
	return command.Usagef("jlogin knows status, list, logout and renew; it takes no token on the command line, where others can see it")
}
