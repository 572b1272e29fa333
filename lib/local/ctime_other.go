//go:build !linux && !darwin && !freebsd

package local

func ctimesOf(string) ctimes { return ctimesNone }
