//go:build !linux

package mount

import (
	"errors"
	"time"
)

// Service is a client of the service.
type Service interface{}

var errUnsupported = errors.New("mounting is not supported on this system; jfuse runs on Linux")

// Mount fails: see above.
func Mount(Service, Options) (*Mounted, error) { return nil, errUnsupported }

// CheckDir fails, too.
func CheckDir(string, bool) error { return errUnsupported }

// Mounted is a mount.
type Mounted struct{}

// Done is never closed.
func (m *Mounted) Done() <-chan struct{} { return nil }

// Close does nothing.
func (m *Mounted) Close(time.Duration) error { return nil }

func readStatus(string) ([]byte, error) { return nil, errUnsupported }
