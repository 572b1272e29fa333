// Package readahead reads a content at the service as a file is read: any part at
// any time, through the cache of package chunks, and ahead of those who read in
// order.
//
// A part that is missing is fetched by one request for a range. Who jumps about
// gets what he asks for and what costs little beside that, see [Line]; who reads on
// gets a window ahead of him that doubles up to 32 MiB, so that the line is busy and
// its latency is paid once. Readers share what is under way and do not queue behind each other.
package readahead

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"jottatools/lib/mount/chunks"
)

// Open returns length bytes of the content from offset on.
type Open func(ctx context.Context, offset, length int64) (io.ReadCloser, error)

const (
	// firstWindow and maxWindow are how far ahead is fetched, in blocks: 512 KiB, 32
	// MiB. At 30 ms there and back the latter still fills a line of 1 GB/s.
	firstWindow = 8
	maxWindow   = 512
	// nearby is how far from where it left off a read may be and still count as going
	// on: the kernel reads ahead itself, in several requests at once.
	nearby = 2 << 20
	// smallContent is what is fetched whole at the first touch, in blocks.
	smallContent = 4
	// patience is how many requests in a row may break off without a block.
	patience = 3
	// maxTries is how often a part is fetched that is not in the cache afterwards.
	maxTries = 5
)

// File is a content that is being read. It is safe for concurrent use.
type File struct {
	content *chunks.Content
	open    Open
	timeout time.Duration
	line    *Line
	ctx     context.Context // of the requests
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex // guards what follows and the fields of the fetches
	under []*fetch   // under way
}

// fetch is one request for the blocks from at up to end.
type fetch struct {
	at, end int64         // block numbers; at moves
	moved   chan struct{} // closed when at moves or the fetch ends
	ended   bool
	err     error // why it ended early
	opened  bool  // the service had answered
	useless bool  // it brought nothing
	beside  bool  // it is for a read that was not in order
	cancel  context.CancelCauseFunc
	disk    error // the cache cannot take it
}

// New returns a File that fetches with open what content lacks. It takes over the
// content and closes it. A request that is not answered for as long as timeout is
// given up, and one that stands still in its midst for half as long, so that those
// who wait for it and have the same patience get what they want from another.
//
// The line is that of all contents of a service; it may be nil.
func New(content *chunks.Content, open Open, timeout time.Duration, line *Line) *File {
	f := &File{content: content, open: open, timeout: timeout, line: line}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Content returns what the file is read through.
func (f *File) Content() *chunks.Content { return f.content }

// besidePatience is how long what comes beside a read may go on after the last reader
// has gone. It takes a fraction of that, and the connection can be used again.
const besidePatience = time.Second

// Close cancels what is under way and would take long, and waits for all.
func (f *File) Close() {
	f.mu.Lock()
	for _, g := range f.under {
		if !g.beside || !g.opened {
			g.cancel(context.Canceled)
		}
	}
	f.mu.Unlock()
	clock := time.AfterFunc(besidePatience, f.cancel)
	f.running.Wait()
	clock.Stop()
	f.cancel()
	f.content.Close()
}

// Reader is one who reads a File, with a pattern of its own. It is safe for
// concurrent use.
type Reader struct {
	file *File

	mu      sync.Mutex // guards what follows
	next    int64      // where the last read ended
	inOrder int        // how many reads in a row went on there
	window  int64      // blocks; 0: none
	ahead   int64      // the first block that was not covered when last looked at
}

// Reader returns a new reader.
func (f *File) Reader() *Reader { return &Reader{file: f} }

// ReadAt reads p from offset on, less at the end of the content. The error is one
// of the service, or the context's cause.
func (r *Reader) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	f := r.file
	size := f.content.ID().Size
	if offset >= size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), size-offset)]
	window, jumped := r.notice(offset, int64(len(p)))
	for tries, failures := 0, 0; ; tries++ {
		err := f.content.ReadAt(p, offset)
		if err == nil {
			r.goAhead(offset + int64(len(p)))
			return len(p), nil
		}
		if !errors.Is(err, chunks.ErrMissing) || tries > maxTries {
			return f.direct(ctx, p, offset) // the disk does not keep what it is given
		}
		first, end := offset/chunks.BlockSize, (offset+int64(len(p))+chunks.BlockSize-1)/chunks.BlockSize
		failed, err := f.fill(ctx, first, end, max(end, first+window), jumped)
		switch {
		case failed == nil && err == nil:
			failures = 0
		case err != nil:
			return 0, err
		case failed.disk != nil:
			return f.direct(ctx, p, offset)
		case f.ctx.Err() != nil:
			return 0, context.Cause(f.ctx)
		case !failed.useless:
			failures, tries = 0, 0 // it broke off, but not before it had brought something
		case !failed.opened:
			return 0, failed.err // the client has tried that again already
		default:
			if failures++; failures >= patience {
				return 0, failed.err
			}
		}
	}
}

// notice learns from a read and returns how many blocks are worth fetching from
// its start on, and whether it was not in order.
func (r *Reader) notice(offset, length int64) (window int64, jumped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	blocks := r.file.content.Blocks()
	switch d := offset - r.next; {
	case d >= -nearby && d <= nearby && (offset == 0 || r.next > 0):
		r.inOrder++
	default:
		r.inOrder, r.window, r.ahead = 0, 0, 0
	}
	if d := offset + length; r.inOrder == 0 || d > r.next {
		r.next = d
	}
	switch {
	case blocks <= smallContent:
		return blocks, r.inOrder == 0
	case r.inOrder == 0:
		return r.file.line.blocks(), true
	case r.window == 0:
		r.window = firstWindow
	}
	return r.window, false
}

