//go:build darwin || freebsd

package local

import (
	"io/fs"
	"syscall"
	"time"
)

func sysState(fi fs.FileInfo) state {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return state{}
	}
	s := state{dev: uint64(st.Dev), ino: st.Ino, ctime: toTime(ctimespec(st))}
	if b := btimespec(st); b.Sec > 0 { // -1 or 0 where the file system does not know
		s.btime = toTime(b)
	}
	return s
}

func toTime(t syscall.Timespec) time.Time { return time.Unix(int64(t.Sec), int64(t.Nsec)) }
