// Package connect opens the client that every program uses. Flags, environment and
// configuration choose the service, the account and the timeouts.
//
// Without it, each main would repeat these few lines. The client itself is package jfs,
// and the login is package auth.
package connect

import (
	"net/http"
	"os"
	"strings"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/config"
	"jottatools/lib/jfs"
)

// attempts is how often a request is tried: with the pauses in between, a
// service that is down is given up after some seconds, not minutes. Those who run
// the programs, such as cron, come back later.
const attempts = 5

func userAgent() string { return "jottatools/" + command.Version() }

// Client returns a client of the service that the login is for, or that
// JOTTA_ENDPOINT names, with the credentials that [auth.Find] finds. It sends
// nothing yet. It makes at most tps requests a second (0: no limit). It repeats
// requests after temporary failures, and -v reports that.
func Client(env *command.Env, tps float64) (*jfs.Client, error) { return Within(env, tps, 0) }

// Within is [Client] for a program that says how long 16 KiB of an answer may take; 0: the
// default.
func Within(env *command.Env, tps float64, timeout time.Duration) (*jfs.Client, error) {
	settings, err := Settings("")
	if err != nil {
		return nil, err
	}
	credentials, err := auth.Find(Login(settings))
	if err != nil {
		return nil, err
	}
	return open(env, credentials, settings, tps, timeout)
}

// Settings returns what holds for a profile; empty means the one that environment
// or configuration name.
func Settings(profile string) (config.Settings, error) {
	settings, err := config.Load(profile)
	if err != nil {
		return settings, command.Usagef("%v", err)
	}
	if settings.Profile != "" {
		if err := auth.CheckProfile(settings.Profile); err != nil {
			return settings, command.Usagef("%v", err)
		}
	}
	if settings.Endpoint != "" {
		if _, _, err := jfs.ParseEndpoint(settings.Endpoint); err != nil {
			return settings, command.Usagef("JOTTA_ENDPOINT: %v", err)
		}
	}
	return settings, nil
}

// Login returns how the login of a profile is found, made and renewed.
func Login(settings config.Settings) auth.Options {
	o := auth.Options{
		Profile: settings.Profile, Dir: auth.StoreDir(os.Getenv), Endpoint: settings.Endpoint,
		Transport: transport, UserAgent: userAgent(),
	}
	o.Renew = renewer(o)
	return o
}

// transport returns what carries requests to an endpoint.
func transport(endpoint string) (http.RoundTripper, error) {
	if endpoint == "" {
		return jfs.NewTransport(""), nil
	}
	_, socket, err := jfs.ParseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	return jfs.NewTransport(socket), nil
}

// Open returns a client with credentials, at an endpoint unless they are for
// another one.
func Open(env *command.Env, credentials auth.Credentials, endpoint string, tps float64) (*jfs.Client, error) {
	return open(env, credentials, config.Settings{Endpoint: endpoint}, tps, 0)
}

func open(env *command.Env, credentials auth.Credentials, settings config.Settings, tps float64, timeout time.Duration) (*jfs.Client, error) {
	endpoint := settings.Endpoint
	if session, ok := credentials.(*auth.Session); ok {
		endpoint = session.Endpoint()
		env.Blame = session.Ended
	}
	client, err := jfs.New(jfs.Options{
		Endpoint:    endpoint,
		Credentials: credentials,
		UploadHosts: strings.FieldsFunc(settings.UploadHosts, func(r rune) bool { return r == ',' || r == ' ' }),
		UserAgent:   userAgent(),
		Timeout:     timeout,
		Wrap: func(next http.RoundTripper) http.RoundTripper {
			if tps > 0 {
				next = jfs.Limit(next, tps)
			}
			return jfs.Retry(next, jfs.RetryOptions{Attempts: attempts, Notify: func(err error, pause time.Duration) {
				env.Infof("%v; trying again in %v", err, pause.Round(time.Millisecond))
			}})
		},
	})
	if err != nil {
		return nil, command.Usagef("%v", err)
	}
	return client, nil
}
