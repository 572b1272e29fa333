package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/command"
	"jottatools/lib/record"
)

// renewer returns how this program has its login renewed: by the jlogin that is
// installed beside it, or that it can be itself, in a session of its own. Between the service's answer and
// the disk the new tokens are nowhere but in the memory of one process; kill -9 of
// a filter, a closed terminal or Ctrl-C must not end that one. It returns nil if
// there is no jlogin; then the program renews the login itself, as it does if jlogin
// cannot be started.
func renewer(o auth.Options) func(context.Context, string, int64) error {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	name := "jlogin"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	jlogin := filepath.Join(filepath.Dir(self), name)
	if command.OneFile {
		jlogin = self
	} else if _, err := os.Stat(jlogin); err != nil {
		return nil
	}
	return func(ctx context.Context, profile string, generation int64) error {
		started, err := renewBy(ctx, jlogin, profile, generation)
		if !started {
			return auth.Renew(ctx, o, generation)
		}
		return err
	}
}

// Renewed is what jlogin renew --generation writes, for renewBy to read.
type Renewed struct {
	Class   record.Class `json:"class"`
	Message string       `json:"message"`
	Retry   bool         `json:"retry,omitempty"`
}

// renewPatience is how long that may take, with the wait for a lock and for the
// service, each of which has a limit of its own.
const renewPatience = 5 * time.Minute

func renewBy(ctx context.Context, jlogin, profile string, generation int64) (started bool, err error) {
	// Not CommandContext: what has begun is to be finished.
	cmd := exec.Command(jlogin, "renew", "--profile", profile, "--generation", strconv.FormatInt(generation, 10))
	cmd.Args[0] = "jlogin" // see command.OneFile
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "JOTTA_LEASH_FD=") { // the leash is for this program
			cmd.Env = append(cmd.Env, entry)
		}
	}
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	patience := time.NewTimer(renewPatience)
	defer patience.Stop()
	select {
	case err = <-ended:
	case <-ctx.Done():
		return true, context.Cause(ctx)
	case <-patience.C:
		return true, &record.Error{Class: record.ClassNetwork, Retry: true, Message: fmt.Sprintf("renew the login: %s has not ended after %v; run it again", jlogin, renewPatience)}
	}
	if err == nil {
		return true, nil
	}
	if failure := parseRenewed(out.Bytes()); failure != nil {
		return true, failure
	}
	return true, &record.Error{Class: record.ClassAuth, Message: fmt.Sprintf("renew the login: %s: %v %s", jlogin, err, strings.TrimSpace(messages.String()))}
}

// parseRenewed reads what jlogin says of an error. It returns nil if that is nothing.
func parseRenewed(b []byte) *record.Error {
	var failure Renewed
	if json.Unmarshal(b, &failure) != nil || failure.Message == "" || failure.Class == "" {
		return nil
	}
	return &record.Error{Class: failure.Class, Message: failure.Message, Retry: failure.Retry}
}

// RenewedAs returns what jlogin is to say of an error.
func RenewedAs(err error) Renewed {
	failure := Renewed{Class: record.ClassAuth, Message: err.Error()}
	var e *record.Error
	if errors.As(err, &e) {
		failure.Class, failure.Retry = e.Class, e.Retry
	}
	return failure
}
