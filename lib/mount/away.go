//go:build linux

package mount

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// A service that does not answer is waited for once, by whoever happens to ask. From then
// on it is away: listings that are known are good enough, changes and other listings fail
// at once, and a goroutine asks until there is an answer.

// awayPause is how long after a try the service is asked again.
var awayPause = 2 * time.Second

// errSilent is why there is no answer, in the error of noAnswer.
var errSilent = errors.New("no answer in time")

// noAnswer is the cause of a context that ends since the service is silent.
func noAnswer(after time.Duration) error {
	return &jfs.Error{Op: "wait", Class: record.ClassNetwork, Message: fmt.Sprintf("the service has not answered for %v", after), Retry: true, Err: errSilent}
}

// isAway returns why the service is away; nil: it is not, as far as is known.
func (f *fileSystem) isAway() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.away
}

// noteSilence notes that the service is away, if err says so, and tells of it.
func (f *fileSystem) noteSilence(err error) {
	if f.goAway(err) {
		f.o.Warn("%v; what is here can be used, and the service is asked again", err)
	}
}

// goAway notes that the service is away, if err says so, and reports whether that is new.
func (f *fileSystem) goAway(err error) bool {
	if !errors.Is(err, errSilent) || f.ctx.Err() != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return false
	}
	f.away = err
	f.running.Go(f.awaitAnswer)
	return true
}

// awaitAnswer asks until the service answers, and has what waits uploaded then.
func (f *fileSystem) awaitAnswer() {
	tick := time.NewTicker(awayPause)
	defer tick.Stop()
	for {
		timeout := min(accountTimeout, f.o.Timeout)
		ctx, cancel := context.WithTimeout(f.ctx, timeout)
		_, err := f.service.Account(ctx)
		cancel()
		if f.ctx.Err() != nil {
			return
		}
		if err == nil || !mayPass(err) {
			f.mu.Lock()
			f.away = nil
			f.mu.Unlock()
			f.o.Warn("the service answers again")
			f.uploads.retryNow()
			return
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			return
		}
	}
}

// mayPass reports whether an error says nothing about what was asked for, only that there
// is no answer now.
func mayPass(err error) bool {
	var e *jfs.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Retry
}
