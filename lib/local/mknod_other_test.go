//go:build unix && !linux

package local

import "errors"

func mknod(string, uint32, int) error { return errors.ErrUnsupported }
