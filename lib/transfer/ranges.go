package transfer

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// rangesFrom is how much of a file, in bytes, must be missing for it to come as
	// several requests.
	rangesFrom = 8 << 20
	// fileLines is how many connections one file has at most.
	fileLines = 3
	// leastRange is how many bytes the first requests ask for where the service answers
	// at once. What has been asked for and not been read when the program dies is sent
	// in vain.
	leastRange = 768 << 10
	// rangeShare is what part of the bytes that have come a request asks for at least,
	// up to fullRange: each costs the service something, and it is still little that
	// is sent in vain.
	rangeShare = 96
	fullRange  = 4 << 20
	// mostRange is how many bytes one asks for at most, however long an answer takes.
	mostRange = 64 << 20
)

// ranges reads the rest of a file, in order, as several requests: while the answer
// to one is read, the next ones have been sent. What the line brings ahead of the
// reader waits in the buffers of the system.
//
// Beyond the connection that the fetch has, it takes only those that nobody waits
// for.
type ranges struct {
	*fetch
	ctx    context.Context // ends when the reader is closed
	cancel context.CancelFunc
	start  int64 // offset at which it began
	next   int64 // offset of the first byte that has not been asked for
	asked  []*reply
	lines  int // connections held, that of the fetch included; at least as many as are asked
}

// reply is the answer to one of the requests.
type reply struct {
	length  int64
	there   chan struct{} // closed when what follows is set
	body    io.ReadCloser
	err     error
	latency time.Duration // from the request to the answer

	turn time.Time // when it was begun to be read
}

func (f *fetch) openRanges() *ranges {
	r := &ranges{fetch: f, start: f.at, next: f.at, lines: 1}
	r.ctx, r.cancel = context.WithCancel(f.ctx)
	r.ask()
	return r
}

// ask sends as many requests as there are connections for.
func (r *ranges) ask() {
	for r.next < r.size && len(r.asked) < fileLines {
		if len(r.asked) == r.lines {
			if !r.connections.TryAcquire(1) {
				return
			}
			r.lines++
		}
		offset := r.next
		length := max(r.pace.rangeSize(), min((r.next-r.start)/rangeShare, fullRange))
		a := &reply{length: min(length, r.size-offset), there: make(chan struct{})}
		r.next += a.length
		r.asked = append(r.asked, a)
		go func() {
			defer close(a.there)
			start := time.Now()
			a.body, a.err = r.open(r.ctx, offset, a.length)
			a.latency = time.Since(start)
		}()
	}
}

// Read reads from the first answer.
func (r *ranges) Read(p []byte) (int, error) {
	for len(r.asked) > 0 {
		a := r.asked[0]
		if a.turn.IsZero() {
			a.turn = time.Now()
		}
		if <-a.there; a.err != nil {
			r.refused = true
			return 0, a.err
		}
		n, err := a.body.Read(p)
		if err == io.EOF {
			r.done(a)
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// done closes the first answer, which has been read, and asks for more.
func (r *ranges) done(a *reply) {
	a.body.Close()
	r.pace.learn(a.length, time.Since(a.turn), a.latency)
	r.asked = r.asked[1:]
	if r.lines > 1 { // those who wait come first
		r.connections.Release(1)
		r.lines--
	}
	r.ask()
}

// Close drops what has not been read.
func (r *ranges) Close() error {
	r.cancel()
	for _, a := range r.asked {
		if <-a.there; a.err == nil {
			a.body.Close()
		}
	}
	r.connections.Release(int64(r.lines - 1))
	return nil
}

// pace finds out how many bytes to ask for at a time: those that come while an
// answer is waited for. Then the requests ahead keep the line busy. It is safe for
// concurrent use.
type pace struct {
	mu   sync.Mutex // guards what follows
	size int64      // what to ask for; 0: not known

	answers int // that what follows is of
	bytes   int64
	took    time.Duration // to read them, waiting included
	latency time.Duration // the least from a request to its answer: a busy machine only adds to it
}

// paceAnswers is how many answers a conclusion is drawn from.
const paceAnswers = 8

// rangeSize returns how many bytes to ask for now.
func (p *pace) rangeSize() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(max(p.size, leastRange), mostRange)
}

// learn takes the size and times of one answer into account, and adjusts the pace when
// it has enough of them.
func (p *pace) learn(bytes int64, took, latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == 0 || latency < p.latency {
		p.latency = latency
	}
	p.answers, p.bytes, p.took = p.answers+1, p.bytes+bytes, p.took+took
	if p.answers == paceAnswers {
		p.size = int64(float64(p.bytes) * p.latency.Seconds() / max(p.took, 1).Seconds())
		p.answers, p.bytes, p.took = 0, 0, 0
	}
}
