package jfs

import (
	"fmt"
	"net"
	"syscall"
	"testing"

	"jottatools/lib/record"
)

// TestSilentDial: a host that does not answer when it is called, as one that is cut off
// from the network does not, is given up.
func TestSilentDial(t *testing.T) {
	// Linux is silent when the queue of a listener is full.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for range 8 {
		conn, err := net.DialTimeout("tcp", address, short)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	p := ample
	p.dial = short
	c, _ := onSockets(t, "http://"+address, p)
	wantError(t, "look", socketRequests["look"](t.Context(), c), record.ClassNetwork, true, "i/o timeout; check the network")
}
