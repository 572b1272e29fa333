package local

import "syscall"

func ctimespec(st *syscall.Stat_t) syscall.Timespec { return st.Ctimespec }
func btimespec(st *syscall.Stat_t) syscall.Timespec { return st.Birthtimespec }
