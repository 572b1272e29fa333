//go:build linux

package mount

import (
	"context"
	"errors"
	"syscall"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// errnos is what the system is told of each kind of failure. Those that are not
// here are EIO: nothing that a program could react to.
var errnos = map[record.Class]syscall.Errno{
	record.ClassAuth:         syscall.EACCES,
	record.ClassForbidden:    syscall.EPERM,
	record.ClassNotFound:     syscall.ENOENT,
	record.ClassVanished:     syscall.ENOENT,
	record.ClassCaseConflict: syscall.EEXIST,
	record.ClassKindConflict: syscall.EEXIST,
	record.ClassNameInvalid:  syscall.EINVAL,
	record.ClassNameTooLong:  syscall.ENAMETOOLONG,
	record.ClassQuota:        syscall.EDQUOT,
	record.ClassLocked:       syscall.EROFS,
	record.ClassPermission:   syscall.EACCES,
	record.ClassChanging:     syscall.ESTALE,
}

// errInterrupted is the cause of a context whose caller has been interrupted.
var errInterrupted = errors.New("interrupted")

// errno returns what the system is told of an error, and keeps the words for
// people.
func (f *fileSystem) errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var system syscall.Errno
	var classed interface{ Record() *record.Error }
	var rec *record.Error
	switch {
	case errors.As(err, &classed): // there may be an errno in it, of a socket
		rec = classed.Record()
	case errors.As(err, &system):
		if err.Error() != system.Error() {
			f.o.Info("%v", err)
		}
		return system
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return syscall.EINTR
	default:
		rec = jfs.RecordError(err)
	}
	no, known := errnos[rec.Class]
	if !known {
		no = syscall.EIO
	}
	if no != syscall.ENOENT {
		f.o.Info("%v", err)
	}
	if no == syscall.EIO || no == syscall.EACCES {
		f.note(err)
		f.noteSilence(err)
	}
	return no
}
