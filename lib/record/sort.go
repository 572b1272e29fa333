package record

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Sorter brings records into tree order, with records of one path in the order
// they came. It keeps a bounded number of bytes in memory and the rest on disk,
// in the folder for temporary files. What comes in order costs no sorting.
//
// It is not safe for concurrent use. Close it to give the disk space back.
type Sorter struct {
	// Memory is how many bytes of records are sorted at a time; 0 means a small
	// number, fit for several sorters in a program.
	Memory int

	packer  packer
	chunks  []*strings.Builder // the records in memory, packed; none outgrows the size that it is made with
	memory  []packed
	size    int
	inOrder bool   // memory is
	buf     []byte // to pack in
	count   int64
	// runs[i] are sorted files that each hold about fanIn^i memories full, or more
	// where these came in order.
	runs [][]*tempFile
	last string // path of the last record on disk
}

// packed is a record in memory: where its path begins, which the rest follows, in
// a chunk. It has no pointers, so that the garbage collector need not look at
// what may be a million of them.
type packed struct{ chunk, at, path, end uint32 }

const (
	packedSize = 16
	// maxPacked is more than any record has: a line cannot grow so much.
	maxPacked = 64 * MaxLine

	// sortMemory is the default of Sorter.Memory.
	sortMemory = 1 << 20
	// fanIn is how many files are merged at a time: their buffers and
	// descriptors are what it costs.
	fanIn = 32

	// Chunks grow from the smallest to the largest size, in bytes.
	minChunk, maxChunk = 16 << 10, 1 << 20
)

