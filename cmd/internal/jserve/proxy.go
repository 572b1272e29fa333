package jserve

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"jottatools/lib/command"
	"jottatools/lib/jserve"
	"jottatools/lib/jserve/proxy"
)

// printCA prints the certificate that clients of the proxy have to trust.
func printCA(_ context.Context, env *command.Env, o options, args []string) error {
	switch {
	case len(args) > 0:
		return command.Usagef("jserve ca takes no arguments, but got %q", args[0])
	case o.data == "":
		return command.Usagef("--data is missing: the directory of the server")
	}
	ca, err := proxy.OpenCA(o.data, jserve.ServiceDomains())
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(ca.PEM())
	return err
}

// front is the proxy, or nothing if none is asked for.
type front struct {
	ln  net.Listener
	cfg proxy.Config
}

func openProxy(o options, srv *jserve.Server, log *slog.Logger) (*front, error) {
	if o.proxy == "" {
		return &front{}, nil
	}
	ca, err := proxy.OpenCA(o.data, jserve.ServiceDomains())
	if err != nil {
		return nil, err
	}
	ln, err := proxy.Listen(o.proxy)
	if errors.Is(err, proxy.ErrAddress) {
		return nil, command.Usagef("--%v", err)
	}
	if err == nil && o.proxyReadyFile != "" {
		if err = announce(o.proxyReadyFile, ln.Addr().String()); err != nil {
			ln.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	return &front{ln, proxy.Config{Handler: srv, CA: ca, Serves: jserve.IsServiceHost, Log: log}}, nil
}

func (f *front) close() error {
	if f.ln == nil {
		return nil
	}
	return f.ln.Close()
}

// serve runs the server and the proxy until both have ended. When one fails the
// other stops, too.
func (f *front) serve(ctx context.Context, server func(context.Context) error) error {
	if f.ln == nil {
		return server(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- proxy.Serve(ctx, f.ln, f.cfg)
	}()
	err := server(ctx)
	stop()
	return errors.Join(err, <-ended)
}
