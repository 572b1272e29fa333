package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Reasons why a stream proves nothing. [Reader.Whole] wraps them.
var (
	// ErrTruncated: the stream ended without its end record.
	ErrTruncated = errors.New("the stream ended without its end record")
	// ErrIncomplete: the program that wrote the stream says that it is not the whole tree.
	ErrIncomplete = errors.New("the stream is marked incomplete")
	// ErrMiscounted: the end record counts other records than were read.
	ErrMiscounted = errors.New("the stream is not as long as its end record says")
	// ErrErrors: the stream is whole, but entries in it carry errors. Only Clean
	// minds.
	ErrErrors = errors.New("entries of the stream have errors")
	// ErrLeftOut: the stream is whole, but not all entries of the tree have a record,
	// since some need nothing. Only LeftOut minds.
	ErrLeftOut = errors.New("entries that need nothing were left out of the stream")
	// ErrMalformed: a line is not a record.
	ErrMalformed = errors.New("malformed line")
	// ErrStopped: the program that reads was told to stop. An error that wraps it says
	// by whom.
	ErrStopped = errors.New("the run was ended")
)

// MaxLine is the longest line a Reader takes, in bytes. Longer ones are
// malformed.
const MaxLine = 1 << 20

// Reader reads a stream of records. Streams compressed with zstd or gzip
// are recognised by their first bytes.
//
// A Reader is not safe for concurrent use; the records it returns are the
// caller's own.
type Reader struct {
	// Malformed, if set, is called for each line that is not a record, as soon as it
	// is read. The error names the line. The line is left out, and the stream
	// counts as not whole.
	Malformed func(error)

	source  *bufio.Reader
	unpack  io.Closer // the decompressor, if there is one
	line    int
	read    int64
	bytes   int64 // sum of the sizes of the files
	failed  int64 // records that carry an error
	bad     int64
	end     *End
	started bool
	done    bool
	fault   error // what ended the stream early

	peeked  bool // part is a line that PeekLine has read ahead, and partErr what came with it
	part    []byte
	partErr error
}

// NewReader returns a Reader of the stream r.
func NewReader(r io.Reader) *Reader {
	return &Reader{source: bufio.NewReaderSize(r, 64<<10)}
}

// All returns the records up to the end of the stream, whatever ends it. Call
// [Reader.Whole] afterwards to learn whether the stream is whole.
func (r *Reader) All() iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		for {
			rec, ok := r.Next()
			if !ok || !yield(rec) {
				return
			}
		}
	}
}

// Next returns the next record, and false at the end of the stream, whatever
// ends it.
func (r *Reader) Next() (*Record, bool) {
	for !r.done {
		line, err := r.readLine()
		if line != "" {
			rec, lineErr := r.parse(line)
			if lineErr != nil && err == io.EOF {
				err = fmt.Errorf("cut short in the middle of the line: %w", io.ErrUnexpectedEOF)
			} else if lineErr != nil {
				r.malformed(lineErr)
			} else if rec != nil {
				r.read++
				if rec.Kind == KindFile {
					r.bytes += max(rec.Size, 0)
				}
				if rec.Error != nil {
					r.failed++
				}
				r.done = err != nil
				r.stop(err)
				return rec, true
			}
		}
		r.stop(err)
	}
	return nil, false
}

func (r *Reader) stop(err error) {
	if err == nil {
		return
	}
	r.done = true
	if err != io.EOF {
		r.fault = err
	}
	if r.unpack != nil {
		r.unpack.Close()
	}
}

func (r *Reader) malformed(err error) {
	r.bad++
	if r.Malformed != nil {
		r.Malformed(fmt.Errorf("line %d: %w", r.line, err))
	}
}

// parse returns the record in line, or nil if it is the end record.
func (r *Reader) parse(line string) (*Record, error) {
	if r.end != nil {
		return nil, errors.New("a record after the end record; streams cannot be joined with cat")
	}
	rec := new(Record)
	if err := rec.decode(line); err != nil {
		return nil, err
	}
	if rec.Kind != KindEnd {
		return rec, nil
	}
	end, err := decodeEnd(line)
	if err != nil {
		return nil, err
	}
	r.end = &end
	return nil, nil
}

