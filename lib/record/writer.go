package record

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"sync"
	"time"
)

// flushDelay is how long a written record may wait for others before it is
// sent on. A busy pipe fills whole buffers; a slow one is flushed by a timer, so
// that the next program can start.
const flushDelay = 50 * time.Millisecond

// Writer puts a stream together and closes it with the end record.
//
// It is safe for concurrent use. The first error is returned by every later
// call.
type Writer struct {
	// OnError, if set, hears of each record whose error this program found: not
	// of those that were read with one. It is called by one goroutine at a time
	// and must not call the Writer.
	OnError func(*Record)

	mu      sync.Mutex // guards everything below
	out     *bufio.Writer
	buf     []byte
	end     End
	err     error
	closed  bool
	pending bool // a flush is scheduled
	timer   *time.Timer
}

// NewWriter returns a Writer to w; stage names the program in the end record.
func NewWriter(w io.Writer, stage string) *Writer {
	return &Writer{out: bufio.NewWriterSize(w, 64<<10), end: End{Version: 1, Stage: stage, Complete: true}}
}

// Write adds a record that this program made or changed.
func (w *Writer) Write(r *Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = r.append(w.buf[:0])
	return w.put(r, w.buf)
}

// Pass adds a record exactly as it was read.
func (w *Writer) Pass(r *Record) error {
	if r.line == "" {
		return w.Write(r)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf[:0], r.line...)
	return w.put(r, w.buf)
}

// PassLine adds the record of a file, without an error, as the line that
// [Reader.PeekLine] has returned.
func (w *Writer) PassLine(line []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.end.Records++
	w.end.Bytes += sizeIn(line)
	w.buf = append(w.buf[:0], line...)
	return w.putLine(w.buf)
}

// sizeIn returns the size that the line of a file gives; 0 if it gives none.
func sizeIn(line []byte) (size int64) {
	const key = `,"size":`
	at := bytes.Index(line, []byte(key)) // in a text, its quotes would be escaped
	if at < 0 {
		return 0
	}
	for _, c := range line[at+len(key):] {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 || size > (math.MaxInt64-digit)/10 {
			break
		}
		size = size*10 + digit
	}
	return size
}

func (w *Writer) put(r *Record, line []byte) error {
	if w.err != nil {
		return w.err
	}
	w.end.Records++
	if r.Kind == KindFile && r.Size > 0 {
		w.end.Bytes += r.Size
	}
	if r.Error != nil {
		w.end.Errors++
		if r.Error.raw == "" && w.OnError != nil {
			w.OnError(r)
		}
	}
	return w.putLine(line)
}

// putLine writes a line that has been counted.
func (w *Writer) putLine(line []byte) error {
	_, w.err = w.out.Write(append(line, '\n'))
	if w.err == nil && !w.pending {
		w.pending = true
		if w.timer == nil {
			w.timer = time.AfterFunc(flushDelay, w.flush)
		} else {
			w.timer.Reset(flushDelay)
		}
	}
	return w.err
}

func (w *Writer) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = false
	if w.err == nil && !w.closed {
		w.err = w.out.Flush()
	}
}

// Incomplete makes the end record say that the stream is not the whole tree.
func (w *Writer) Incomplete() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Complete = false
}

// Scope limits what the stream claims to cover to these paths of its root. If there
// are none, the stream proves nothing, and is marked incomplete.
func (w *Writer) Scope(paths []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Scope = append([]string{}, paths...)
	if len(paths) == 0 {
		w.end.Complete = false
	}
}

// Withhold notes that n deletions more were kept out of the stream.
func (w *Writer) Withhold(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Withheld += n
}

// Stored notes how many entries were found on the target.
func (w *Writer) Stored(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Stored = n
}

// Spare counts entries on the target that another job has stored.
func (w *Writer) Spare(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Spared += n
}

// LeaveOut counts entries that need nothing, instead of writing their records.
func (w *Writer) LeaveOut(same Same) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Same = w.end.Same.plus(same)
}

// Inherit takes over from the end record of the input what later programs need
// to know: the scope, the deletions withheld, the entries stored, spared and left out,
// and members that this program does not know.
func (w *Writer) Inherit(input End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Scope = input.Scope
	w.end.Withheld += input.Withheld
	w.end.Stored = max(w.end.Stored, input.Stored)
	w.end.Spared += input.Spared
	w.end.Same = w.end.Same.plus(input.Same)
	w.end.extra = input.extra
}

// Errors returns how many of the records so far carry an error.
func (w *Writer) Errors() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end.Errors
}

// Close writes the end record and everything before it. Calling it again does
// nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.err == nil {
		_, w.err = w.out.Write(append(w.end.append(w.buf[:0]), '\n'))
	}
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}
