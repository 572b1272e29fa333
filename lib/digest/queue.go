package digest

import (
	"runtime"
	"sync"

	"jottatools/lib/digest/md5lanes"
	"jottatools/lib/record"
)

// queue holds records until they have been dealt with, and lets them out in the
// order they came. One goroutine, the feeder, puts them in. Workers take those whose
// files have to be read. The worker that finishes the first record writes it, and all
// finished records behind it, so no goroutine has to be woken for that.
type queue struct {
	write   func(result) // called by one goroutine at a time
	workers int          // at work
	shares  int          // that what waits is cut into: as many as can hash at once; 0: nobody hashes yet

	mu      sync.Mutex // guards what follows, and done of each item
	work    sync.Cond  // there may be something to take
	room    sync.Cond  // there may be room, or nothing left
	first   *item      // nil: nothing is in the queue
	last    *item
	next    *item // the first that nobody has taken
	length  int
	bytes   int // of the lines of the records
	waiting int // not taken
	writing bool
	closed  bool

	running sync.WaitGroup
}

// item is a record in the queue.
type item struct {
	result
	check bool           // compare, rather than add
	past  *record.Record // the entry of the cache for the file, or nil
	done  bool
	bytes int
	next  *item
}

// newQueue returns a queue whose records are handled by a number of workers. It must
// be closed.
func newQueue(workers int, work func(*queue), write func(result)) *queue {
	q := &queue{write: write, workers: workers}
	q.work.L, q.room.L = &q.mu, &q.mu
	for range workers {
		q.running.Go(func() { work(q) })
	}
	return q
}

// window is how many records the queue holds: as many as the workers can have in
// hand, and as many again for them to choose from.
func (q *queue) window() int { return 2 * q.workers * md5lanes.Width }

// maxQueued is how many bytes of records the queue holds: a record may have a
// megabyte.
const maxQueued = 8 << 20

// pass writes a record that needs no work when its turn has come: at once, if the
// queue is empty, which is what makes a run of cache hits fast.
func (q *queue) pass(res result) {
	if q.empty() {
		q.write(res)
		return
	}
	q.put(&item{result: res, done: true})
}

// empty reports whether nothing is in the queue, which to the feeder remains so.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length == 0
}

// put adds a record, and waits for room first.
func (q *queue) put(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it.bytes = it.size()
	if it.past != nil {
		it.bytes += len(it.past.Raw())
	}
	for q.length >= q.window() || q.length > 0 && q.bytes+it.bytes > maxQueued {
		q.room.Wait()
	}
	if q.last == nil {
		q.first = it
	} else {
		q.last.next = it
	}
	q.last = it
	q.length, q.bytes = q.length+1, q.bytes+it.bytes
	if it.done {
		q.flush()
		return
	}
	if q.shares == 0 {
		q.shares = min(q.workers, runtime.GOMAXPROCS(0))
	}
	if q.next == nil {
		q.next = it
	}
	q.waiting++
	q.work.Signal()
}

// take returns the next record for a worker that already has a number of them. A worker
// without a record waits for one; take returns nil when there will be no more. To the others it gives what is their share of those that
// wait, as long as it fits.
func (q *queue) take(inHand int, fits func(*record.Record) bool) *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.next == nil && inHand == 0 && !q.closed {
		q.work.Wait()
	}
	it := q.next
	if it == nil || inHand > 0 && (inHand >= q.waiting/q.shares || !fits(it.rec)) {
		return nil
	}
	q.waiting--
	for q.next = it.next; q.next != nil && q.next.done; {
		q.next = q.next.next
	}
	return it
}

// finish notes that a record has been dealt with.
func (q *queue) finish(it *item, res result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it.result, it.done = res, true
	q.flush()
}

// flush writes the records at the front that are done, unless somebody is at it,
// who then writes them, too. It lets go of the lock while it writes.
func (q *queue) flush() {
	if q.writing {
		return
	}
	q.writing = true
	for q.first != nil && q.first.done {
		it := q.first
		q.mu.Unlock()
		q.write(it.result)
		q.mu.Lock()
		if q.first = it.next; q.first == nil {
			q.last = nil
		}
		q.length, q.bytes = q.length-1, q.bytes-it.bytes
		q.room.Signal()
	}
	q.writing = false
}

// drain waits until nothing is in the queue.
func (q *queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.length > 0 || q.writing {
		q.room.Wait()
	}
}

// close waits until all is done, and ends the workers.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.work.Broadcast()
	q.running.Wait()
}
