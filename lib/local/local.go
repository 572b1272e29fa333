// Package local reads the metadata of local entries and opens and replaces local files.
// It fills records from file infos, says whether a file is still the one that a record
// describes, opens files without ever blocking on a FIFO, and classifies errors for
// records.
//
// It does not walk trees (package walk does) and reads no file data.
package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"jottatools/lib/record"
)

// ErrNotRegular is wrapped by the error of [OpenRegular] for anything but a
// regular file.
var ErrNotRegular = errors.New("not a regular file")

// Path returns the local path of a record: its root and its path, with the
// separators of the platform.
func Path(r *record.Record) string {
	return Join(r.Root, r.Path)
}

// Join returns the local path of the entry at the slash-separated path beneath
// root. Either may be empty. Neither is cleaned: records hold clean ones.
func Join(root, path string) string {
	path = filepath.FromSlash(path)
	switch {
	case root == "":
		return path
	case path == "":
		return root
	case os.IsPathSeparator(root[len(root)-1]):
		return root + path
	}
	return root + string(filepath.Separator) + path
}

// Fill sets what fi says about an entry: Size (of regular files), MTime, Mode,
// and, where the platform has them, Ino, CTime and BTime. Times that a record
// cannot hold, those outside the years 1 to 9999, are left out.
//
// BTime is set from file infos that come from [Lstat], [Stat] and [StatAt], and
// on some systems from others too.
func Fill(r *record.Record, fi fs.FileInfo) {
	s := stateOf(fi)
	r.Size = record.SizeUnknown
	if fi.Mode().IsRegular() {
		r.Size = fi.Size()
	}
	r.MTime = recordTime(fi.ModTime())
	r.Mode = octal(fi.Mode())
	r.Ino = s.ino
	r.CTime = recordTime(s.ctime)
	if !s.btime.IsZero() {
		r.BTime = recordTime(s.btime)
	}
}

// Unchanged reports whether the file that fi describes is the one that r
// describes, as far as can be told without reading it: size and mtime are the
// same, and so are ctime and inode number where both sides have them.
func Unchanged(r *record.Record, fi fs.FileInfo) bool {
	s := stateOf(fi)
	ctime := recordTime(s.ctime)
	return r.Size == fi.Size() &&
		r.MTime.Equal(recordTime(fi.ModTime())) &&
		(r.CTime.IsZero() || ctime.IsZero() || r.CTime.Equal(ctime)) &&
		(r.Ino == 0 || s.ino == 0 || r.Ino == s.ino)
}

// state is what fs.FileInfo has no methods for. What the platform lacks is zero.
type state struct {
	dev, ino     uint64
	ctime, btime time.Time
	mount        bool // something is mounted there; false where the platform does not tell
}

func stateOf(fi fs.FileInfo) state {
	if i, ok := fi.(*info); ok {
		return i.state
	}
	return sysState(fi)
}

// recordTime returns t as a record holds it: in UTC, or the zero time if RFC 3339
// cannot express its year.
func recordTime(t time.Time) time.Time {
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}
	}
	return t
}

func octal(m fs.FileMode) string {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	switch bits { // nearly all there is; saves the allocation
	case 0o644:
		return "0644"
	case 0o755:
		return "0755"
	case 0o600:
		return "0600"
	case 0o664:
		return "0664"
	}
	return fmt.Sprintf("%04o", bits)
}

// Mode returns the permission bits that a record has as text, such as "0644".
func Mode(octal string) (mode fs.FileMode, ok bool) {
	bits, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return 0, false
	}
	mode = fs.FileMode(bits) & fs.ModePerm
	if bits&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode, true
}

// Abs returns the absolute path of a folder, symbolic links resolved, as the root
// of records is.
func Abs(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// DiskFull reports whether an error says that there is no room left.
func DiskFull(err error) bool {
	const windowsDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull)
}

// info is a file info that knows more than those of package os.
type info struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
	state state
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) Mode() fs.FileMode  { return i.mode }
func (i *info) ModTime() time.Time { return i.mtime }
func (i *info) IsDir() bool        { return i.mode.IsDir() }
func (i *info) Sys() any           { return nil }

// Device returns the number of the file system that holds the file, or 0 where
// the platform does not tell.
func Device(fi fs.FileInfo) uint64 { return stateOf(fi).dev }

// MountRoot reports whether something is mounted at the file: a file system, or with a
// bind mount another part of the same one. It is false where the platform does not tell.
func MountRoot(fi fs.FileInfo) bool { return stateOf(fi).mount }

// SameFile reports whether a and b describe one file. Unlike os.SameFile it
// takes the file infos of this package, too.
//
// A folder may have the inode number 0: the root of gocryptfs 2.3 has it. Two files with
// that number are never taken for one.
func SameFile(a, b fs.FileInfo) bool {
	x, y := stateOf(a), stateOf(b)
	switch {
	case x.ino != 0 && y.ino != 0, x.dev != 0 && y.dev != 0 && a.IsDir() && b.IsDir():
		return x.ino == y.ino && x.dev == y.dev
	}
	return os.SameFile(a, b)
}

// OpenRegular opens the file at path for reading and describes it. A final
// symbolic link is followed. It never blocks on a FIFO that took the file's place;
// for all but regular files the error wraps [ErrNotRegular].
func OpenRegular(path string) (*os.File, fs.FileInfo, error) { return regular(openNonblock(path)) }

// Content is a regular file, open for reading from start to end.
type Content interface {
	io.ReadCloser
	Stat() (fs.FileInfo, error)
}

// Class returns the class of an error that the file system gave.
func Class(err error) record.Class {
	var known *record.Error
	switch {
	case errors.As(err, &known):
		return known.Class
	case errors.Is(err, fs.ErrPermission):
		return record.ClassPermission
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, errStale):
		return record.ClassVanished // ENOTDIR: a folder above it has made way for a file
	case errors.Is(err, ErrNotRegular), errors.Is(err, ErrAstray):
		return record.ClassChanging // the walk saw a regular file there
	case errors.Is(err, syscall.ENAMETOOLONG):
		return record.ClassNameTooLong
	}
	return record.ClassInternal
}

// NewError returns err as a record carries it: its class, and a message such as
// "open a/b: permission denied".
func NewError(err error) *record.Error {
	var known *record.Error
	if errors.As(err, &known) {
		return known
	}
	return &record.Error{Class: Class(err), Message: strings.ReplaceAll(err.Error(), "\n", "\\n")}
}
