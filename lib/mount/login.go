//go:build linux

package mount

import (
	"context"
	"errors"
	"time"

	"jottatools/lib/jfs"
)

// greetTimeout is how long the start of a mount waits for the service.
const greetTimeout = 10 * time.Second

// loginPause is how long after a refusal the service is asked again.
var loginPause = time.Minute

// isRefusal reports whether an error says that the login is not good any more.
func isRefusal(err error) bool {
	return errors.Is(err, jfs.ErrAuth) && !errors.Is(err, errOtherAccount)
}

// greet asks the service who this is. That it refuses the login is an error: such a
// mount would be of no use, and nobody would know why. That it cannot be asked is
// none: what is here can be worked with until it is back.
func (f *fileSystem) greet() error {
	timeout := min(greetTimeout, f.o.Timeout)
	ctx, cancel := context.WithTimeoutCause(f.ctx, timeout, noAnswer(timeout))
	defer cancel()
	_, err := f.service.Customer(ctx)
	switch {
	case err == nil:
	case errors.Is(err, jfs.ErrAuth), errors.Is(err, jfs.ErrForbidden):
		return err
	default:
		f.note(err)
		f.goAway(err)
		f.o.Warn("%v; mounted all the same: what is in cache and spool can be used, and the service is asked again", err)
	}
	return nil
}

// note keeps the last error for those who ask. That the login is refused is told
// once, however many requests fail of it.
func (f *fileSystem) note(err error) {
	f.mu.Lock()
	f.lastErr, f.lastAt = err.Error(), time.Now()
	first := isRefusal(err) && f.refused == nil
	if first {
		f.refused = err
	}
	f.mu.Unlock()
	if first && f.ctx.Err() == nil {
		f.o.Warn("%v; uploads wait until the login is good again", err)
		f.running.Go(f.awaitLogin)
	}
}

// awaitLogin asks from time to time whether the login is good again, and has what
// waits uploaded then.
func (f *fileSystem) awaitLogin() {
	tick := time.NewTicker(loginPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(f.ctx, accountTimeout)
		_, err := f.service.Account(ctx)
		cancel()
		if err == nil {
			f.mu.Lock()
			f.refused = nil
			f.mu.Unlock()
			f.o.Warn("the service takes the login again")
			f.uploads.retryNow()
			return
		}
	}
}