// readLine returns the next line without its newline, "" for a blank one. A
// line that is too long is read to its end and reported.
func (r *Reader) readLine() (string, error) {
	if !r.started {
		r.started = true
		if err := r.sniff(); err != nil {
			return "", err
		}
	}
	r.line++
	var long []byte
	for {
		part, err := r.slice()
		if err == nil && long == nil {
			return string(bytes.TrimSpace(part)), nil
		}
		if len(long) <= MaxLine+1 { // one more for the newline
			long = append(long, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if len(bytes.TrimSuffix(long, []byte{'\n'})) > MaxLine {
			r.malformed(fmt.Errorf("the line is longer than %d bytes", MaxLine))
			return "", err
		}
		if err != nil && err != io.EOF && len(long) > 0 {
			// What broke the stream also broke this line: it proves nothing.
			return "", err
		}
		return string(bytes.TrimSpace(long)), err
	}
}

// slice returns what ReadSlice of the source does, or did for PeekLine.
func (r *Reader) slice() ([]byte, error) {
	if r.peeked {
		r.peeked = false
		return r.part, r.partErr
	}
	return r.source.ReadSlice('\n')
}

// PeekLine returns the next line, without its newline, if it looks like the record of
// a file as a [Writer] writes it. Nothing else has been checked. A caller that
// recognises the line need not decode it and calls SkipLine; otherwise Next returns it.
// The line is valid until the next call. The first record has to be read with Next.
func (r *Reader) PeekLine() (line []byte, ok bool) {
	if r.done || !r.started || r.end != nil {
		return nil, false
	}
	if !r.peeked {
		r.part, r.partErr = r.source.ReadSlice('\n')
		r.peeked = true
	}
	if r.partErr != nil || !bytes.HasPrefix(r.part, fileStart) {
		return nil, false
	}
	return bytes.TrimSpace(r.part), true
}

// fileStart is how the line of a file begins.
var fileStart = []byte(`{"kind":"file",`)

// SkipLine counts the line that PeekLine has returned as a record without an error, and
// goes on to the next one.
func (r *Reader) SkipLine() {
	r.peeked = false
	r.line++
	r.read++
	r.bytes += sizeIn(r.part)
}

// End returns the end record; if there was none, an empty one that is not
// complete. It is known once the stream has been read to its end.
func (r *Reader) End() End {
	if r.end == nil {
		return End{}
	}
	return *r.end
}

// Ended reports whether the stream was read to its end, whatever ended it.
func (r *Reader) Ended() bool { return r.done }

// Whole returns nil if the stream was read to its end and proves that nothing
// is missing from it. Otherwise the error wraps ErrTruncated, ErrIncomplete,
// ErrMiscounted, ErrMalformed or ErrStopped, or what ended the reading, which may be the
// cause of a context's end. Entries that carry errors do not make a stream less
// whole; see [Reader.Clean].
func (r *Reader) Whole() error {
	switch {
	case errors.Is(r.fault, ErrStopped), errors.As(r.fault, new(packedError)): // they say it all
		return r.fault
	case r.fault != nil:
		return fmt.Errorf("%w (line %d: %w); run the command before this one again", ErrTruncated, r.line, r.fault)
	case r.bad > 0:
		return fmt.Errorf("%w: %d of %s could not be read", ErrMalformed, r.bad, Count(int64(r.line), "line", "lines"))
	case r.end == nil:
		return fmt.Errorf("%w (after %s); run the command before this one again", ErrTruncated, Count(r.read, "record", "records"))
	case !r.end.Complete:
		return fmt.Errorf("%w by %s; see what it reported and run it again", ErrIncomplete, r.stage())
	case r.end.Records != r.read:
		return fmt.Errorf("%w: %s read, %d announced by %s", ErrMiscounted, Count(r.read, "record", "records"), r.end.Records, r.stage())
	case r.end.saysBytes && r.end.Bytes != r.bytes:
		return fmt.Errorf("%w: its files have %d bytes, and %d are announced by %s", ErrMiscounted, r.bytes, r.end.Bytes, r.stage())
	}
	return nil
}

// LeftOut returns nil unless the end record says that entries were left out because they
// need no action. The error then wraps ErrLeftOut: a program that has to see each entry
// of the tree cannot use such a stream.
func (r *Reader) LeftOut() error {
	if same := r.End().Same; same != (Same{}) {
		return fmt.Errorf("%w, %d of them; run jdiff without --changes", ErrLeftOut, same.Entries())
	}
	return nil
}

// Clean returns nil if the stream is whole and no entry has an error. Only then may it
// lead to deletions.
func (r *Reader) Clean() error {
	if err := r.Whole(); err != nil {
		return err
	}
	switch n := max(r.end.Errors, r.failed); {
	case r.end.Errors < 0:
		return fmt.Errorf("the end record of %s does not say how many entries have errors", r.stage())
	case n > 0:
		return fmt.Errorf("%w: %d", ErrErrors, n)
	}
	return nil
}

func (r *Reader) stage() string {
	if s := strings.TrimSpace(r.end.Stage); s != "" {
		return s
	}
	return "its writer"
}
