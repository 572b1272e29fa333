package transfer

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Downloader is the part of a [jfs.Client] that downloads need.
type Downloader interface {
	Customer(context.Context) (jfs.Customer, error)
	Stat(context.Context, jfs.Path) (jfs.Info, error)
	Open(ctx context.Context, p jfs.Path, offset, length int64) (io.ReadCloser, error)
	OpenRevision(ctx context.Context, p jfs.Path, number, offset, length int64) (io.ReadCloser, error)
}

// Receiver fetches files, one each call. Make one with [NewReceiver]. It is safe for
// concurrent use.
type Receiver struct {
	Service   Downloader
	Bandwidth *Bandwidth // nil: no limit

	jobs        int                 // connections at once, of all files together
	connections *semaphore.Weighted // that many
	pace        pace                // how much of a large file to ask for at a time

	firstPause time.Duration // before a download is taken up; doubled each time
	stuckAfter int           // tries in a row without progress
}

// NewReceiver returns a Receiver that has at most jobs connections at once.
func NewReceiver(service Downloader, jobs int, limit *Bandwidth) *Receiver {
	return &Receiver{Service: service, Bandwidth: limit, jobs: jobs, connections: semaphore.NewWeighted(int64(jobs))}
}

// Fetch writes the content of the file at p to w, and then checks its MD5. A
// connection that breaks is taken up where it was. If the error says that the
// content is corrupt, w has got all of it. Errors: those of [jfs.Client.Open] and
// of w.
func (r *Receiver) Fetch(ctx context.Context, p jfs.Path, w io.Writer, progress func(offset int64)) error {
	info, err := r.Service.Stat(ctx, p)
	if err != nil {
		return err
	}
	if info.Kind != jfs.KindFile {
		return &jfs.Error{Op: "download", Path: p, Class: record.ClassKindConflict, Message: "it is a folder, not a file"}
	}
	info.Deleted = time.Time{} // what is in the trash can be fetched, too
	if err := info.Problem(); err != nil {
		return err
	}
	f := &fetch{Receiver: r, ctx: ctx, path: p, size: info.Size, md5: info.MD5, to: w, sum: md5.New(), progress: progress}
	return f.run(nil)
}

// fetch is one file on its way.
type fetch struct {
	*Receiver
	ctx      context.Context
	path     jfs.Path
	revision int64       // 0: the newest complete one
	newest   atomic.Bool // the revision is the newest complete one, and has no number of its own
	size     int64
	md5      string
	to       io.Writer
	sum      hash.Hash // of the content up to at
	at       int64     // how much of the content is there
	progress func(offset int64)

	fetched int64         // bytes off the wire, repeated ones included
	limited time.Duration // for how long the last try waited for the bandwidth
	refused bool          // there was no answer to read: the client has tried that often enough
}

// errDiffers says that what arrived is not what was listed.
var errDiffers = errors.New("the content differs")

// localError is an error of the receiving side.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// run fetches what is missing and checks the whole. If it is damaged, restart,
// unless it is nil, drops what is there and all is fetched once more: perhaps the
// line did it, or the disk at the last power cut.
func (f *fetch) run(restart func() error) error {
	patience := f.stuckAfter
	if patience == 0 {
		patience = stuckAfter
	}
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = f.firstPause, 2, maxPause
	if f.firstPause == 0 {
		pauses.InitialInterval = firstPause
	}
	furthest, stuck, damaged := f.at, 0, false
	moved := headway{f.at, time.Now()}
	for {
		f.progress(f.at)
		f.limited = 0
		err := f.more()
		if err == nil && hex.EncodeToString(f.sum.Sum(nil)) != f.md5 {
			err = errDiffers
		}
		var service *jfs.Error
		switch {
		case err == nil, f.ctx.Err() != nil:
			return err
		case errors.Is(err, errDiffers) && !damaged && restart != nil:
			damaged = true
			if err := restart(); err != nil {
				return err
			}
			f.sum.Reset()
			f.at, furthest, moved = 0, 0, headway{since: time.Now()}
			continue
		case f.refused, !errors.As(err, &service) || !service.Retry:
			return f.explain(err)
		}
		if f.at > furthest {
			furthest, stuck = f.at, 0
			moved.reached(furthest)
			pauses.Reset()
		}
		if stuck++; stuck >= patience || moved.lost(f.limited) {
			return err
		}
		if err := pause(f.ctx, err, pauses.NextBackOff()); err != nil {
			return err
		}
	}
}

