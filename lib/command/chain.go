package command

import (
	"errors"
	"io"
	"sync"

	"jottatools/lib/record"
)

// Stage reads a stream of records and writes another one.
type Stage func(in *record.Reader, out *record.Writer) error

// errNoReader is what a stage meets when the one behind it has given up, which
// says itself why.
var errNoReader = errors.New("nobody reads on")

// Chain runs a pipe of stages within one program, the last of which writes to
// standard output. It is [Env.Source] for the whole: what one stage leaves out, or
// an error that ends it, makes the end record of each later one say so.
func (e *Env) Chain(source func(out *record.Writer) error, stages ...Stage) error {
	if len(stages) == 0 {
		return e.Source(source)
	}
	var running sync.WaitGroup
	errs := make([]error, len(stages))
	// start runs one stage and returns what reads from it.
	start := func(i int, run func(out *record.Writer) error) *io.PipeReader {
		from, to := io.Pipe()
		running.Go(func() {
			out := record.NewWriter(to, e.name)
			out.OnError = e.tell
			err := run(out)
			if err != nil {
				out.Incomplete()
			}
			err = errors.Join(err, out.Close())
			to.Close()
			if !errors.Is(err, errNoReader) {
				errs[i] = err
			}
		})
		return from
	}
	// filter makes a stage of run out of one that reads what from gives.
	filter := func(from *io.PipeReader, stage Stage) func(out *record.Writer) error {
		return func(out *record.Writer) error {
			defer from.CloseWithError(errNoReader)
			in := e.Reader(from)
			err := stage(in, out)
			if err == nil && !errors.Is(in.Whole(), record.ErrIncomplete) { // of which the stage before tells
				err = in.Whole()
			}
			if err != nil || in.Whole() != nil {
				out.Incomplete()
			}
			out.Inherit(in.End())
			return err
		}
	}
	from := start(0, source)
	last := len(stages) - 1
	for i, stage := range stages[:last] {
		from = start(i+1, filter(from, stage))
	}
	err := e.Source(filter(from, stages[last]))
	running.Wait()
	return errors.Join(append(errs, err)...)
}
