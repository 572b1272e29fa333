package diff

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"jottatools/lib/record"
)

// seen remembers which paths a pass has met, eight bytes each, so that a second pass
// over a source that was out of order finds twins of what the first one has already
// proposed. It is read only in that case; so only then it matters if the disk does
// not take what memory does not hold.
type seen struct {
	seed   maphash.Seed
	hashes []uint64 // those that are not on disk; all, and sorted, once loaded
	file   *os.File // nil: all are in memory
	out    *bufio.Writer
	err    error // why some are missing
	loaded bool
	folded []byte // for hash
}

// seenMemory is how many paths stay in memory.
const seenMemory = 8 << 10

func (s *seen) hash(path string) uint64 {
	s.folded = record.AppendFold(s.folded[:0], path)
	return maphash.Bytes(s.seed, s.folded)
}

func (s *seen) add(path string) {
	if s.loaded || s.err != nil {
		return
	}
	if s.hashes == nil {
		s.seed, s.hashes = maphash.MakeSeed(), make([]uint64, 0, seenMemory)
	}
	if len(s.hashes) == seenMemory {
		s.err = s.spill()
	}
	s.hashes = append(s.hashes, s.hash(path))
}

// spill moves the hashes to disk.
func (s *seen) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp("", "jottatools-*.seen")
		if err != nil {
			return err
		}
		os.Remove(f.Name()) // where an open file can be removed, not even kill -9 leaves it
		s.file, s.out = f, bufio.NewWriter(f)
	}
	var b [8]byte
	for _, h := range s.hashes {
		binary.LittleEndian.PutUint64(b[:], h)
		if _, err := s.out.Write(b[:]); err != nil {
			return err
		}
	}
	s.hashes = s.hashes[:0]
	return nil
}

// load brings all hashes into memory.
func (s *seen) load() error {
	s.loaded = true
	if err := s.read(); err != nil {
		return fmt.Errorf("note which paths were met: %w; make room or set TMPDIR, or put the input in order", err)
	}
	slices.Sort(s.hashes)
	return nil
}

// read reads what is on disk.
func (s *seen) read() error {
	if s.err != nil || s.file == nil {
		return s.err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReader(s.file)
	for {
		var b [8]byte
		if _, err := io.ReadFull(in, b[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		s.hashes = append(s.hashes, binary.LittleEndian.Uint64(b[:]))
	}
}

// has reports whether path was met, ignoring case.
func (s *seen) has(path string) bool {
	if len(s.hashes) == 0 {
		return false
	}
	_, found := slices.BinarySearch(s.hashes, s.hash(path))
	return found
}

func (s *seen) close() {
	if s.file != nil {
		s.file.Close()
		os.Remove(s.file.Name()) // elsewhere
	}
}
