package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Spool holds records back in the order they came: a few in memory, more on
// disk in the folder for temporary files.
//
// It is not safe for concurrent use. Close it to give the disk space back; where
// the platform allows it, that happens too if the program dies.
type Spool struct {
	memory []string
	size   int
	count  int64
	file   *tempFile
}

// spoolMemory is how many bytes of records stay in memory.
const spoolMemory = 64 << 10

// Add takes a record. The error is that of writing to disk.
func (s *Spool) Add(r *Record) error {
	s.count++
	line := r.encoded()
	if s.file == nil && s.size+len(line) <= spoolMemory {
		s.size += len(line)
		s.memory = append(s.memory, line)
		return nil
	}
	if s.file == nil {
		var err error
		if s.file, err = newTempFile(); err != nil {
			return err
		}
	}
	return s.file.write(line, "\n")
}

// Len returns how many records the spool holds.
func (s *Spool) Len() int64 { return s.count }

// All returns the records, as often as it is called. A non-nil error ends it.
func (s *Spool) All() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for _, line := range s.memory {
			rec := new(Record)
			if !yield(rec, rec.decode(line)) {
				return
			}
		}
		if s.file == nil {
			return
		}
		lines, err := s.file.reader()
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			rec, err := nextRecord(lines)
			if err == io.EOF || !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Close drops the records.
func (s *Spool) Close() error {
	s.memory, s.size = nil, 0
	if s.file == nil {
		return nil
	}
	err := s.file.close()
	s.file = nil
	return err
}

// encoded returns the record as one line: as read if it was only read.
func (r *Record) encoded() string {
	return string(r.append(nil))
}

// tempFile is a file of records that nobody else sees.
type tempFile struct {
	file *os.File
	out  *bufio.Writer // nil while nothing is buffered
	gone bool          // already removed from its folder
}

const tempBuffer = 16 << 10

func newTempFile() (*tempFile, error) {
	f, err := os.CreateTemp("", "jottatools-*.records")
	if err != nil {
		return nil, fmt.Errorf("hold records back on disk: %w; make room or set TMPDIR", err)
	}
	// Unix lets an open file be removed, so that not even kill -9 leaves it.
	gone := os.Remove(f.Name()) == nil
	return &tempFile{file: f, gone: gone}, nil
}

func (t *tempFile) write(texts ...string) error {
	if t.out == nil {
		t.out = bufio.NewWriterSize(t.file, tempBuffer)
	}
	for _, text := range texts {
		if _, err := t.out.WriteString(text); err != nil {
			return fmt.Errorf("hold records back on disk: %w; make room or set TMPDIR", err)
		}
	}
	return nil
}

// finish writes out what is buffered, and gives the buffer back until the next
// line.
func (t *tempFile) finish() error {
	if t.out == nil {
		return nil
	}
	if err := t.out.Flush(); err != nil {
		return fmt.Errorf("hold records back on disk: %w; make room or set TMPDIR", err)
	}
	t.out = nil
	return nil
}

// reader returns what was written, from the start. Readers of one file may be used in
// turn and at once; none may be used while more is written.
func (t *tempFile) reader() (*bufio.Reader, error) {
	if err := t.finish(); err != nil {
		return nil, err
	}
	size, err := t.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(io.NewSectionReader(t.file, 0, size), tempBuffer), nil
}

func (t *tempFile) close() error {
	err := t.file.Close()
	if !t.gone {
		err = errors.Join(err, os.Remove(t.file.Name()))
	}
	return err
}

// nextRecord reads a line that this package wrote.
func nextRecord(lines *bufio.Reader) (*Record, error) {
	line, err := nextLine(lines)
	if err != nil {
		return nil, err
	}
	rec := new(Record)
	if err := rec.decode(line); err != nil {
		return nil, fmt.Errorf("read records held back on disk: %w", err)
	}
	return rec, nil
}

func nextLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadString('\n')
	if err == io.EOF && line != "" {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	return line[:len(line)-1], nil
}
