package walk

import "sync"

// queue runs tasks ahead of their use: a list of tasks in the order in which
// one consumer takes their results, and workers that run those nearest to the
// front. A task that has run puts the tasks it gave rise to right behind itself.
//
// At most window tasks are begun and not yet taken, which bounds what is held
// in memory. The consumer never waits for a task that nobody has begun: it runs
// it itself.
type queue struct {
	mu      sync.Mutex // guards everything below and the fields of tasks
	work    sync.Cond  // a task may have become ready to begin
	done    sync.Cond  // a task has run
	head    *task
	begun   int // begun and not taken
	window  int
	stopped bool

	workers sync.WaitGroup
}

// task is a piece of work. run returns the tasks that come right after it.
type task struct {
	run        func() []*task
	begun, ran bool
	next       *task
}

// newQueue returns a queue that begins with first. The consumer is one of the
// jobs. The queue must be stopped.
func newQueue(jobs int, first *task) *queue {
	q := &queue{head: first, window: 4 * jobs}
	q.work.L, q.done.L = &q.mu, &q.mu
	for range jobs - 1 {
		q.workers.Go(q.worker)
	}
	return q
}

func (q *queue) worker() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		t := q.nearest()
		for t == nil && !q.stopped {
			q.work.Wait()
			t = q.nearest()
		}
		if q.stopped {
			return
		}
		q.perform(t)
		q.done.Signal()
	}
}

// nearest returns the task nearest to the front that can be begun. No more than
// window tasks need to be passed on the way.
func (q *queue) nearest() *task {
	if q.begun >= q.window {
		return nil
	}
	t := q.head
	for t != nil && t.begun {
		t = t.next
	}
	return t
}

// perform runs t, without the lock.
func (q *queue) perform(t *task) {
	t.begun = true
	q.begun++
	q.mu.Unlock()
	follow := t.run()
	q.mu.Lock()
	for i := len(follow) - 1; i >= 0; i-- {
		follow[i].next = t.next
		t.next = follow[i]
	}
	t.ran = true
	if len(follow) > 0 {
		q.work.Broadcast()
	}
}

// take returns once the first task has run, and removes it.
func (q *queue) take() {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.head
	if !t.begun {
		q.perform(t)
	}
	for !t.ran {
		q.done.Wait()
	}
	q.head = t.next
	t.run, t.next = nil, nil // or whoever keeps t would keep all that came after it
	q.begun--
	q.work.Signal()
}

// stop ends the workers and waits for them.
func (q *queue) stop() {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
	q.work.Broadcast()
	q.workers.Wait()
}
