package command

import (
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// turn decides which program of a pipe may draw on their common line of the screen: the
// one that holds the lock on a file. A program that has not drawn for a moment releases
// the lock; one that yields also releases it now and then. Without a file, it is always
// this program's turn.
type turn struct {
	file   string
	yields bool

	lock  *flock.Flock
	held  bool
	since time.Time   // when it was taken, or left
	idle  *time.Timer // leaves the line
}

const (
	idleTurn  = time.Second
	yieldTurn = time.Second
	yieldFor  = 3 * drawEvery // long enough for another to draw
)

// take reports whether it is this program's turn. leave is called when it should be no
// more.
func (t *turn) take(now time.Time, leave func()) bool {
	if !filepath.IsAbs(t.file) {
		return true
	}
	if t.held && t.yields && now.Sub(t.since) >= yieldTurn {
		t.release()
		t.since = now
		return false
	}
	if !t.held {
		if t.yields && !t.since.IsZero() && now.Sub(t.since) < yieldFor {
			return false
		}
		if t.lock == nil {
			t.lock = flock.New(t.file)
		}
		// A lock that cannot be had at all is no reason for a blank screen.
		if got, err := t.lock.TryLock(); err == nil && !got {
			return false
		}
		t.held, t.since = true, now
	}
	if t.idle == nil {
		t.idle = time.AfterFunc(idleTurn, leave)
	}
	t.idle.Reset(idleTurn)
	return true
}

// release leaves the turn to others.
func (t *turn) release() {
	if t.idle != nil {
		t.idle.Stop()
	}
	if t.held {
		t.held = false
		t.lock.Unlock()
	}
}
