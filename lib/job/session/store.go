package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"jottatools/lib/local"
)

// LocalUser is the user of the store that [Session.Serve] starts.
const LocalUser = "local"

// Local is a server of the session's own.
type Local struct {
	Endpoint, Password string
}

// server is a running jserve.
type server struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	holder *os.File // its leash, which lasts longer than that of the pipe
	lock   *os.File
}

// startPatience is how long the server may take until it answers: it may have a crash to
// recover from.
const startPatience = time.Minute

// stopPatience is how long it may take to end in good order.
const stopPatience = 30 * time.Second

// Serve starts jserve on the store in the folder local of dir, and waits until it answers.
// Runs share the store by turns: if another one has it, waiting is called, and Serve waits.
// The server ends with the session, and only after the pipe.
func (s *Session) Serve(ctx context.Context, jserve, dir string, waiting func()) (*Local, error) {
	store := filepath.Join(dir, "local")
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, err
	}
	lock, err := wait(ctx, filepath.Join(dir, "local.lock"), waiting)
	if err != nil {
		return nil, err
	}
	s.server = &server{lock: lock}
	file := filepath.Join(dir, "local.password")
	password, err := password(file)
	if err != nil {
		return nil, fmt.Errorf("the password of the store: %w", err)
	}
	ready := s.File("ready")
	leash, holder, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer leash.Close()
	cmd := s.command(leash, jserve, "--data", store, "--listen", "127.0.0.1:0", "--user", LocalUser, "--password-file", file, "--ready-file", ready)
	cmd.SysProcAttr = ownGroup() // Ctrl-C is for the pipe, which needs its server to the end
	if err := cmd.Start(); err != nil {
		holder.Close()
		return nil, err
	}
	s.server.cmd, s.server.holder, s.server.ended = cmd, holder, make(chan struct{})
	go func() { cmd.Wait(); close(s.server.ended) }()
	address, err := s.server.await(ctx, ready)
	if err != nil {
		return nil, err
	}
	return &Local{Endpoint: "http://" + address, Password: password}, nil
}

// await returns the address that the server has written to a file.
func (s *server) await(ctx context.Context, ready string) (string, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	for {
		if b, err := os.ReadFile(ready); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b)), nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return "", errors.New("it ended at once; see above")
		case <-patience.C:
			return "", errors.New("it does not answer")
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// stop ends the server in good order and gives the store to the next run.
func (s *server) stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.holder.Close()
		select {
		case <-s.ended:
		case <-time.After(stopPatience):
			s.cmd.Process.Kill() // what it has acknowledged is on disk
			<-s.ended
		}
	}
	s.lock.Close()
}

// password reads the password from a file. If the file does not exist, it makes one with a
// new password.
func password(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(b) > 0 {
		return strings.TrimRight(string(b), "\n"), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 24)
	rand.Read(random)
	text := base64.StdEncoding.EncodeToString(random)
	return text, local.Replace(file, []byte(text))
}
