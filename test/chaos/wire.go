package main

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

// wire is what the programs take for the service: it hands their connections on
// to whatever jserve is running, or breaks them. So the address stays while
// servers come and go.
type wire struct {
	listener net.Listener
	bytes    atomic.Int64 // that came from the programs since they were last counted
	broken   atomic.Int64 // connections
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	server string     // address of jserve; empty while there is none
	dice   *rand.Rand // nil: no connection breaks
	open   map[net.Conn]bool
}

func newWire() (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: l, open: map[net.Conn]bool{}}
	w.wg.Go(w.accept)
	return w, nil
}

func (w *wire) close() {
	w.listener.Close()
	w.mu.Lock()
	for c := range w.open {
		c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// lead says where connections go from now on. Those that are open are the server's
// business: they end with it.
func (w *wire) lead(server string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = server
}

// breaking says whether connections break from now on, and by which dice.
func (w *wire) breaking(dice *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dice = dice
}

// accept hands connections on. What becomes of the n-th of them, the dice decide.
func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		server, up, down := w.server, int64(-1), int64(-1)
		if w.dice != nil {
			fate, after := w.dice.IntN(10), w.dice.Int64N(200_000)
			switch fate {
			case 0:
				server = ""
			case 1:
				up = after
			case 2:
				down = after / 10
			}
		}
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(client, server, up, down) })
	}
}

// carry carries one connection. It breaks after so many bytes, if that is not
// negative, as if somebody had pulled the plug.
func (w *wire) carry(client net.Conn, address string, up, down int64) {
	defer w.keep(client)()
	server, err := net.Dial("tcp", address)
	if err != nil {
		w.broken.Add(1)
		reset(client)
		return
	}
	defer w.keep(server)()
	ended := make(chan bool, 2)
	one := func(to, from net.Conn, limit int64, count *atomic.Int64) {
		broken := copyUpTo(to, from, limit, count)
		if !broken {
			to.(*net.TCPConn).CloseWrite()
		}
		ended <- broken
	}
	w.wg.Go(func() { one(server, client, up, &w.bytes) })
	w.wg.Go(func() { one(client, server, down, new(atomic.Int64)) })
	broken := <-ended
	if !broken {
		broken = <-ended
	}
	if broken {
		w.broken.Add(1)
		reset(client)
		reset(server)
	}
}

// keep notes a connection, and returns what closes it.
func (w *wire) keep(c net.Conn) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[c] = true
	return func() {
		c.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, c)
	}
}

// copyUpTo copies until from ends, and reports whether the connection is to be
// broken: since the limit was reached, or one of the ends is broken itself.
func copyUpTo(to, from net.Conn, limit int64, count *atomic.Int64) bool {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if limit >= 0 && int64(n) >= limit {
			to.Write(b[:limit])
			return true
		}
		limit -= int64(n)
		count.Add(int64(n))
		if _, err := to.Write(b[:n]); err != nil {
			return true
		}
		if err != nil {
			return err != io.EOF
		}
	}
}

// reset closes a connection the hard way.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
