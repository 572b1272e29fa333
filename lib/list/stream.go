package list

import (
	"context"
	"errors"
	"io"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Stream returns what list emits as a stream of records, and a function to be
// called after reading that returns list's error. The stream may be closed before
// its end.
func Stream(list func(Emit) error) (in io.ReadCloser, wait func() error) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		out := record.NewWriter(w, "jls")
		err := list(out.Pass)
		w.CloseWithError(out.Close())
		done <- err
	}()
	return r, func() error {
		r.Close()
		if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
		return nil // the reader had enough
	}
}

// File returns the record of the file at p, with the path as. Errors: those of
// [jfs.Client.Stat], ErrExist if it is a folder, and those of
// [jfs.Entry.Problem], except that a file in the trash is not an error.
func File(ctx context.Context, service Lister, p jfs.Path, as string) (*record.Record, error) {
	info, err := service.Stat(ctx, p)
	if err != nil {
		return nil, err
	}
	if info.Kind != jfs.KindFile {
		return nil, &jfs.Error{Op: "download", Path: p, Class: record.ClassKindConflict, Message: "it is a folder, not a file"}
	}
	r := info.RecordAt(as, p)
	return &r, nil
}
