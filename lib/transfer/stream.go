package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"

	"jottatools/lib/jfs"
	"jottatools/lib/local"
	"jottatools/lib/record"
)

// StreamService is the part of a [jfs.Client] that PutStream needs.
type StreamService interface {
	Uploader
	Trash(context.Context, jfs.Path) error
}

// StreamOptions say where a stream goes, and what is known of it.
type StreamOptions struct {
	Remote    jfs.Path
	MD5       string // 32 lower-case hex digits; "" if not known
	Size      int64  // bytes; record.SizeUnknown if not known
	Bandwidth *Bandwidth
	DryRun    bool // read the stream, and store nothing

	SpoolDir   string // where the stream is kept until its MD5 is known; "": the folder for temporary files
	SpoolLimit int64  // bytes; 0: no limit

	Expect   func(files, bytes int64) // as in UploadOptions
	Progress func(files, bytes int64)
}

// Why a stream is not stored, apart from troubles of disk and service. The record
// has more words for it.
var (
	ErrOtherStream = errors.New("the stream is not what was announced")
	ErrTooLong     = errors.New("the stream is longer than --spool-limit")
	ErrNoSpool     = errors.New("keep the stream until its MD5 is known")
)

// PutStream stores the content of in as one file, and writes a record for it.
//
// The service wants to know MD5 and size first, so the stream is kept on disk
// until they are known, in a file without a name. If both are known it is sent as
// it comes. A stream that turns out to be another one is never stored: its last
// bytes are held back until all of it has been compared, and what the service had
// by itself is taken back. The error is [ErrOtherStream] then, [ErrTooLong] if
// SpoolLimit is not enough, [ErrNoSpool] if the disk is not, or one as of [Upload].
//
// A connection that breaks is taken up where the service has the stream, as long
// as that is not further back than the last 16 MiB, which are kept in memory.
func PutStream(ctx context.Context, in io.Reader, out *record.Writer, service StreamService, o StreamOptions) error {
	if o.Expect == nil {
		o.Expect = func(_, _ int64) {}
	}
	if o.Progress == nil {
		o.Progress = func(_, _ int64) {}
	}
	s := &streaming{run: newRun(ctx, out, 1), service: service, o: o, rec: &record.Record{
		Kind: record.KindFile, Path: string(o.Remote[1:]), Size: o.Size, MD5: o.MD5, MTime: time.Now().UTC().Truncate(time.Second),
		Remote: string(o.Remote), Action: record.ActionPut,
	}}
	err := s.store(in)
	if err == nil && o.DryRun {
		s.rec.Status = record.StatusSkipped
	}
	s.finish(s.rec, err)
	if closeErr := s.close(); closeErr != nil {
		return closeErr
	}
	for _, known := range []error{ErrOtherStream, ErrTooLong, ErrNoSpool} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// streaming is one PutStream.
type streaming struct {
	*run
	service StreamService
	o       StreamOptions
	rec     *record.Record
}

// store stores the stream, by way of the disk if need be.
func (s *streaming) store(in io.Reader) error {
	for name := range strings.SplitSeq(s.rec.Path, "/") {
		if _, err := jfs.CheckName(name); err != nil {
			return err
		}
	}
	if !s.o.DryRun {
		// Before anything is read: a full account is not worth the wait.
		if customer := s.account(s.service); customer.WriteLocked {
			return lockedError(s.o.Remote)
		}
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
	}
	if s.o.DryRun {
		return s.storeWhole(in)
	}
	names := newNames(s.service)
	before, err := names.look(s.ctx, s.o.Remote)
	if err != nil {
		return err
	}
	if s.o.MD5 != "" && s.o.Size >= 0 {
		err = s.sendAsItComes(in)
	} else {
		err = s.storeWhole(in)
	}
	if err != nil {
		return err
	}
	as, err := names.settle(s.ctx, s.o.Remote, before)
	if info, statErr := s.service.Stat(s.ctx, s.o.Remote); err == nil && statErr == nil && as == s.o.Remote {
		as = info.Spelled() // a file that is alive keeps its spelling
	}
	s.rec.Remote = string(as)
	return err
}

// storeWhole stores a stream of which MD5 or size is not known before its end.
func (s *streaming) storeWhole(in io.Reader) error {
	spool, err := s.spool(in)
	if err != nil {
		return err
	}
	defer spool.Close()
	if s.o.DryRun {
		return nil
	}
	_, err = s.send(spool)
	return err
}

// send sends the content and notes in the record what became of it.
func (s *streaming) send(source io.ReaderAt) (Sent, error) {
	s.o.Expect(1, s.rec.Size)
	sender := &Sender{Service: s.service, Bandwidth: s.o.Bandwidth}
	start, shown := time.Now(), int64(0)
	took, err := sender.Send(s.ctx, s.o.Remote, contentOf(s.rec), Source{ReaderAt: source, Progress: func(offset int64) {
		s.o.Progress(0, offset-shown)
		shown = offset
	}})
	s.rec.Transfer = &record.Transfer{Sent: took.Bytes, ResumedAt: took.ResumedAt, Took: time.Since(start)}
	if err != nil {
		return took, err
	}
	s.rec.Status = record.StatusDone
	if took.Deduplicated {
		s.rec.Status = record.StatusDeduplicated
	}
	s.o.Progress(1, s.rec.Size-shown)
	return took, nil
}

// spool keeps the stream in a file that nobody else sees, and notes its size and
// MD5 in the record.
func (s *streaming) spool(in io.Reader) (*os.File, error) {
	failed := func(err error) error {
		return &streamError{ErrNoSpool, record.Error{Class: local.Class(err), Message: fmt.Sprintf("%v: %v; make room or set --spool-dir, or give --md5 and --size", ErrNoSpool, err)}}
	}
	f, err := os.CreateTemp(s.o.SpoolDir, "jottatools-*.spool")
	if err != nil {
		return nil, failed(err)
	}
	os.Remove(f.Name()) // where an open file can be removed, not even kill -9 leaves it
	disk := &diskWriter{Writer: f}
	if s.o.DryRun {
		disk.Writer = io.Discard
	}
	if s.o.SpoolLimit > 0 {
		in = io.LimitReader(in, s.o.SpoolLimit+1)
	}
	sum := md5.New()
	n, err := io.Copy(io.MultiWriter(sum, disk), in)
	digest := hex.EncodeToString(sum.Sum(nil))
	switch {
	case disk.err != nil:
		err = failed(disk.err)
	case err != nil:
		err = fmt.Errorf("read the stream: %w", err)
	case s.o.SpoolLimit > 0 && n > s.o.SpoolLimit:
		err = &streamError{ErrTooLong, record.Error{Class: record.ClassLimit, Message: fmt.Sprintf("%v, which is %s; raise it, or give --md5 and --size", ErrTooLong, units.BytesSize(float64(s.o.SpoolLimit)))}}
	case s.o.Size >= 0 && n != s.o.Size:
		err = otherStream("it has %d bytes, not %d", n, s.o.Size)
	case s.o.MD5 != "" && digest != s.o.MD5:
		err = otherStream("its MD5 is %s, not %s", digest, s.o.MD5)
	default:
		s.rec.Size, s.rec.MD5 = n, digest
		return f, nil
	}
	f.Close()
	os.Remove(f.Name()) // elsewhere
	return nil, err
}

// diskWriter tells errors of writing from those of reading.
type diskWriter struct {
	io.Writer
	err error
}

func (d *diskWriter) Write(p []byte) (n int, err error) {
	n, d.err = d.Writer.Write(p)
	return n, d.err
}

// streamError is an error for a record that is of a known kind.
type streamError struct {
	kind error
	why  record.Error
}

func (e *streamError) Error() string   { return e.why.Message }
func (e *streamError) Unwrap() []error { return []error{&e.why, e.kind} }

func otherStream(format string, args ...any) error {
	return &streamError{ErrOtherStream, record.Error{Class: record.ClassCorrupt, Message: ErrOtherStream.Error() + ": " + fmt.Sprintf(format, args...)}}
}

// sendAsItComes sends a stream whose MD5 and size are announced.
func (s *streaming) sendAsItComes(in io.Reader) error {
	before, err := s.service.Stat(s.ctx, s.o.Remote)
	if err != nil && !errors.Is(err, jfs.ErrNotExist) {
		return err
	}
	there := err == nil && before.Kind == jfs.KindFile && before.Live()
	window := newWindow(in, s.o.Size, s.o.MD5)
	_, err = s.send(window)
	if failed := window.failure(); failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	// What the service had already it did not ask for.
	other := window.readAll()
	if other == nil || there && holds(&before, s.rec) {
		return other
	}
	s.rec.Status = ""
	if there {
		err = s.service.TouchFile(s.ctx, s.o.Remote, jfs.Content{Size: before.Size, MD5: before.MD5, Created: before.Created, Modified: before.Modified})
	} else {
		err = s.service.Trash(s.ctx, s.o.Remote)
	}
	if err != nil {
		return otherStream("%v; but the service had what was announced, it is at %s now, and taking it back failed: %v", other, s.o.Remote, err)
	}
	return other
}

// windowSize is how much of a stream is kept in memory, in bytes: more than what
// is on its way when a connection breaks.
const windowSize = 16 << 20

// window makes a stream readable at any offset that is not too far back. It gives
// out the end of the stream only if all of it is what was announced.
type window struct {
	size int64
	md5  string

	mu     sync.Mutex // guards all that follows
	in     io.Reader
	sum    hash.Hash
	kept   []byte // the byte at offset i is at i modulo its length
	read   int64
	ended  bool  // all was read and compared
	failed error // what is wrong with the stream
}

func newWindow(in io.Reader, size int64, md5sum string) *window {
	return &window{in: in, size: size, md5: md5sum, sum: md5.New(), kept: make([]byte, min(size, windowSize))}
}

// ReadAt implements io.ReaderAt, for less than the window at a time.
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if off < w.read-int64(len(w.kept)) {
		w.failed = &jfs.Error{Op: "send the stream", Class: record.ClassNetwork, Retry: true, Message: fmt.Sprintf(
			"the connection broke, and the service has the first %d bytes only, of %d that were read; a stream cannot be rewound so far: run the command again with the same --md5 and --size, and it goes on there",
			off, w.read)}
		return 0, w.failed
	}
	for w.read < off+int64(len(p)) {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	for n := 0; n < len(p); {
		n += copy(p[n:], w.kept[(off+int64(n))%int64(len(w.kept)):])
	}
	return len(p), nil
}

// fill reads some more, and at the end compares.
func (w *window) fill() error {
	if w.failed != nil {
		return w.failed
	}
	at := w.read % int64(len(w.kept))
	part := w.kept[at:min(at+readSize, int64(len(w.kept)))]
	part = part[:min(int64(len(part)), w.size-w.read)]
	n, err := io.ReadFull(w.in, part)
	w.sum.Write(part[:n])
	w.read += int64(n)
	switch {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		w.failed = otherStream("it ended after %d bytes of %d", w.read, w.size)
	case err != nil:
		w.failed = fmt.Errorf("read the stream: %w", err)
	case w.read == w.size:
		w.failed = w.compare()
	}
	return w.failed
}

// compare looks whether a stream of the announced length is the announced one.
func (w *window) compare() error {
	w.ended = true
	var more [1]byte
	switch n, err := io.ReadFull(w.in, more[:]); {
	case n > 0:
		return otherStream("it goes on after %d bytes", w.size)
	case err != io.EOF:
		return fmt.Errorf("read the stream: %w", err)
	}
	if sum := hex.EncodeToString(w.sum.Sum(nil)); sum != w.md5 {
		return otherStream("its MD5 is %s, not %s", sum, w.md5)
	}
	return nil
}

// failure returns what is wrong with the stream, as far as it was read.
func (w *window) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// readAll reads what is left, and compares.
func (w *window) readAll() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.failed == nil && w.read < w.size {
		w.fill()
	}
	if w.failed == nil && !w.ended {
		w.failed = w.compare()
	}
	return w.failed
}
