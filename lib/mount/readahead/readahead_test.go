package readahead

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"jottatools/lib/mount/chunks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a content and the requests for it.
type service struct {
	data []byte

	mu       sync.Mutex // guards what follows
	requests [][2]int64 // offset and length
	fail     func(n int) error
	cut      int64 // bytes after which a request breaks off; 0: none does
	gate     chan struct{}
}

func (s *service) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	s.mu.Lock()
	s.requests = append(s.requests, [2]int64{offset, length})
	n, fail, cut, gate := len(s.requests), s.fail, s.cut, s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if fail != nil {
		if err := fail(n); err != nil {
			return nil, err
		}
	}
	var r io.Reader = bytes.NewReader(s.data[offset : offset+length])
	if cut > 0 {
		r = io.MultiReader(io.LimitReader(r, cut), iotest.ErrReader(errors.New("cut")))
	}
	return io.NopCloser(r), nil
}

func (s *service) count() (requests int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		bytes += r[1]
	}
	return len(s.requests), bytes
}

func newService(t *testing.T, size int) (*service, *File) {
	t.Helper()
	s := &service{data: make([]byte, size)}
	rand.NewChaCha8([32]byte{1}).Read(s.data)
	sum := md5.Sum(s.data)
	cache, err := chunks.Open(t.TempDir(), chunks.MinLimit)
	if err != nil {
		t.Fatal(err)
	}
	content, err := cache.Content(chunks.ID{MD5: hex.EncodeToString(sum[:]), Size: int64(size)})
	if err != nil {
		t.Fatal(err)
	}
	f := New(content, s.open, time.Minute, nil)
	t.Cleanup(func() { f.Close(); cache.Close() })
	return s, f
}

func readAll(t *testing.T, r *Reader, size, step int) []byte {
	t.Helper()
	var all []byte
	p := make([]byte, step)
	for len(all) < size {
		n, err := r.ReadAt(t.Context(), p, int64(len(all)))
		if err != nil {
			t.Fatalf("read at %d: %v", len(all), err)
		}
		all = append(all, p[:n]...)
	}
	return all
}

func TestInOrder(t *testing.T) {
	const size = 20<<20 + 12345
	s, f := newService(t, size)
	got := readAll(t, f.Reader(), size, 128<<10)
	if !bytes.Equal(got, s.data) {
		t.Error("read something else")
	}
	requests, n := s.count()
	if n != size || requests > 12 {
		t.Errorf("%d requests for %d bytes, want few, for %d", requests, n, size)
	}
	if _, err := f.Reader().ReadAt(t.Context(), make([]byte, 1), size); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	again := readAll(t, f.Reader(), size, 1<<20)
	if now, _ := s.count(); now != requests || !bytes.Equal(again, s.data) {
		t.Errorf("reading again took %d more requests", now-requests)
	}
}

// TestJumping: who jumps about gets what he asks for.
func TestJumping(t *testing.T) {
	const size = 32 << 20
	s, f := newService(t, size)
	r := f.Reader()
	p := make([]byte, 4096)
	for i := range int64(8) {
		offset := (i*37 + 11) % 30 << 20
		if n, err := r.ReadAt(t.Context(), p, offset); err != nil || !bytes.Equal(p[:n], s.data[offset:][:n]) {
			t.Fatalf("at %d: %d, %v", offset, n, err)
		}
	}
	if requests, n := s.count(); requests != 8 || n != 8*chunks.BlockSize {
		t.Errorf("%d requests for %d bytes, want 8 for a block each", requests, n)
	}
}

// TestBeside: on a line where it costs little, more is fetched than the read asked for,
// which does not wait for it; and who closes the file at once leaves it in the cache.
func TestBeside(t *testing.T) {
	s, f := newService(t, 32<<20)
	f.line = &Line{beside: 16}
	rest := make(chan struct{})
	serve := f.open
	f.open = func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		body, err := serve(ctx, offset, length)
		return io.NopCloser(io.MultiReader(io.LimitReader(body, chunks.BlockSize), gatedReader{ctx, rest}, body)), err
	}
	const offset = 10 << 20
	p := make([]byte, 4096)
	if n, err := f.Reader().ReadAt(t.Context(), p, offset); err != nil || !bytes.Equal(p[:n], s.data[offset:][:n]) {
		t.Fatalf("%d, %v", n, err)
	}
	if requests, n := s.count(); requests != 1 || n != 16*chunks.BlockSize {
		t.Errorf("%d requests for %d bytes, want one for 16 blocks", requests, n)
	}
	time.AfterFunc(10*time.Millisecond, func() { close(rest) }) // while Close waits
	f.Close()
	for b := range int64(16) {
		if !f.content.Has(offset/chunks.BlockSize + b) {
			t.Errorf("block %d is not in the cache", b)
		}
	}
}

