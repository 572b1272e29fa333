package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"jottatools/lib/record"
)

// pipedFile is a file whose reading ends with a context.
type pipedFile struct {
	*io.PipeReader
	file  *os.File
	write *io.PipeWriter
	start sync.Once
}

// interruptible returns a reader of f that ends with the context's cause. A
// read of a pipe cannot be interrupted, so without this a filter would stay
// deaf to signals until its silent writer ends. Reading starts with the first
// Read: a program that does not want its input leaves it alone.
func interruptible(ctx context.Context, f *os.File) *pipedFile {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	return &pipedFile{PipeReader: r, file: f, write: w}
}

func (p *pipedFile) Read(b []byte) (int, error) {
	p.start.Do(func() {
		// Nobody can wait for this goroutine: it may hang in a read until the
		// process ends, and holds nothing that needs to be given back.
		go func() {
			_, err := io.CopyBuffer(struct{ io.Writer }{p.write}, struct{ io.Reader }{p.file}, make([]byte, 64<<10))
			p.write.CloseWithError(err)
		}()
	})
	return p.PipeReader.Read(b)
}

// heard returns the signals that stop a program, without those that whoever started it
// wants ignored: nohup does so with SIGHUP, and a shell with the SIGINT of what it runs in
// the background.
func heard() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}

// explained returns a context that ends when signals, a context of signal.NotifyContext,
// does, with a cause that people can read in the middle of a sentence.
func explained(signals context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	context.AfterFunc(signals, func() { cancel(stopped(context.Cause(signals))) })
	return ctx
}

// stopped says which signal ended the run. The cause names it as "terminated signal
// received".
func stopped(cause error) error {
	name := strings.TrimSuffix(cause.Error(), " signal received")
	return fmt.Errorf("%w by a signal (%s)", record.ErrStopped, name)
}

// leashVariable names a file descriptor, the reading end of a pipe whose other
// end a supervisor such as jottasync holds open. When the supervisor dies, even
// by kill -9, the pipe ends, and so does the program.
const leashVariable = "JOTTA_LEASH_FD"

// onLeash reports whether a supervisor has started the program. When it is stopped, the
// supervisor tells people so, once for all of the pipe.
func onLeash() bool { return os.Getenv(leashVariable) != "" }

func leash(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	if fd, err := strconv.ParseUint(os.Getenv(leashVariable), 10, 16); err == nil && fd > 2 {
		f := os.NewFile(uintptr(fd), "leash")
		go func() {
			io.Copy(io.Discard, f)
			cancel(offLeash{fmt.Errorf("%w by the program that had started it", record.ErrStopped)})
		}()
	}
	return ctx, func() { cancel(nil) }
}

// offLeash says that the supervisor has ended the program. It knows, if it lives.
type offLeash struct{ error }

// Unwrap returns [record.ErrStopped], wrapped.
func (e offLeash) Unwrap() error { return e.error }

// Told reports that nobody needs to hear of it.
func (offLeash) Told() bool { return true }
