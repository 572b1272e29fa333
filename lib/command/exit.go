package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"jottatools/lib/record"
)

// The exit codes of every program. Scripts depend on them; docs/exit-codes.md
// explains them.
const (
	ExitOK          = 0
	ExitPartial     = 1   // finished, but some entries failed
	ExitUsage       = 2   // wrong usage
	ExitInput       = 3   // the input is incomplete or malformed
	ExitAuth        = 4   // not logged in, or not allowed
	ExitRefused     = 5   // the service refused for good
	ExitLimit       = 6   // a safety limit stopped it
	ExitFull        = 7   // the account is full or locked
	ExitBusy        = 8   // another run holds the lock
	ExitTemporary   = 75  // try again later
	ExitInterrupted = 130 // stopped by a signal; what was in hand is finished or can be resumed
)

// exitTable is the part of every help text that scripts are written from.
const exitTable = `    0  all done
    1  finished, but some entries failed (each was reported)
    2  wrong usage
    3  the input is incomplete or malformed
    4  not logged in, or not allowed
    5  the service refused for good
    6  a safety limit stopped it
    7  the account is full or locked
    8  another run holds the lock
   75  temporary failure, try again later
  130  interrupted
`

// gravest lists the codes by what the caller should hear of first when a run
// ends for several reasons. An incomplete input comes late, since it is what the
// other reasons lead to further down a pipe.
var gravest = []int{ExitInterrupted, ExitUsage, ExitAuth, ExitFull, ExitLimit, ExitRefused, ExitBusy, ExitTemporary, ExitInput, ExitPartial}

// Gravest returns the exit code that a caller should hear of first, out of those of the
// programs of a pipe. A code that none of ours has, such as that of a program that was
// killed, means a temporary failure; it has no say if another one gives the reason.
func Gravest(codes ...int) int {
	for _, grave := range gravest {
		if slices.Contains(codes, grave) {
			return grave
		}
	}
	for _, code := range codes {
		if code != ExitOK {
			return ExitTemporary
		}
	}
	return ExitOK
}

// codedError is an error that knows its exit code.
type codedError struct {
	error
	code int
}

func (e codedError) Unwrap() error { return e.error }

// Exit returns err with an exit code of its own; nil stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return codedError{err, code}
}

// Usagef returns an error about the command line. The program exits with
// ExitUsage and a hint at its help.
func Usagef(format string, args ...any) error {
	return codedError{fmt.Errorf(format, args...), ExitUsage}
}

// Classed is an error that can travel in a record. Its class gives the exit
// code when it ends a whole run.
type Classed interface {
	error
	Record() *record.Error
}

// exitCode returns the code for err, which may join several errors.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if ctx.Err() != nil {
		return ExitInterrupted
	}
	code := ExitOK
	for _, e := range leaves(err) {
		if isBrokenPipe(e) {
			continue
		}
		if c := codeOf(e); code == ExitOK || slices.Index(gravest, c) < slices.Index(gravest, code) {
			code = c
		}
	}
	return code
}

func codeOf(err error) int {
	var coded codedError
	var classed Classed
	var entry *record.Error
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &classed):
		return classCode(classed.Record())
	case errors.As(err, &entry):
		return classCode(entry)
	}
	for _, input := range []error{record.ErrTruncated, record.ErrIncomplete, record.ErrMiscounted, record.ErrMalformed, record.ErrLeftOut, syscall.EISDIR} {
		if errors.Is(err, input) {
			return ExitInput
		}
	}
	return ExitTemporary // the run was broken off, by the disk for instance
}

func classCode(e *record.Error) int {
	switch e.Class {
	case record.ClassAuth, record.ClassForbidden:
		return ExitAuth
	case record.ClassQuota, record.ClassLocked:
		return ExitFull
	case record.ClassLimit:
		return ExitLimit
	case record.ClassNetwork, record.ClassServer, record.ClassRateLimited:
		return ExitTemporary
	case record.ClassNotFound, record.ClassNameInvalid, record.ClassNameTooLong, record.ClassCaseConflict, record.ClassKindConflict:
		return ExitRefused
	}
	return ExitPartial
}

// leaves takes joined errors apart, so that each is printed and judged alone.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok && isPlainJoin(err) {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, leaves(e)...)
		}
		return all
	}
	return []error{err}
}

// isPlainJoin tells errors.Join from an error that wraps several with a message
// of its own.
func isPlainJoin(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	return ok && err.Error() == errors.Join(joined.Unwrap()...).Error()
}

// isBrokenPipe reports that the reader of our output has gone, which is no
// news to anyone.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// isTold reports that another program of the pipe has printed the error already.
func isTold(err error) bool {
	var told interface{ Told() bool }
	return errors.As(err, &told) && told.Told()
}
