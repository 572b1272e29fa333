//go:build linux

package mount

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"jottatools/lib/jfs"
)

// silent is a service that can stop to answer. Nobody has to wait for it.
type silent struct {
	Service
	away  atomic.Bool
	asked atomic.Int64 // how often something was asked for meanwhile, the account aside
}

func (s *silent) wait(ctx context.Context) error {
	switch {
	case !s.away.Load():
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	s.asked.Add(1)
	return noAnswer(time.Hour)
}

func (s *silent) List(ctx context.Context, p jfs.Path) (jfs.Info, []jfs.Entry, error) {
	if err := s.wait(ctx); err != nil {
		return jfs.Info{}, nil, err
	}
	return s.Service.List(ctx, p)
}

func (s *silent) Move(ctx context.Context, from, to jfs.Path) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Service.Move(ctx, from, to)
}

func (s *silent) Account(ctx context.Context) (jfs.Account, error) {
	if s.away.Load() {
		return jfs.Account{}, noAnswer(time.Hour)
	}
	return s.Service.Account(ctx)
}

// TestAway: whoever asks first waits for a service that does not answer; then it is known
// to be away. What is here is served, and the rest fails without asking.
func TestAway(t *testing.T) {
	defer func(pause time.Duration) { awayPause = pause }(awayPause)
	awayPause = time.Millisecond
	client := newService(t)
	if err := client.MkDir(t.Context(), "/Jotta/Archive/unknown"); err != nil {
		t.Fatal(err)
	}
	s := &silent{Service: client}
	f, archive := newTestFS(t, s)
	f.o.DirTTL = 0
	back := make(chan struct{})
	f.o.Warn = func(format string, args ...any) {
		if t.Logf(format, args...); format == "the service answers again" {
			close(back)
		}
	}
	unknown, err := f.lookup(t.Context(), archive, "unknown")
	if err != nil {
		t.Fatal(err)
	}
	save(t, f, archive, "a", "x")
	f.uploads.drain(t.Context())

	s.away.Store(true)
	for range 5 {
		if e, err := f.lookup(t.Context(), archive, "a"); e == nil || err != nil {
			t.Fatalf("look up what is known: %v, %v", e, err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	if err := f.list(t.Context(), unknown); f.errno(err) != syscall.EIO {
		t.Errorf("list what is not known: %v", err)
	}
	if err := f.rename(t.Context(), archive, "a", archive, "b", false); f.errno(err) != syscall.EIO {
		t.Errorf("rename: %v", err)
	}
	if got := f.status().State; got != StateAway {
		t.Errorf("the mount is %s", got)
	}
	e := save(t, f, archive, "c", "new")
	if got := content(t, f, e); got != "new" {
		t.Errorf("what was written reads %q", got)
	}

	s.away.Store(false)
	<-back
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	if err := errors.Join(f.list(t.Context(), unknown), f.rename(t.Context(), archive, "a", archive, "b", false)); err != nil {
		t.Errorf("when it is back: %v", err)
	}
	f.uploads.drain(t.Context())
	if got := f.status().State; got != StateOK {
		t.Errorf("the mount is %s", got)
	}
}