// Sort reads a stream into a Sorter, as far as it goes: the records that keep
// wants. Ask the Reader afterwards whether the stream was whole. The error is that
// of writing to disk.
func Sort(in *Reader, keep func(*Record) bool) (*Sorter, error) {
	s := new(Sorter)
	for r := range in.All() {
		if r.Foreign() || !keep(r) {
			continue
		}
		if err := s.Add(r); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Add takes a record, which stays the caller's. The error is that of writing to
// disk.
func (s *Sorter) Add(r *Record) error {
	s.count++
	s.buf = s.packer.pack(append(s.buf[:0], r.Path...), r)
	s.inOrder = len(s.memory) == 0 || s.inOrder && Compare(s.path(s.memory[len(s.memory)-1]), r.Path) <= 0
	s.memory = append(s.memory, s.store(len(r.Path)))
	s.size += len(s.buf) + packedSize
	if s.size < cmp.Or(s.Memory, sortMemory) {
		return nil
	}
	return s.spill()
}

// store copies the record in buf, whose path has that length, into a chunk.
func (s *Sorter) store(path int) packed {
	last := len(s.chunks) - 1
	if last < 0 || s.chunks[last].Cap()-s.chunks[last].Len() < len(s.buf) {
		chunk := new(strings.Builder)
		chunk.Grow(max(min(max(s.size, minChunk), maxChunk), len(s.buf)))
		s.chunks = append(s.chunks, chunk)
		last++
	}
	at := s.chunks[last].Len()
	s.chunks[last].Write(s.buf)
	return packed{uint32(last), uint32(at), uint32(path), uint32(at + len(s.buf))}
}

func (s *Sorter) path(p packed) string {
	return s.chunks[p.chunk].String()[p.at : p.at+p.path]
}

func (s *Sorter) rest(p packed) string {
	return s.chunks[p.chunk].String()[p.at+p.path : p.end]
}

func (s *Sorter) sortMemory() {
	if s.inOrder {
		return
	}
	slices.SortFunc(s.memory, func(a, b packed) int {
		return cmp.Or(Compare(s.path(a), s.path(b)), cmp.Compare(a.chunk, b.chunk), cmp.Compare(a.at, b.at))
	})
	s.inOrder = true
}

// spill moves what is in memory to disk: into a run of its own, unless it follows
// what the last one ends with.
func (s *Sorter) spill() error {
	s.sortMemory()
	var run *tempFile
	follows := len(s.runs) > 0 && len(s.runs[0]) > 0 && Compare(s.last, s.path(s.memory[0])) <= 0
	if follows {
		run = s.runs[0][len(s.runs[0])-1]
	} else {
		var err error
		if run, err = newTempFile(); err != nil {
			return err
		}
	}
	err := s.writeMemory(run)
	if err != nil && !follows {
		run.close()
	}
	if err != nil {
		return err
	}
	s.last = strings.Clone(s.path(s.memory[len(s.memory)-1]))
	s.chunks, s.memory, s.size = nil, s.memory[:0], 0
	if follows {
		return nil
	}
	return s.addRun(0, run)
}

func (s *Sorter) writeMemory(run *tempFile) error {
	for _, p := range s.memory {
		if err := writePacked(run, s.path(p), s.rest(p)); err != nil {
			return err
		}
	}
	return run.finish()
}

// addRun files a run under its level and merges a level that is full.
func (s *Sorter) addRun(level int, run *tempFile) error {
	if level == len(s.runs) {
		s.runs = append(s.runs, nil)
	}
	s.runs[level] = append(s.runs[level], run)
	if len(s.runs[level]) < fanIn {
		return nil
	}
	merged, err := newTempFile()
	if err != nil {
		return err
	}
	if err := copyRuns(merged, mergeRuns(s.runs[level], nil)); err != nil {
		merged.close()
		return err
	}
	for _, r := range s.runs[level] {
		r.close()
	}
	s.runs[level] = nil
	return s.addRun(level+1, merged)
}

// copyRuns writes what is merged to a run.
func copyRuns(to *tempFile, m *merger) error {
	for {
		top, err := m.next()
		if err == io.EOF {
			return to.finish()
		}
		if err == nil {
			err = writePacked(to, top.path, top.rest)
		}
		if err != nil {
			return err
		}
	}
}

// Sorted returns the records in order, as often as it is called and by several
// readers at once. A non-nil error ends it. Add must not be called any more.
func (s *Sorter) Sorted() iter.Seq2[*Record, error] {
	s.sortMemory()
	return func(yield func(*Record, error) bool) {
		c := s.Cursor()
		for {
			more, err := c.Next()
			if !more && err == nil {
				return
			}
			var rec *Record
			if err == nil {
				rec, err = c.Record()
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Cursor reads what a [Sorter] holds in order, one after the other, and takes apart
// only the records that are asked for.
type Cursor struct {
	packer *packer
	merger *merger
	top    *mergeSource
}

// Cursor returns a Cursor before the first record. As with Sorted, there may be several, and
// Add must not be called any more.
func (s *Sorter) Cursor() *Cursor {
	s.sortMemory()
	var runs []*tempFile
	for _, level := range slices.Backward(s.runs) { // the oldest first, so that equal paths keep their order
		runs = append(runs, level...)
	}
	return &Cursor{packer: &s.packer, merger: mergeRuns(runs, s)}
}

// Next goes on to the next record, and reports whether there is one. The error is that of
// reading what is on disk.
func (c *Cursor) Next() (bool, error) {
	top, err := c.merger.next()
	c.top = top
	if err == io.EOF {
		return false, nil
	}
	return err == nil, err
}

// Path returns the path of the record.
func (c *Cursor) Path() string { return c.top.path }

// Record returns the record.
func (c *Cursor) Record() (*Record, error) { return c.packer.unpack(c.top.path, c.top.rest) }

// Brief returns what there is to compare of the record, if it is that of a file that is
// complete and not deleted, and nothing is wrong with it.
func (c *Cursor) Brief() (b Brief, ok bool) { return unpackBrief(c.top.rest) }

// Len returns how many records the sorter holds.
func (s *Sorter) Len() int64 { return s.count }

// Close drops the records.
func (s *Sorter) Close() error {
	s.chunks, s.memory = nil, nil
	var first error
	for _, level := range s.runs {
		for _, r := range level {
			if err := r.close(); err != nil && first == nil {
				first = err
			}
		}
	}
	s.runs = nil
	return first
}

// merger merges sorted runs. What it hands out is valid until the next one.
type merger struct {
	heads   mergeHeap
	handed  bool  // the top has been handed out
	problem error // met at the start
}

// mergeRuns merges sorted files and what memory holds, which counts as the
// youngest. Memory may be nil.
func mergeRuns(runs []*tempFile, memory *Sorter) *merger {
	m := new(merger)
	for i, run := range runs {
		in, err := run.reader()
		if err != nil {
			m.problem = err
			return m
		}
		m.start(&mergeSource{age: i, in: in})
	}
	if memory != nil {
		m.start(&mergeSource{age: len(runs), sorter: memory})
	}
	heap.Init(&m.heads)
	return m
}

func (m *merger) start(s *mergeSource) {
	switch err := s.advance(); {
	case err == nil:
		m.heads = append(m.heads, s)
	case err != io.EOF:
		m.problem = err
	}
}

// next returns the next record, or io.EOF as error.
func (m *merger) next() (*mergeSource, error) {
	if m.problem != nil {
		return nil, m.problem
	}
	if m.handed {
		switch err := m.heads[0].advance(); {
		case err == io.EOF:
			heap.Pop(&m.heads)
		case err != nil:
			m.problem = err
			return nil, err
		case len(m.heads) > 1:
			heap.Fix(&m.heads, 0)
		}
	}
	if m.handed = len(m.heads) > 0; !m.handed {
		return nil, io.EOF
	}
	return m.heads[0], nil
}

// mergeSource is one sorted run being read: a file, or what a sorter has in
// memory.
type mergeSource struct {
	age        int
	path, rest string // of the current record

	in     *bufio.Reader
	sorter *Sorter
	next   int // in the sorter's memory
}

func (m *mergeSource) advance() (err error) {
	if m.in != nil {
		m.path, m.rest, err = readPacked(m.in)
		return err
	}
	if m.next == len(m.sorter.memory) {
		return io.EOF
	}
	p := m.sorter.memory[m.next]
	m.path, m.rest = m.sorter.path(p), m.sorter.rest(p)
	m.next++
	return nil
}

// writePacked writes a packed record to a run: two lengths, the path, the rest.
func writePacked(run *tempFile, path, rest string) error {
	var lengths [2 * binary.MaxVarintLen64]byte
	n := binary.PutUvarint(lengths[:], uint64(len(path)))
	n += binary.PutUvarint(lengths[n:], uint64(len(rest)))
	return run.write(string(lengths[:n]), path, rest)
}

// readPacked reads what writePacked wrote.
func readPacked(in *bufio.Reader) (path, rest string, err error) {
	n, err := binary.ReadUvarint(in)
	if err == io.EOF {
		return "", "", err
	}
	m := uint64(0)
	if err == nil {
		m, err = binary.ReadUvarint(in)
	}
	var both []byte
	if max(n, m) > maxPacked {
		err = errDamaged
	}
	if err == nil {
		both, err = in.Peek(int(n + m))
	}
	if err == bufio.ErrBufferFull {
		both = make([]byte, n+m)
		_, err = io.ReadFull(in, both)
	} else if err == nil {
		in.Discard(len(both))
	}
	if err != nil {
		return "", "", fmt.Errorf("read records held back on disk: %w", err)
	}
	all := string(both) // the one allocation that a record costs here
	return all[:n], all[n:], nil
}

// mergeHeap has the source with the least record on top.
type mergeHeap []*mergeSource

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	if c := Compare(h[i].path, h[j].path); c != 0 {
		return c < 0
	}
	return h[i].age < h[j].age
}
func (h mergeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *mergeHeap) Push(x any)   { *h = append(*h, x.(*mergeSource)) }
func (h *mergeHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