// gatedReader ends once its gate is open, or with its request.
type gatedReader struct {
	ctx  context.Context
	gate chan struct{}
}

func (r gatedReader) Read([]byte) (int, error) {
	select {
	case <-r.gate:
		return 0, io.EOF
	case <-r.ctx.Done():
		return 0, r.ctx.Err()
	}
}

func TestSmallIsFetchedWhole(t *testing.T) {
	s, f := newService(t, 200<<10)
	if _, err := f.Reader().ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Fatal(err)
	}
	f.running.Wait()
	if requests, n := s.count(); requests != 1 || n != 200<<10 {
		t.Errorf("%d requests for %d bytes", requests, n)
	}
}

// TestBrokenOff: a request that brought something is followed by another; one that
// never does is an error, and so is one that is refused.
func TestBrokenOff(t *testing.T) {
	const size = 3 << 20
	s, f := newService(t, size)
	s.cut = 2*chunks.BlockSize + 100
	if got := readAll(t, f.Reader(), size, 128<<10); !bytes.Equal(got, s.data) {
		t.Error("read something else")
	}
	s, f = newService(t, size)
	s.cut = 100
	if _, err := f.Reader().ReadAt(t.Context(), make([]byte, 10), 0); err == nil {
		t.Error("no error, though nothing ever arrives")
	}
	if n, _ := s.count(); n != patience {
		t.Errorf("%d requests, want %d", n, patience)
	}
	s, f = newService(t, size)
	refused := errors.New("refused")
	s.fail = func(n int) error {
		if n == 1 {
			return refused
		}
		return nil
	}
	r := f.Reader()
	if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, refused) {
		t.Errorf("refused: %v", err)
	}
	if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}

func TestImpatience(t *testing.T) {
	s, f := newService(t, 1<<20)
	s.gate = make(chan struct{})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, err := f.Reader().ReadAt(ctx, make([]byte, 10), 0); !errors.Is(err, enough) {
		t.Errorf("read: %v", err)
	}
	close(s.gate)
	if _, err := f.Reader().ReadAt(t.Context(), make([]byte, 10), 0); err != nil {
		t.Error(err)
	}
}

// TestTogether: many readers of everything cost one request for each part.
func TestTogether(t *testing.T) {
	const size = 8 << 20
	s, f := newService(t, size)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if got := readAll(t, f.Reader(), size, 4096<<i); !bytes.Equal(got, s.data) {
				t.Error("read something else")
			}
		})
	}
	all.Wait()
	if _, n := s.count(); n != size {
		t.Errorf("%d bytes were asked for, want %d", n, size)
	}
}

// TestStandingStill: a request that stands still is given up, so that those who wait
// get an error, or what they want from another request.
func TestStandingStill(t *testing.T) {
	const timeout = 50 * time.Millisecond
	s, f := newService(t, 1<<20)
	f.timeout = timeout
	serve := f.open
	stuck := 0 // how many requests stand still after their first block
	f.open = func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		body, err := serve(ctx, offset, length)
		if stuck--; err == nil && stuck >= 0 {
			body = io.NopCloser(io.MultiReader(io.LimitReader(body, chunks.BlockSize), stillReader{ctx}))
		}
		return body, err
	}
	stuck = 2
	if got := readAll(t, f.Reader(), len(s.data), len(s.data)); !bytes.Equal(got, s.data) {
		t.Error("read something else")
	}
	s, f = newService(t, 1<<20)
	f.timeout = timeout
	s.gate = make(chan struct{})
	if _, err := f.Reader().ReadAt(t.Context(), make([]byte, 10), 0); err != errStill {
		t.Errorf("without an answer: %v, want %v", err, errStill)
	}
	close(s.gate)
	readAll(t, f.Reader(), len(s.data), len(s.data))
}

// stillReader stands still until its request is given up.
type stillReader struct{ ctx context.Context }

func (r stillReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}
