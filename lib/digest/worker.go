package digest

import (
	"context"
	"encoding/hex"
	"hash/maphash"
	"io"
	"io/fs"
	"time"

	"jottatools/lib/digest/md5lanes"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// laneSize is how much of a file is read at a time. A file that is smaller is read
// in one go. What a worker holds of all its files should fit into the cache of its
// processor.
const laneSize = 64 << 10

// worker reads files, one after the other, and hashes them, several at once: that
// costs the processor no more than hashing one of them.
type worker struct {
	ctx   context.Context
	h     *hasher
	queue *queue
	lanes []*lane // in use
	free  []*lane
	pace  pace

	states []*md5lanes.State // for hash
	parts  [][]byte
}

// lane is a file being read and hashed.
type lane struct {
	item   *item
	file   local.Content
	before fs.FileInfo
	was    record.Record // what before says
	tries  int
	total  int64  // bytes read
	ended  bool   // all of it has been read, and the padding is in rest
	rest   []byte // of buf: read, and not hashed
	state  md5lanes.State
	result content

	buf [laneSize + md5lanes.MaxPad]byte
}

func newWorker(ctx context.Context, h *hasher, q *queue) *worker {
	return &worker{ctx: ctx, h: h, queue: q}
}

// run works until the queue has nothing more.
func (w *worker) run() {
	for w.admit() {
		w.hash()
		for i := 0; i < len(w.lanes); {
			if w.read(w.lanes[i]) {
				i++
			} else {
				w.finish(i)
			}
		}
	}
}

// admit takes new files on, and reports whether there is any in hand.
func (w *worker) admit() bool {
	for len(w.lanes) == 0 || md5lanes.Parallel() && len(w.lanes) < md5lanes.Width {
		it := w.queue.take(len(w.lanes), w.fits)
		if it == nil {
			break
		}
		var l *lane
		if n := len(w.free); n > 0 {
			l, w.free = w.free[n-1], w.free[:n-1]
		} else {
			l = new(lane)
		}
		l.item, l.tries = it, 0
		w.lanes = append(w.lanes, l)
		w.begin(l)
		if !w.read(l) {
			w.finish(len(w.lanes) - 1)
		}
	}
	return len(w.lanes) > 0
}

// fits reports whether a file may be read beside others. A small one may, since it
// is read in one go. To read large ones in turn makes a disk with a head slow, and
// is no use when the disk is slower than one lane.
func (w *worker) fits(rec *record.Record) bool { return rec.Size < laneSize || w.pace.fast() }

// begin opens the file of a lane. Errors are kept in its result.
func (w *worker) begin(l *lane) {
	l.tries++
	l.total, l.ended, l.rest, l.state, l.result = 0, false, nil, md5lanes.Initial, content{}
	if l.result.err = context.Cause(w.ctx); l.result.err != nil {
		return
	}
	rec := l.item.rec
	if l.file, l.before, l.result.err = w.h.open(rec); l.result.err != nil {
		return
	}
	w.h.reading(rec.Path)
	l.was = record.Record{}
	local.Fill(&l.was, l.before)
	if w.h.settle {
		l.result.lasting = w.h.await(w.ctx, &l.was)
	}
}

// read makes sure that a lane has something to hash. It returns false if there is
// nothing more to be done with the file.
func (w *worker) read(l *lane) bool {
	for !l.ended && len(l.rest) < md5lanes.BlockSize && l.result.err == nil {
		if l.result.err = context.Cause(w.ctx); l.result.err != nil {
			l.file.Close()
			break
		}
		w.readPart(l)
	}
	if l.result.err != nil {
		w.h.progress(0, -l.total)
		return false
	}
	return len(l.rest) > 0
}

// readPart reads the next part of a file. At the end of it, it makes sure that the
// file is still the one that was opened, and opens it anew if not. It reads no more
// than a part beyond the size that the file had when it was opened, so that a file
// that grows for ever is done with.
func (w *worker) readPart(l *lane) {
	held := copy(l.buf[:], l.rest)
	room := l.buf[held:laneSize]
	start := time.Now()
	n, err := l.file.Read(room)
	if n == len(room) {
		w.pace.note(n, time.Since(start))
	}
	l.rest = l.buf[:held+n]
	l.total += int64(n)
	w.h.progress(0, int64(n))
	size := l.before.Size()
	switch {
	case err != nil && err != io.EOF:
		l.result.err = err
	case err == nil && l.total <= size && (l.total < size || n == len(room)):
		return // there may be more
	default:
		l.result.err = l.end(w.h.seed)
	}
	l.file.Close()
	if l.result.err == errChanging && l.tries < tries {
		w.h.progress(0, -l.total)
		w.begin(l)
	}
}

// end makes sure that a file that was read is still the one that was opened.
func (l *lane) end(seed maphash.Seed) error {
	after, err := l.file.Stat()
	if err != nil {
		return err
	}
	switch {
	case l.total > 0 && l.before.Size() == 0 && local.Unchanged(&l.was, after):
		return errNoSize
	case l.total != l.before.Size() || !local.Unchanged(&l.was, after):
		return errChanging
	}
	l.result.state = l.before
	if l.total <= printSize && l.total == int64(len(l.rest)) {
		l.result.print = maphash.Bytes(seed, l.rest)
	}
	l.rest = md5lanes.Pad(l.rest, l.total)
	l.ended = true
	return nil
}

// hash hashes as much of every file as there is of each.
func (w *worker) hash() {
	w.states, w.parts = w.states[:0], w.parts[:0]
	for _, l := range w.lanes {
		w.states, w.parts = append(w.states, &l.state), append(w.parts, l.rest)
	}
	n := md5lanes.Blocks(w.states, w.parts)
	for _, l := range w.lanes {
		l.rest = l.rest[n:]
	}
	for i := 0; i < len(w.lanes); {
		if l := w.lanes[i]; l.ended && len(l.rest) == 0 {
			sum := l.state.Sum()
			l.result.md5 = hex.EncodeToString(sum[:])
			w.finish(i)
		} else {
			i++
		}
	}
}

// finish hands on what became of the i-th file, and frees its lane.
func (w *worker) finish(i int) {
	l := w.lanes[i]
	last := len(w.lanes) - 1
	w.lanes[i] = w.lanes[last]
	w.lanes = w.lanes[:last]
	it, c := l.item, l.result
	l.item, l.file, l.before = nil, nil, nil
	w.free = append(w.free, l)
	w.queue.finish(it, w.h.judge(w.ctx, it, c))
}

// pace is how fast large files can be read.
type pace struct {
	bytes int64
	took  time.Duration
}

const (
	// paceWindow is how many of the last bytes count.
	paceWindow = 4 << 20
	// fastPace is more than a disk with a head can do, in bytes a second.
	fastPace = 400e6
)

func (p *pace) note(n int, took time.Duration) {
	if p.bytes >= paceWindow {
		p.bytes, p.took = p.bytes/2, p.took/2
	}
	p.bytes, p.took = p.bytes+int64(n), p.took+took
}

// fast reports whether it pays to read several large files in turn.
func (p *pace) fast() bool { return float64(p.bytes) > fastPace*p.took.Seconds() }
