// Package jserve is a Jottacloud-compatible server on this machine.
//
// Usage:
//
//	jserve --data DIR --user NAME [--listen ADDR] [--proxy ADDR] [--password-file FILE]
//	jserve ca --data DIR
//	jserve logout --data DIR --user NAME
//	jserve fsck DIR
//	jserve export DIR > FILE
//	jserve import DIR < FILE
//
// It runs in the foreground until a signal, and keeps all it has in DIR.
package jserve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"jottatools/lib/command"
	"jottatools/lib/jserve"
	"jottatools/lib/jserve/store"
	"jottatools/lib/local"
)

const long = `Jserve serves an account like one at Jottacloud, from a directory on this machine.
Clients of the service work with it unchanged. Set JOTTA_ENDPOINT to make the
programs of this toolkit use it.

With --proxy, programs made for the service itself work without being told another
address. Set HTTPS_PROXY to the address of the proxy, and make the programs trust
the certificate that "jserve ca --data DIR" prints. The proxy answers for the host
names of the service, refuses all others, and listens on this machine only.

POST /_jserve/login-token returns a personal login token, like those on the web
pages of the service. Logins last until they are revoked. A new password ends the
logins of its account, and so does "jserve logout --data DIR --user NAME" while no
server has the store open.

"jserve fsck DIR" checks a store and exits 1 if it finds a problem. "jserve export
DIR" writes a store to standard output, and "jserve import DIR" makes a store from
that. Stop the server that uses the store first.

Jserve stores each blob once, by MD5 and size. Data that the server has
acknowledged survives a crash or a power cut. Only one server at a time can use a
directory.

Give the password in JSERVE_PASSWORD or in a file, because the list of processes
shows --password. Beyond this machine, jserve listens only with a certificate.

Jserve stops at SIGINT or SIGTERM and exits 0. It gives open requests a few
seconds to finish; clients can resume uploads that are cut off.

GET /_jserve/stats says how many requests of each kind jserve has answered, and
how many bytes it has received and sent. From this machine it needs no password.`

const example = `  export JSERVE_PASSWORD=secret
  jserve --data ~/jserve --listen 127.0.0.1:7070 --user me
  JOTTA_ENDPOINT=http://127.0.0.1:7070 JOTTACLOUD_USERNAME=me \
      JOTTACLOUD_PASSWORD=secret jls /Jotta/Archive
  jserve --data ~/jserve --user me --proxy 127.0.0.1:7071
  HTTPS_PROXY=http://127.0.0.1:7071 rclone --ca-cert ca.pem lsd remote:
  curl -s http://127.0.0.1:7070/_jserve/stats | jq .requests`

// options are the flags.
type options struct {
	data, listen, readyFile      string
	user, password, passwordFile string
	users                        string
	tlsCert, tlsKey, externalURL string
	proxy, proxyReadyFile        string
	quota                        int64
	sharedDedup                  bool
	tokenTTL, latency            time.Duration
	faultOptions
}

// Main runs the program, and returns its exit code.
func Main() int {
	cmd := command.New("jserve", "serve a Jottacloud-compatible account from a directory")
	cmd.Long, cmd.Example, cmd.Args = long, example, "[ca | logout | fsck DIR | export DIR | import DIR]"
	var o options
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "", "keep everything in `DIR`; jserve makes it if needed")
	f.StringVar(&o.listen, "listen", "127.0.0.1:7070", "listen on `ADDR`; port 0 takes a free one")
	f.StringVar(&o.readyFile, "ready-file", "", "write the address to `FILE` once jserve accepts connections")
	f.StringVar(&o.user, "user", "", "the account's `NAME`")
	f.StringVar(&o.password, "password", "", "the account's `PASSWORD`; better given in JSERVE_PASSWORD")
	f.StringVar(&o.passwordFile, "password-file", "", "read the password from the first line of `FILE`")
	f.StringVar(&o.users, "users", "", "also serve the accounts in `FILE`, one NAME:PASSWORD per line")
	f.Int64Var(&o.quota, "quota", 0, "let an account hold at most `BYTES`, old revisions and trash included; 0 or -1: no limit")
	f.BoolVar(&o.sharedDedup, "shared-dedup", false, "let an account store a blob that another one has sent by giving its digest alone")
	f.StringVar(&o.tlsCert, "tls-cert", "", "speak TLS with the certificate in `FILE`")
	f.StringVar(&o.tlsKey, "tls-key", "", "read the key of the certificate from `FILE`")
	f.StringVar(&o.externalURL, "external-url", "", "give clients addresses that begin with `URL`, instead of the address that they asked for")
	f.StringVar(&o.proxy, "proxy", "", "also run an HTTP proxy on `ADDR` that answers for the host names of the service")
	f.StringVar(&o.proxyReadyFile, "proxy-ready-file", "", "write the proxy's address to `FILE`, before --ready-file")
	f.DurationVar(&o.tokenTTL, "token-ttl", time.Hour, "let access tokens expire after `DURATION`")
	f.DurationVar(&o.latency, "latency", 0, "wait `DURATION` before each answer")
	o.declare(cmd)
	if err := f.MarkHidden("latency"); err != nil {
		panic(err) // it is declared above
	}
	return cmd.Main(func(ctx context.Context, env *command.Env) error { return run(ctx, env, o) })
}