// goAhead makes sure that the window ahead of a reader in order is there or under
// way.
func (r *Reader) goAhead(offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.window == 0 {
		return
	}
	f := r.file
	at := offset / chunks.BlockSize
	if r.ahead-at > r.window/2 {
		return
	}
	// Less than half of the window is covered: the next piece is asked for.
	f.mu.Lock()
	defer f.mu.Unlock()
	r.ahead = f.covered(max(at, r.ahead), min(at+r.window, f.content.Blocks()))
	if r.ahead >= f.content.Blocks() || r.ahead-at > r.window/2 {
		return
	}
	r.ahead = f.start(r.ahead, r.ahead+r.window, false).end
	r.window = min(2*r.window, maxWindow)
}

// covered returns the first block from at on, up to end, that is neither there nor
// under way. The mu is held.
func (f *File) covered(at, end int64) int64 {
	for at < end {
		if g := f.fetching(at); g != nil {
			at = g.end
			continue
		}
		if !f.content.Has(at) {
			break
		}
		at++
	}
	return at
}

// fetching returns the fetch that will bring a block, if there is one. The mu is
// held.
func (f *File) fetching(block int64) *fetch {
	for _, g := range f.under {
		if g.at <= block && block < g.end {
			return g
		}
	}
	return nil
}

// fill waits until the blocks from first up to end are there, and fetches what
// nobody else does, up to the block until. It returns a fetch that failed, if
// that is why they are not there.
func (f *File) fill(ctx context.Context, first, end, until int64, beside bool) (failed *fetch, err error) {
	for b := first; b < end; {
		f.mu.Lock()
		if f.content.Has(b) {
			f.mu.Unlock()
			b++
			continue
		}
		g := f.fetching(b)
		if g == nil {
			g = f.start(b, max(until, b+1), beside)
		}
		moved := g.moved
		f.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		f.mu.Lock()
		stopped := g.ended && g.at <= b
		f.mu.Unlock()
		if stopped {
			return g, nil
		}
	}
	return nil, nil
}

// start begins a fetch from a block on, up to end or to where another begins or the
// content has all. The mu is held.
func (f *File) start(from, end int64, beside bool) *fetch {
	end = min(end, f.content.Blocks())
	for b := from + 1; b < end; b++ {
		if f.fetching(b) != nil || f.content.Has(b) {
			end = b
		}
	}
	ctx, cancel := context.WithCancelCause(f.ctx)
	g := &fetch{at: from, end: end, moved: make(chan struct{}), beside: beside, cancel: cancel}
	f.under = append(f.under, g)
	f.running.Go(func() {
		defer cancel(nil)
		err := f.run(ctx, g)
		f.mu.Lock()
		defer f.mu.Unlock()
		g.ended, g.err = true, err
		g.useless = g.at == from
		f.under = slices.DeleteFunc(f.under, func(o *fetch) bool { return o == g })
		close(g.moved)
	})
	return g
}

func (f *File) run(ctx context.Context, g *fetch) error {
	from := g.at
	offset := from * chunks.BlockSize
	length := min(g.end*chunks.BlockSize, f.content.ID().Size) - offset
	clock := time.AfterFunc(f.timeout, func() { g.cancel(errStill) })
	defer clock.Stop()
	asked := time.Now()
	body, err := f.open(ctx, offset, length)
	if err != nil {
		return cause(ctx, err)
	}
	defer body.Close()
	clock.Reset(f.timeout / 2)
	answered := time.Now()
	f.mu.Lock()
	g.opened = true
	f.mu.Unlock()
	block := buffers.Get().(*[chunks.BlockSize]byte)
	defer buffers.Put(block)
	for b := g.at; b < g.end; b++ {
		n := min(int64(chunks.BlockSize), f.content.ID().Size-b*chunks.BlockSize)
		if _, err := io.ReadFull(body, block[:n]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("the content broke off: %w", cause(ctx, err))
		}
		if err := f.content.WriteBlock(b, block[:n]); err != nil {
			f.mu.Lock()
			g.disk = err
			f.mu.Unlock()
			return err
		}
		clock.Reset(f.timeout / 2)
		f.mu.Lock()
		g.at = b + 1
		moved := g.moved
		g.moved = make(chan struct{})
		f.mu.Unlock()
		close(moved)
	}
	if g.beside {
		f.line.learn(g.end-from, answered.Sub(asked), time.Since(answered))
	}
	// Reading to the end lets the connection be used again.
	_, err = io.Copy(io.Discard, body)
	return err
}

// errStill is the cause of a request that was given up. To those below it is a
// deadline.
var errStill = fmt.Errorf("the service does not answer: %w", context.DeadlineExceeded)

// cause returns errStill if that is why a request failed.
func cause(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStill {
		return errStill
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([chunks.BlockSize]byte) }}

// direct reads from the service alone, when the cache cannot be written.
func (f *File) direct(ctx context.Context, p []byte, offset int64) (int, error) {
	body, err := f.open(ctx, offset, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.ReadFull(body, p)
}
