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

// seen remembers on disk which paths a pass has met, eight bytes each, so that
// a second pass over a source that was out of order finds twins of what the
// first one has already proposed. It is read only in that case.
type seen struct {
	seed   maphash.Seed
	file   *os.File
	out    *bufio.Writer
	hashes []uint64 // sorted, once loaded
	loaded bool
}

func (s *seen) hash(path string) uint64 { return maphash.String(s.seed, record.Fold(path)) }

func (s *seen) add(path string) error {
	if s.loaded {
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "jottatools-*.seen")
		if err != nil {
			return fmt.Errorf("note which paths were met: %w; make room or set TMPDIR", err)
		}
		os.Remove(f.Name()) // where an open file can be removed, not even kill -9 leaves it
		s.seed, s.file, s.out = maphash.MakeSeed(), f, bufio.NewWriter(f)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], s.hash(path))
	if _, err := s.out.Write(b[:]); err != nil {
		return fmt.Errorf("note which paths were met: %w; make room or set TMPDIR", err)
	}
	return nil
}

// load brings the hashes into memory.
func (s *seen) load() error {
	s.loaded = true
	if s.file == nil {
		return nil
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
			break
		} else if err != nil {
			return err
		}
		s.hashes = append(s.hashes, binary.LittleEndian.Uint64(b[:]))
	}
	slices.Sort(s.hashes)
	return nil
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
