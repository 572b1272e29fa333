package transfer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cenkalti/backoff/v5"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// Putter is the part of a [jfs.Client] that takes the content of one file.
type Putter interface {
	Allocate(context.Context, jfs.Path, jfs.Content) (*jfs.Allocation, error)
	Upload(context.Context, *jfs.Allocation, io.Reader) error
}

// Sender sends single files: what the service has already is not sent, and an
// upload that breaks off is taken up where the service has it, after pauses that
// grow or that the service asks for. It is safe for concurrent use.
type Sender struct {
	Service   Putter
	Bandwidth *Bandwidth // nil: no limit

	firstPause time.Duration // before an upload is taken up, doubled each time; 0: the default
	stuckAfter int           // tries in a row without progress; 0: the default
}

// Source is content on its way.
type Source struct {
	io.ReaderAt
	Changed  func() bool        // reports whether it is other content by now; nil: it never is
	Progress func(offset int64) // hears how far the service is thought to have it, which may go back; may be nil
}

// Sent says what it took to bring a content to the service.
type Sent struct {
	Bytes        int64 // handed to the transport, repeated ones included
	ResumedAt    int64 // where an earlier run had left off
	Deduplicated bool  // the service had the content, and nothing was sent
}

// ErrChanging says that a file changed while it was sent.
var ErrChanging = errors.New("the file is changing")

// Send makes the file at p hold the content, with its times. The error is
// ErrChanging, one of the source, one of the service, or the context's cause; what
// the service has got by then it keeps, and sending the same again goes on there.
func (s *Sender) Send(ctx context.Context, p jfs.Path, content jfs.Content, source Source) (Sent, error) {
	if source.Changed == nil {
		source.Changed = func() bool { return false }
	}
	if source.Progress == nil {
		source.Progress = func(int64) {}
	}
	u := &upload{Sender: s, ctx: ctx, source: source, path: p, content: content}
	err := u.send()
	return u.done, err
}

// upload is one file on its way.
type upload struct {
	*Sender
	ctx     context.Context
	source  Source
	path    jfs.Path
	content jfs.Content
	done    Sent
	sending time.Duration // for how long the last try had its content taken
}

const (
	// stuckAfter is how many times in a row an upload may fail without the service
	// having more of it than before.
	stuckAfter = 5
	// stuckFor is how long it may be tried without that: a service that takes
	// connections and says nothing costs minutes each time.
	stuckFor = 5 * time.Minute
	// headwayBytes is how much more the service has to have within that time, in bytes,
	// for an upload to be going on. The same holds for downloads.
	headwayBytes = 16 << 10
	firstPause   = 500 * time.Millisecond
	maxPause     = 30 * time.Second
)

// headway tells a transfer that is going on, if slowly, from one that gets a few bytes
// further with each try and would never end.
type headway struct {
	mark  int64 // offset
	since time.Time
}

// reached notes how far the transfer is.
func (h *headway) reached(offset int64) {
	if offset-h.mark >= headwayBytes {
		h.mark, h.since = offset, time.Now()
	}
}

// lost reports whether there was none for too long, not counting the time spared.
func (h *headway) lost(spared time.Duration) bool { return time.Since(h.since)-spared > stuckFor }

// send sends the content, from wherever the service has it, until the service
// has all of it.
func (u *upload) send() error {
	patience := u.stuckAfter
	if patience == 0 {
		patience = stuckAfter
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = u.firstPause, 2, maxPause
	if u.firstPause == 0 {
		pauses.InitialInterval = firstPause
	}
	furthest, stuck, damaged := int64(-1), 0, false
	moved := headway{since: time.Now()}
	for {
		a, err := u.Service.Allocate(u.ctx, u.path, u.content)
		if err != nil {
			return err
		}
		if a.Uploaded {
			u.done.Deduplicated = u.done.Bytes == 0
			return nil
		}
		switch {
		case furthest < 0 && !damaged:
			u.done.ResumedAt = a.Offset
			furthest, moved.mark = a.Offset, a.Offset
		case a.Offset > furthest:
			furthest, stuck = a.Offset, 0
			moved.reached(furthest)
			pauses.Reset()
		}
		err = u.sendFrom(a)
		if err == nil || errors.Is(err, ErrChanging) || u.ctx.Err() != nil {
			return err
		}
		if u.source.Changed() {
			return ErrChanging
		}
		switch {
		case errors.Is(err, jfs.ErrCorrupt) && damaged:
			return err
		case errors.Is(err, jfs.ErrCorrupt):
			// Perhaps the line did it. The service has dropped the bytes.
			damaged, furthest, moved = true, -1, headway{since: time.Now()}
			continue
		case !again(err):
			return err
		}
		// Whether what went out arrived is known only when the service has been asked.
		if stuck++; stuck >= patience || moved.lost(u.sending) {
			return err
		}
		if err := pause(u.ctx, err, pauses.NextBackOff()); err != nil {
			return err
		}
	}
}

// again reports whether an upload that failed like this can be taken up.
func again(err error) bool {
	var e *jfs.Error
	if !errors.As(err, &e) {
		return false
	}
	// A part arrived; the upload address has expired; the service has less than it
	// said.
	return e.Retry || e.Class == record.ClassIncomplete || e.Class == record.ClassNotFound || e.Class == record.ClassRange
}

// pause waits before the next try: as long as the service asked for, no time at
// all if it only wants the rest or another token, else for d.
func pause(ctx context.Context, err error, d time.Duration) error {
	var e *jfs.Error
	switch {
	case errors.As(err, &e) && e.RetryAfter > 0:
		d = min(e.RetryAfter, maxRetryAfter)
	case errors.Is(err, jfs.ErrIncomplete), errors.Is(err, jfs.ErrNotExist), errors.Is(err, jfs.ErrAuth):
		d = 0
	}
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxRetryAfter is the longest wait that the service may ask for. Beyond that
// the next run is the better time.
const maxRetryAfter = 2 * time.Minute

// sendFrom makes one attempt.
func (u *upload) sendFrom(a *jfs.Allocation) error {
	u.source.Progress(a.Offset)
	body := &sourceReader{upload: u, at: a.Offset}
	u.sending = 0
	err := u.Service.Upload(u.ctx, a, body)
	if body.err != nil {
		return body.err // the disk's fault, not the service's
	}
	return err
}

// readSize bounds what is read from a file at a time, in bytes, so that a
// bandwidth limit is even.
const readSize = 32 << 10

// sourceReader gives the rest of the content, no faster than the limit allows.
type sourceReader struct {
	*upload
	at    int64
	begun time.Time // when reading began
	err   error     // of the source
}

func (r *sourceReader) Read(p []byte) (int, error) {
	if r.begun.IsZero() {
		r.begun = time.Now()
	}
	left := r.content.Size - r.at
	if left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), left, readSize)]
	n, err := r.source.ReadAt(p, r.at)
	r.at += int64(n)
	switch {
	case err == nil, err == io.EOF && n == len(p):
	case err == io.EOF:
		r.err = ErrChanging // it is shorter than it was
		return n, r.err
	default:
		r.err = local.NewError(err)
		return n, r.err
	}
	if err := r.Bandwidth.wait(r.ctx, n); err != nil {
		return 0, err
	}
	r.done.Bytes += int64(n)
	r.sending = time.Since(r.begun)
	r.source.Progress(r.at)
	return n, nil
}
