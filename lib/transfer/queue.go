package transfer

import (
	"sync"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

const (
	// maxQueued and maxQueuedBytes bound what a queue holds, in records and in bytes
	// of their lines: enough to see the folders that are to come in good time.
	maxQueued      = 1000
	maxQueuedBytes = 4 << 20
	// folderWorkers is how many folders are made beside the other jobs, so that the
	// files to come find theirs.
	folderWorkers = 2
	// maxRemembered bounds how many contents a queue knows to be on the service.
	maxRemembered = 4096
)

// queue reads ahead in a plan, so that no worker waits for a folder while there are
// files that could be sent. A task waits in the queue until the folders above it are
// there, and until no other task sends the same content; workers run what need not
// wait, in the order it came. There are workers only while there is work.
//
// One goroutine calls add and wait.
type queue struct {
	do   func(*task) bool // carries a task out, and reports whether that went well
	jobs int              // workers for everything

	mu      sync.Mutex // guards what follows
	done    sync.Cond  // a task is done
	held    int        // tasks that are not done
	bytes   int        // of their lines
	files   []*task    // that need not wait
	folders []*task    // likewise
	busy    int        // workers for everything
	ahead   int        // workers for folders only

	making     map[jfs.Path]*gate // folders that are to be made
	sending    map[digest]*gate   // contents that are to be sent
	remembered map[digest]bool    // contents that were sent

	workers sync.WaitGroup
}

// task is a record that is to be carried out.
type task struct {
	rec  *record.Record
	path jfs.Path

	size    int   // bytes of the line
	waits   int   // how many gates are closed
	folder  *gate // opens when this folder is made; nil if it is none
	content *gate // opens when this content is sent; nil if others may send it meanwhile
}

// gate holds tasks up until another one is done.
type gate struct{ waiting []*task }

// digest names content as the service does.
type digest struct {
	md5  string
	size int64
}

func newQueue(jobs int, do func(*task) bool) *queue {
	q := &queue{do: do, jobs: jobs, making: map[jfs.Path]*gate{}, sending: map[digest]*gate{}, remembered: map[digest]bool{}}
	q.done.L = &q.mu
	return q
}

// add takes a task for rec, and waits until there is room for it.
func (q *queue) add(rec *record.Record, p jfs.Path) {
	t := &task{rec: rec, path: p, size: len(rec.Raw())}
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held > 0 && (q.held >= maxQueued || q.bytes+t.size > maxQueuedBytes) {
		q.done.Wait()
	}
	q.held++
	q.bytes += t.size
	// The service would make missing folders by itself, twice perhaps.
	if len(q.making) > 0 {
		for dir := p.Parent(); dir.Depth() > 2; dir = dir.Parent() {
			q.hold(t, q.making[dir])
		}
	}
	switch rec.Action {
	case record.ActionMkdir:
		t.folder = new(gate)
		q.making[p] = t.folder
	case record.ActionPut:
		q.claim(t)
	}
	if t.waits == 0 {
		q.ready(t)
	}
}

// hold has a task wait at a gate, if there is one.
func (q *queue) hold(t *task, g *gate) {
	if g != nil {
		g.waiting = append(g.waiting, t)
		t.waits++
	}
}

// claim has the task wait if another one sends the same content: then the service
// has it already, and nothing is sent. Once the service has it, any number of tasks
// can go side by side.
func (q *queue) claim(t *task) {
	content := digest{t.rec.MD5, t.rec.Size}
	switch g := q.sending[content]; {
	case q.remembered[content]:
	case g != nil:
		q.hold(t, g)
	default:
		t.content = new(gate)
		q.sending[content] = t.content
	}
}

// ready takes a task that need not wait, and sees to it that there is a worker.
func (q *queue) ready(t *task) {
	if t.folder == nil {
		q.files = append(q.files, t)
	} else {
		q.folders = append(q.folders, t)
	}
	switch {
	// With one job, one thing is done at a time.
	case t.folder != nil && q.ahead < min(folderWorkers, q.jobs-1):
		q.ahead++
		q.workers.Go(func() { q.work(&q.ahead, &q.folders) })
	case q.busy < q.jobs:
		q.busy++
		q.workers.Go(func() { q.work(&q.busy, &q.files, &q.folders) })
	}
}

// work carries out tasks, those of the first list first, until there are none.
// workers counts those of its kind.
func (q *queue) work(workers *int, lists ...*[]*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for t := next(lists); t != nil; t = next(lists) {
		q.mu.Unlock()
		ok := q.do(t)
		q.mu.Lock()
		q.finish(t, ok)
	}
	*workers--
}

func next(lists []*[]*task) *task {
	for _, list := range lists {
		if len(*list) > 0 {
			t := (*list)[0]
			*list = (*list)[1:]
			return t
		}
	}
	return nil
}

// finish opens the gates of a task that is done.
func (q *queue) finish(t *task, ok bool) {
	q.held--
	q.bytes -= t.size
	q.done.Signal()
	if t.folder != nil {
		// Also if it failed: then the service has its say about each file.
		if q.making[t.path] == t.folder {
			delete(q.making, t.path)
		}
		q.open(t.folder)
	}
	if t.content == nil {
		return
	}
	content := digest{t.rec.MD5, t.rec.Size}
	switch waiting := t.content.waiting; {
	case !ok && len(waiting) > 0: // the next one sends it
		waiting[0].content = &gate{waiting[1:]}
		q.sending[content] = waiting[0].content
		q.open(&gate{waiting[:1]})
		return
	case ok:
		if len(q.remembered) == maxRemembered {
			clear(q.remembered)
		}
		q.remembered[content] = true
	}
	delete(q.sending, content)
	q.open(t.content)
}

// open lets the tasks go that wait at a gate.
func (q *queue) open(g *gate) {
	for _, t := range g.waiting {
		if t.waits--; t.waits == 0 {
			q.ready(t)
		}
	}
}

// wait waits until all tasks are done and all workers have ended.
func (q *queue) wait() {
	q.mu.Lock()
	for q.held > 0 {
		q.done.Wait()
	}
	q.mu.Unlock()
	q.workers.Wait()
}
