// Package session manages one run of a job on this machine: the lock that prevents a second
// run, a temporary folder for its programs, the leash that ends them, and their exit
// codes.
//
// All programs that a run starts end with it. Each program inherits the lock, so the lock
// is held until the last of them has ended. Each also inherits the reading end of a pipe,
// the leash, whose other end only the run holds open. When the run dies, even by kill -9,
// the programs see the end of the pipe and stop.
//
// The package does not know what the programs do.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"jottatools/lib/local"
)

// leashVariable tells the programs which file descriptor the leash is; see lib/command.
const leashVariable = "JOTTA_LEASH_FD"

// Session is a run that holds the lock of its job.
type Session struct {
	Dir string // for what the run needs while it lasts; removed by Close

	Stdout, Stderr *os.File // of its programs; nil: the null device

	lock   *os.File
	leash  *os.File // the end that programs get
	holder *os.File // the end that only the session has open
	once   sync.Once
	server *server // of --local, or nil
}

// Busy says that another run of the job holds its lock.
type Busy struct {
	Since   time.Time // when it took the lock
	Process string    // its number
}

func (b *Busy) Error() string {
	return fmt.Sprintf("another run of this job holds the lock, since %s (process %s)", b.Since.Local().Format(lockTime), b.Process)
}

// Long says the same of a lock that has been held for too long.
func (b *Busy) Long() string {
	return fmt.Sprintf("another run of this job has held the lock for %v, since %s (process %s); nothing is stored meanwhile: look what it waits for, or end it",
		time.Since(b.Since).Round(time.Minute), b.Since.Local().Format(lockTime), b.Process)
}

const lockTime = "2006-01-02 15:04:05 MST"

// Begin takes the lock, a file, and makes the folder dir. Anything that a killed run has
// left there goes first. If the lock is not free, the error is a *[Busy].
func Begin(lock, dir string) (*Session, error) {
	held, err := Lock(lock)
	if err != nil {
		return nil, err
	}
	s := &Session{Dir: dir, lock: held}
	if err := s.prepare(); err != nil {
		held.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) prepare() error {
	if err := os.RemoveAll(s.Dir); err != nil {
		return err
	}
	err := os.Mkdir(s.Dir, 0o700)
	if err == nil {
		s.leash, s.holder, err = os.Pipe()
	}
	return err
}

// Lock takes the lock of a job, a file, without waiting for it, and writes the number of
// this process into it. The lock is held until all who have inherited the file have closed
// it. If another process holds it, the error is a *[Busy].
func Lock(name string) (*os.File, error) {
	f, free, err := try(name)
	switch {
	case err != nil:
		return nil, err
	case !free:
		return nil, busy(name)
	}
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// try takes a lock if it is free.
func try(name string) (f *os.File, free bool, err error) {
	f, err = os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	unlock, free, err := local.Lock(f)
	if err != nil || !free {
		f.Close()
		return nil, false, err
	}
	unlock() // a second descriptor of the open file, which f goes on to hold the lock by
	return f, true, nil
}

func busy(name string) error {
	b := &Busy{Since: time.Now()}
	if info, err := os.Stat(name); err == nil {
		b.Since = info.ModTime() // its holder has written its number when it took the lock
	}
	number, _ := os.ReadFile(name)
	b.Process = strings.TrimSpace(string(number))
	return b
}

// LetGo lets the programs off the leash: they finish what they have in hand, or leave it
// to be resumed, and stop. It may be called often, and concurrently.
func (s *Session) LetGo() { s.once.Do(func() { s.holder.Close() }) }

// Command returns a program that is on the leash once it is started. Its standard input
// is that of this process.
func (s *Session) Command(name string, args ...string) *exec.Cmd {
	return s.command(s.leash, name, args...)
}

func (s *Session) command(leash *os.File, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Stdin = os.Stdin
	if s.Stdout != nil {
		cmd.Stdout = s.Stdout
	}
	if s.Stderr != nil {
		cmd.Stderr = s.Stderr
	}
	cmd.ExtraFiles = []*os.File{s.lock, leash} // descriptors 3 and 4
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, leashVariable+"=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Env = append(cmd.Env, leashVariable+"=4")
	return cmd
}

// File returns the path of a file in the folder of the session.
func (s *Session) File(name string) string { return filepath.Join(s.Dir, name) }

// Close ends what the session has started, removes its folder and gives the lock back.
func (s *Session) Close() error {
	s.LetGo()
	if s.server != nil {
		s.server.stop()
	}
	err := os.RemoveAll(s.Dir)
	return errors.Join(err, s.leash.Close(), s.lock.Close())
}

// waitEvery is how often a lock that others hold is asked for.
const waitEvery = 100 * time.Millisecond

// wait takes a lock that others hold for the time of a run at most. It calls waiting once
// if it is not free.
func wait(ctx context.Context, name string, waiting func()) (*os.File, error) {
	f, free, err := try(name)
	if err != nil || free {
		return f, err
	}
	waiting()
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if f, free, err = try(name); err != nil || free {
			return f, err
		}
	}
}
