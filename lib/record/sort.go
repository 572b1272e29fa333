package record

import (
	"bufio"
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// Sorter brings records into tree order, with records of one path in the order
// they came. It keeps a bounded number of bytes in memory and the rest on disk,
// in the folder for temporary files.
//
// It is not safe for concurrent use. Close it to give the disk space back.
type Sorter struct {
	// Memory is how many bytes of records are sorted at a time; 0 means a small
	// number, fit for several sorters in a program.
	Memory int

	memory []keyedLine
	size   int
	count  int64
	// runs[i] are sorted files that each hold about fanIn^i memories full.
	runs [][]*tempFile
}

type keyedLine struct{ path, line string }

// keyedLineSize is what a line costs in memory beyond its bytes.
const keyedLineSize = 32 + 16

const (
	// sortMemory is the default of Sorter.Memory. It counts twice while a run is
	// written, and sorting is not what takes the time.
	sortMemory = 256 << 10
	// fanIn is how many files are merged at a time: their buffers and
	// descriptors are what it costs.
	fanIn = 32
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

// Add takes a record. The error is that of writing to disk.
func (s *Sorter) Add(r *Record) error {
	s.count++
	line := r.encoded()
	// The path is copied, since it may be a piece of a longer line that would stay
	// in memory with it.
	s.memory = append(s.memory, keyedLine{strings.Clone(r.Path), line})
	s.size += len(r.Path) + len(line) + keyedLineSize
	if s.size < cmp.Or(s.Memory, sortMemory) {
		return nil
	}
	return s.spill()
}

func (s *Sorter) spill() error {
	s.sortMemory()
	run, err := newTempFile()
	if err != nil {
		return err
	}
	for _, k := range s.memory {
		if err := run.writeLine(k.line); err != nil {
			run.close()
			return err
		}
	}
	if err := run.finish(); err != nil {
		run.close()
		return err
	}
	clear(s.memory)
	s.memory, s.size = s.memory[:0], 0
	return s.addRun(0, run)
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
	for k, err := range mergeRuns(s.runs[level], nil) {
		if err == nil {
			err = merged.writeLine(k.line)
		}
		if err != nil {
			merged.close()
			return err
		}
	}
	if err := merged.finish(); err != nil {
		merged.close()
		return err
	}
	for _, r := range s.runs[level] {
		r.close()
	}
	s.runs[level] = nil
	return s.addRun(level+1, merged)
}

func (s *Sorter) sortMemory() {
	slices.SortStableFunc(s.memory, func(a, b keyedLine) int { return Compare(a.path, b.path) })
}

// Sorted returns the records in order, as often as it is called and by several
// readers at once. A non-nil error ends it. Add must not be called any more.
func (s *Sorter) Sorted() iter.Seq2[*Record, error] {
	s.sortMemory()
	var runs []*tempFile
	for _, level := range slices.Backward(s.runs) { // the oldest first, so that equal paths keep their order
		runs = append(runs, level...)
	}
	return func(yield func(*Record, error) bool) {
		for k, err := range mergeRuns(runs, s.memory) {
			var rec *Record
			if err == nil {
				rec = new(Record)
				err = rec.decode(k.line)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Len returns how many records the sorter holds.
func (s *Sorter) Len() int64 { return s.count }

// Close drops the records.
func (s *Sorter) Close() error {
	s.memory = nil
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

// mergeRuns merges sorted files and sorted lines in memory, which count as the
// youngest.
func mergeRuns(runs []*tempFile, memory []keyedLine) iter.Seq2[keyedLine, error] {
	return func(yield func(keyedLine, error) bool) {
		var heads mergeHeap
		for i, run := range runs {
			lines, err := run.reader()
			if err == nil {
				err = heads.start(&mergeSource{age: i, lines: lines})
			}
			if err != nil {
				yield(keyedLine{}, err)
				return
			}
		}
		if err := heads.start(&mergeSource{age: len(runs), memory: memory}); err != nil {
			yield(keyedLine{}, err)
			return
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			top := heads[0]
			if !yield(top.head, nil) {
				return
			}
			err := top.advance()
			switch {
			case err == io.EOF:
				heap.Pop(&heads)
			case err != nil:
				yield(keyedLine{}, err)
				return
			default:
				heap.Fix(&heads, 0)
			}
		}
	}
}

// mergeSource is one sorted run being read.
type mergeSource struct {
	age    int
	head   keyedLine
	lines  *bufio.Reader
	memory []keyedLine
}

func (m *mergeSource) advance() (err error) {
	if m.lines != nil {
		m.head, err = nextKeyedLine(m.lines)
		return err
	}
	if len(m.memory) == 0 {
		return io.EOF
	}
	m.head, m.memory = m.memory[0], m.memory[1:]
	return nil
}

// nextKeyedLine reads a line that this package wrote, and of what it says only
// the path.
func nextKeyedLine(lines *bufio.Reader) (keyedLine, error) {
	line, err := nextLine(lines)
	if err != nil {
		return keyedLine{}, err
	}
	k := keyedLine{line: line}
	var raw rawNames
	var r Record
	err = eachMember(line, func(key, value, _ string) (err error) {
		switch key {
		case "path":
			r.Path, err = text[string](value)
		case "path_raw":
			raw.path, err = text[string](value)
		}
		return err
	})
	if err == nil {
		err = raw.apply(&r)
	}
	if err != nil {
		return keyedLine{}, fmt.Errorf("read records held back on disk: %w", err)
	}
	k.path = r.Path
	return k, nil
}

// mergeHeap has the source with the least record on top.
type mergeHeap []*mergeSource

func (h *mergeHeap) start(m *mergeSource) error {
	err := m.advance()
	if err == io.EOF {
		return nil
	}
	*h = append(*h, m)
	return err
}

func (h mergeHeap) Len() int { return len(h) }
func (h mergeHeap) Less(i, j int) bool {
	if c := Compare(h[i].head.path, h[j].head.path); c != 0 {
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
