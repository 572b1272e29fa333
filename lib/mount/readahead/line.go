package readahead

import (
	"sync"
	"time"
)

// mostBeside bounds what is fetched for a read that is not in order, in blocks: 4 MiB.
const mostBeside = 64

// Line is what the requests of a mount have shown of the way to the service: how much
// comes in a fraction of the time that an answer takes to begin. So much is fetched
// for a read that is not in order, since others near by may follow. The reader does not
// wait for it: he has his part as soon as that is here.
//
// With 30 ms to an answer that are up to 4 MiB at 1 GB/s, 1 MiB at 100 MB/s, and one or
// two blocks at 10 MB/s or less, or where the service is near. It begins with one, and
// doubles as long as that is cheap. A Line is safe for concurrent use; nil stands for
// one block, always.
type Line struct {
	mu     sync.Mutex
	beside int64 // blocks; 0 is 1
}

// blocks returns how many blocks to fetch for a read that is not in order.
func (l *Line) blocks() int64 {
	if l == nil {
		return 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.beside, 1)
}

// learn takes in a request for so many blocks: how long the answer took to begin, and
// then to come.
func (l *Line) learn(blocks int64, latency, body time.Duration) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := max(l.beside, 1)
	switch {
	case blocks >= now && 4*body <= latency:
		l.beside = min(2*now, mostBeside)
	case blocks <= now && 2*body > latency:
		l.beside = max(now/2, 1)
	}
}