// subcommands are what jserve does besides serving.
var subcommands = map[string]func(ctx context.Context, env *command.Env, o options, args []string) error{
	"ca": printCA, "logout": logout, "fsck": fsck, "export": exportStore, "import": importStore,
}

func run(ctx context.Context, env *command.Env, o options) error {
	if len(env.Args) > 0 && subcommands[env.Args[0]] != nil {
		return subcommands[env.Args[0]](ctx, env, o, env.Args[1:])
	}
	if err := o.check(env.Args); err != nil {
		return err
	}
	password, err := o.secret()
	if err != nil {
		return err
	}
	users, err := o.accounts(password)
	if err != nil {
		return err
	}
	var cert tls.Certificate
	if o.tlsCert != "" {
		if cert, err = tls.LoadX509KeyPair(o.tlsCert, o.tlsKey); err != nil {
			return fmt.Errorf("load the certificate: %w", err)
		}
	}
	srv, err := jserve.New(jserve.Config{
		Dir: o.data, Users: users,
		ExternalURL: o.externalURL, TokenTTL: o.tokenTTL, Latency: o.latency, Log: logger(env),
		Rate: o.rate.Rate, Faults: string(o.faults), Seed: o.seed, AllowFaults: o.allow,
		SharedDedup: o.sharedDedup,
	})
	if errors.Is(err, store.ErrInUse) {
		return command.Exit(command.ExitBusy, err)
	}
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	front, err := openProxy(o, srv, logger(env))
	if err != nil {
		return errors.Join(err, ln.Close(), srv.Close())
	}
	addr := ln.Addr().String()
	if o.tlsCert != "" {
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	}
	env.Infof("listening on %s", addr)
	if o.readyFile != "" {
		// The port takes connections already; they wait until Serve gets to them.
		if err := announce(o.readyFile, addr); err != nil {
			return errors.Join(fmt.Errorf("write the ready file: %w", err), ln.Close(), front.close(), srv.Close())
		}
	}
	return errors.Join(front.serve(ctx, func(ctx context.Context) error { return srv.Serve(ctx, ln) }), srv.Close())
}

// announce writes the address to a file that is never seen half written.
func announce(file, addr string) error {
	return local.ReplaceMode(file, []byte(addr+"\n"), 0o644)
}

// check finds what the command line lacks.
func (o *options) check(args []string) error {
	switch {
	case len(args) > 0:
		return command.Usagef("jserve takes no arguments, but got %q", args[0])
	case o.data == "":
		return command.Usagef("--data is missing: the directory to keep everything in")
	case o.user == "":
		return command.Usagef("--user is missing: the name of the account")
	case o.tokenTTL < time.Second:
		return command.Usagef("--token-ttl %s is too short; the shortest is 1s", o.tokenTTL)
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return command.Usagef("--tls-cert and --tls-key go together")
	case o.password != "" && o.passwordFile != "":
		return command.Usagef("give --password or --password-file, not both")
	}
	if err := store.CheckName(o.user); err != nil {
		return command.Usagef("--user: %v", err)
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return command.Usagef("--listen %s: %v; write HOST:PORT", o.listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && o.tlsCert == "" {
		return command.Usagef("--listen %s would send passwords in the clear beyond this machine; add --tls-cert and --tls-key", o.listen)
	}
	return nil
}

// secret finds the password: in a file, on the command line, or in JSERVE_PASSWORD.
func (o *options) secret() (string, error) {
	password := o.password
	switch {
	case o.passwordFile != "":
		text, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		password, _, _ = strings.Cut(string(text), "\n")
		password = strings.TrimSuffix(password, "\r")
	case password == "":
		password = os.Getenv("JSERVE_PASSWORD")
	}
	if password == "" {
		return "", command.Usagef("no password: set JSERVE_PASSWORD, or use --password-file")
	}
	return password, nil
}

// logger returns a log of the server's own errors, and with -v of every failed request.
func logger(env *command.Env) *slog.Logger {
	level := slog.LevelError
	if env.Verbose() > 0 {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(messages{env}, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{} // env has its own
			}
			return a
		},
	}))
}

// messages takes what the logger's level has let through.
type messages struct{ env *command.Env }

func (m messages) Write(p []byte) (int, error) {
	m.env.Errorf("%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
