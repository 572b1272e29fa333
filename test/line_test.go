//go:build linux

package test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// line is a way to a server that can go dead: what is sent is taken, and nothing
// ever comes back, not even an end.
type line struct {
	net.Listener
	to string

	mu    sync.Mutex // guards what follows
	dead  bool       // connections that are made, too
	cut   int64      // the next connection that has brought so many bytes goes dead; 0: none
	conns map[*lineConn]bool
}

type lineConn struct {
	up, down net.Conn
	dead     bool // guarded by the line's mu
}

func newLine(t *testing.T, endpoint string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: listener, to: strings.TrimPrefix(endpoint, "http://"), conns: map[*lineConn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { l.carry(down) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		l.mu.Lock()
		for c := range l.conns {
			c.up.Close()
			c.down.Close()
		}
		l.mu.Unlock()
		running.Wait()
	})
	return l
}

func (l *line) carry(down net.Conn) {
	defer down.Close()
	up, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer up.Close()
	c := &lineConn{up: up, down: down}
	l.mu.Lock()
	c.dead = l.dead
	l.conns[c] = true
	l.mu.Unlock()
	defer func() { l.mu.Lock(); delete(l.conns, c); l.mu.Unlock() }()
	var running sync.WaitGroup
	running.Go(func() { l.copy(c, down, up); down.Close() })
	l.copy(c, up, down)
	up.Close()
	running.Wait()
}

func (l *line) copy(c *lineConn, to, from net.Conn) {
	b := make([]byte, 16<<10)
	brought := int64(0)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		if brought += int64(n); from == c.up && l.cut > 0 && brought >= l.cut {
			l.cut, c.dead = 0, true
		}
		dead := c.dead
		l.mu.Unlock()
		if dead {
			io.Copy(io.Discard, c.down) // until the client gives up
			return
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// die swallows everything from now on, on new connections as on old ones.
func (l *line) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for c := range l.conns {
		c.dead = true
	}
}

// revive carries new connections; those that are dead stay so.
func (l *line) revive() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = false
}

// TestSilence: a network that swallows everything makes reads fail after --timeout,
// and no other; when it is back they go on by themselves. Nothing keeps jfuse from
// ending.
func TestSilence(t *testing.T) {
	w := newWorld(t, "--write-back", "0s", "--drain", "500ms")
	w.sh(`mkdir d; head -c 6000000 /dev/urandom >big; for i in 1 2 3 4 5 6; do head -c 300000 /dev/urandom >d/$i; done; md5sum big d/* >"$TMP/sums"`)
	w.uploaded()
	w.unmount()
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	l := newLine(t, w.endpoint)
	w.env = append(w.env, "JOTTA_ENDPOINT=http://"+l.Addr().String())
	w.mount("--timeout", "2s", "--dir-ttl", "1h")
	w.sh(`ls . d >/dev/null`)

	// One connection that stands still in the midst of an answer is given up for another.
	l.mu.Lock()
	l.cut = 1 << 20
	l.mu.Unlock()
	w.sh(`grep big "$TMP/sums" | md5sum -c --quiet & grep 'd/[12]' "$TMP/sums" | md5sum -c --quiet; wait $!`)
	l.mu.Lock()
	if l.cut != 0 {
		t.Error("no connection went dead")
	}
	l.mu.Unlock()

	// Then all of them.
	l.die()
	failed := make(chan error, 2)
	for _, name := range []string{"d/3", "d/4"} {
		go func() {
			_, err := os.ReadFile(filepath.Join(w.archive(), name))
			failed <- err
		}()
	}
	w.sh(`cat d/1 big >/dev/null`) // what is here
	for range 2 {
		select {
		case err := <-failed:
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("read through a dead line: %v, want EIO", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("a read hangs")
		}
	}
	if got := w.sh(`jfuse status "$MNT" || test $? = 75`); !strings.Contains(got, "last error") || !strings.Contains(got, "away") {
		t.Errorf("status says nothing of it:\n%s", got)
	}
	l.revive()
	w.sh(`md5sum -c --quiet "$TMP/sums"`)

	// Nothing keeps jfuse from ending.
	w.unmount()
	if err := os.RemoveAll(filepath.Join(w.dir, "cache")); err != nil {
		t.Fatal(err)
	}
	w.mount("--timeout", "1h", "--dir-ttl", "1h")
	w.sh(`ls d >/dev/null`)
	l.die()
	hanging, err := os.Open(filepath.Join(w.archive(), "d", "6"))
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	ended := make(chan error, 1)
	go func() { _, err := io.ReadAll(hanging); ended <- err }()
	w.sh(`echo kept >d/kept`)
	p := w.jfuse
	w.unmount()
	if err := <-ended; err == nil {
		t.Error("the read that hung has succeeded")
	}
	if !strings.Contains(p.output(), "1 file is not uploaded yet") {
		t.Errorf("at the end: %s", p.output())
	}
}