// explain looks closer at what went wrong: the file may not be any more what was
// listed.
func (f *fetch) explain(err error) error {
	var e *jfs.Error
	if isLocal := errors.As(err, new(localError)); isLocal || !errors.Is(err, errDiffers) && !(errors.As(err, &e) && (e.Class == record.ClassNotFound || e.Class == record.ClassRange)) {
		return err
	}
	info, statErr := f.Service.Stat(f.ctx, f.path)
	switch {
	case errors.Is(statErr, jfs.ErrNotExist):
		return &jfs.Error{Op: "download", Path: f.path, Class: record.ClassNotFound, Status: 404, Message: "it has gone from the service since it was listed"}
	case statErr != nil:
		return err
	case f.revision == 0 && (info.MD5 != f.md5 || info.Size != f.size):
		return &jfs.Error{Op: "download", Path: f.path, Class: record.ClassChanging, Message: "it has changed on the service since it was listed; list it again"}
	case f.revision > 0 && info.Number != f.revision && errors.Is(err, jfs.ErrNotExist):
		return &jfs.Error{Op: "download", Path: f.path, Class: record.ClassNotFound, Status: 404, Message: "the service does not keep revision " + strconv.FormatInt(f.revision, 10) + " of it any more"}
	case errors.Is(err, errDiffers):
		return &jfs.Error{Op: "download", Path: f.path, Class: record.ClassCorrupt, Message: "what arrives is not what its MD5 says; see whether it is the same with another client, and tell the service"}
	}
	return err
}

// open opens length bytes of the content from offset on; a negative length means up
// to the end.
func (f *fetch) open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if f.revision == 0 || f.newest.Load() {
		return f.Service.Open(ctx, f.path, offset, length)
	}
	body, err := f.Service.OpenRevision(ctx, f.path, f.revision, offset, length)
	if !errors.Is(err, jfs.ErrNotExist) {
		return body, err
	}
	// Perhaps it is the newest, and the service has only older ones by number.
	if info, statErr := f.Service.Stat(ctx, f.path); statErr == nil && info.Number == f.revision {
		f.newest.Store(true)
		return f.Service.Open(ctx, f.path, offset, length)
	}
	return nil, err
}

const (
	// pieceSize is how much is read at a time, in bytes, without a limit.
	pieceSize = 128 << 10
	// aloneSize is the size, in bytes, up to which hashing is not worth a goroutine.
	aloneSize = 1 << 20
	// ahead is how many pieces of a file are read before the first of them is hashed.
	ahead = 4
)

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// more makes one attempt to fetch the rest.
func (f *fetch) more() error {
	if f.at == f.size {
		return nil
	}
	if err := f.connections.Acquire(f.ctx, 1); err != nil {
		return context.Cause(f.ctx)
	}
	defer f.connections.Release(1)
	body, err := f.rest()
	if err != nil {
		f.refused = true
		return err
	}
	defer body.Close()
	if f.size-f.at > aloneSize {
		return f.both(body)
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	return f.pieces(body, func() []byte { return piece[:] }, func(b []byte) { f.sum.Write(b) })
}

// rest opens what is missing.
func (f *fetch) rest() (io.ReadCloser, error) {
	if f.jobs > 1 && f.size-f.at > rangesFrom {
		return f.openRanges(), nil
	}
	return f.open(f.ctx, f.at, -1)
}

// both hashes what has been read while more is read and written.
func (f *fetch) both(body io.Reader) error {
	free, todo := make(chan []byte, ahead), make(chan []byte, ahead)
	for range ahead {
		piece := pieces.Get().(*[pieceSize]byte)
		defer pieces.Put(piece)
		free <- piece[:]
	}
	var hasher sync.WaitGroup
	hasher.Go(func() {
		for b := range todo {
			f.sum.Write(b)
			free <- b[:pieceSize]
		}
	})
	err := f.pieces(body, func() []byte { return <-free }, func(b []byte) { todo <- b })
	close(todo)
	hasher.Wait()
	return err
}

// fill reads until b is full, or there is nothing more. An encrypted line gives no
// more than 16 KiB at a time, and each piece costs a write and a change of goroutine.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// pieces copies body to f.to, and each piece to hash.
func (f *fetch) pieces(body io.Reader, buffer func() []byte, hash func([]byte)) error {
	for {
		b := buffer()
		if f.Bandwidth != nil {
			b = b[:readSize]
		}
		n, err := fill(body, b)
		f.fetched += int64(n)
		if f.at+int64(n) > f.size {
			return errDiffers
		}
		if n > 0 {
			hash(b[:n])
			if _, err := f.to.Write(b[:n]); err != nil {
				return localError{err}
			}
			f.at += int64(n)
			f.progress(f.at)
			start := time.Now()
			if err := f.Bandwidth.wait(f.ctx, n); err != nil {
				return err
			}
			f.limited += time.Since(start)
		}
		switch {
		case err == io.EOF && f.at < f.size:
			return errDiffers
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
