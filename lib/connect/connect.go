// Package connect opens the client that every program uses, as the environment
// says: which service, which account, how patient.
//
// It is a few lines that would otherwise stand in each main. The client itself
// is package jfs, the login package auth.
package connect

import (
	"net/http"
	"os"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/jfs"
)

// attempts is how often a request is tried: with the pauses in between, a
// service that is down is given up after some seconds, not minutes. Those who run
// the programs, such as cron, come back later.
const attempts = 5

// Client returns a client of the service that JOTTA_ENDPOINT names, else of
// Jottacloud, with the credentials that [auth.Find] finds. It sends nothing yet.
// At most tps requests a second are made (0: no limit). Requests that failed for no
// fault of their own are repeated, and -v tells of it.
func Client(env *command.Env, tps float64) (*jfs.Client, error) {
	credentials, err := auth.Find()
	if err != nil {
		return nil, err
	}
	client, err := jfs.New(jfs.Options{
		Endpoint:    os.Getenv("JOTTA_ENDPOINT"),
		Credentials: credentials,
		UserAgent:   "jottatools/" + command.Version(),
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
		return nil, command.Usagef("JOTTA_ENDPOINT: %v", err)
	}
	return client, nil
}
