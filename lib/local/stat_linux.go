package local

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Lstat describes the entry at path without following a final symbolic link.
func Lstat(path string) (fs.FileInfo, error) {
	return statx(unix.AT_FDCWD, "", path, false)
}

// Stat describes what the entry at path leads to.
func Stat(path string) (fs.FileInfo, error) {
	return statx(unix.AT_FDCWD, "", path, true)
}

// StatAt describes the entry called name in the folder that dir has open, and
// with follow what the entry leads to.
func StatAt(dir *os.File, name string, follow bool) (fs.FileInfo, error) {
	return statx(int(dir.Fd()), dir.Name(), name, follow)
}

// statx asks by the one system call that knows the time of creation; it costs
// no more than stat. dirName is the path of what dirfd has open.
func statx(dirfd int, dirName, name string, follow bool) (fs.FileInfo, error) {
	const wanted = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	flags, op := unix.AT_STATX_SYNC_AS_STAT, "stat"
	if !follow {
		flags, op = flags|unix.AT_SYMLINK_NOFOLLOW, "lstat"
	}
	var st unix.Statx_t
	for {
		err := unix.Statx(dirfd, name, flags, wanted, &st)
		switch err {
		case nil:
			return fromStatx(filepath.Base(name), &st), nil
		case unix.EINTR:
			continue
		}
		path := filepath.Join(dirName, name)
		if err != unix.ENOSYS && err != unix.EPERM {
			return nil, &fs.PathError{Op: op, Path: path, Err: err}
		}
		// An old kernel, or a sandbox that has never heard of statx.
		if follow {
			return os.Stat(path)
		}
		return os.Lstat(path)
	}
}

func fromStatx(name string, st *unix.Statx_t) *info {
	i := &info{
		name:  name,
		size:  int64(st.Size),
		mode:  fileMode(uint32(st.Mode)),
		mtime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)),
		state: state{
			dev:   unix.Mkdev(st.Dev_major, st.Dev_minor),
			ino:   st.Ino,
			ctime: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)),
			mount: st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, // since Linux 5.8
		},
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		i.state.btime = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
	return i
}

func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	if m&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if m&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if m&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

func sysState(fi fs.FileInfo) state {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return state{}
	}
	return state{dev: uint64(st.Dev), ino: st.Ino, ctime: time.Unix(st.Ctim.Unix())}
}
