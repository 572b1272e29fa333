package local

import (
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// OpenContent is OpenRegular for reading a file from start to end. It does not register
// the file with the runtime's poller, which cannot poll regular files. Registering, and the
// generality of os.File, take a third of the time to read a small file
// (BenchmarkOpenContent). If anything goes wrong, OpenRegular takes over.
func (r *Root) OpenContent(path string) (Content, fs.FileInfo, error) {
	fd, err := openBeneath(int(r.dir.Fd()), path, fileFlags)
	if err != nil {
		return asContent(r.OpenRegular(path))
	}
	f := &content{fd: fd, path: Join(r.path, path)}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.path, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// content is a regular file, open for reading.
type content struct {
	fd   int
	path string
}

func (c *content) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(c.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, &fs.PathError{Op: "read", Path: c.path, Err: err}
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (c *content) Stat() (fs.FileInfo, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(c.fd, &st)
		switch err {
		case nil:
			return fromStat(c.path, &st), nil
		case unix.EINTR:
			continue
		}
		return nil, &fs.PathError{Op: "stat", Path: c.path, Err: err}
	}
}

func (c *content) Close() error {
	if err := unix.Close(c.fd); err != nil {
		return &fs.PathError{Op: "close", Path: c.path, Err: err}
	}
	return nil
}

func fromStat(path string, st *unix.Stat_t) *info {
	return &info{
		name:  filepath.Base(path),
		size:  st.Size,
		mode:  fileMode(st.Mode),
		mtime: time.Unix(st.Mtim.Unix()),
		state: state{dev: uint64(st.Dev), ino: st.Ino, ctime: time.Unix(st.Ctim.Unix())},
	}
}
