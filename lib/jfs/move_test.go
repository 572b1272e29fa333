package jfs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mover is a service with one entry, at from or at to.
type mover struct {
	t      *testing.T
	kind   Kind
	moves  []func(*mover, http.ResponseWriter) // what becomes of each move; the last stays
	tried  int
	moved  bool
	target string // what is at to beside the entry

	mu sync.Mutex // a connection that breaks off orders nothing
}

func (m *mover) element() string {
	if m.kind == KindFile {
		return `<file name="x" uuid="one"><currentRevision><number>1</number><state>COMPLETED</state></currentRevision></file>`
	}
	return `<folder name="x"/>`
}

func (m *mover) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing := func() {
		w.WriteHeader(404)
		io.WriteString(w, sample(m.t, "constructed-error-404-nosuchpath.xml"))
	}
	at := strings.HasSuffix(req.URL.Path, "/to")
	switch {
	case req.Method == "GET" && at == m.moved:
		io.WriteString(w, m.element())
	case req.Method == "GET" && at && m.target != "":
		io.WriteString(w, m.target)
	case req.Method == "GET":
		missing()
	default:
		want := map[Kind]string{KindFile: "mv", KindFolder: "mvDir"}[m.kind] + "=%2F" + testUser + "%2FJotta%2FArchive%2Fa+b%2Fto"
		if req.URL.RawQuery != want || !strings.HasSuffix(req.URL.Path, "/from") {
			m.t.Errorf("move is %s, want %s", req.RequestURI, want)
		}
		m.tried++
		do := m.moves[min(m.tried, len(m.moves))-1]
		if m.moved {
			missing()
			return
		}
		do(m, w)
	}
}

func TestMoveWithLostAnswers(t *testing.T) {
	moved := func(m *mover, w http.ResponseWriter) { m.moved = true; io.WriteString(w, m.element()) }
	lost := func(m *mover, _ http.ResponseWriter) { m.moved = true; panic(http.ErrAbortHandler) }
	cut := func(m *mover, w http.ResponseWriter) { m.moved = true; io.WriteString(w, m.element()[:12]) }
	never := func(*mover, http.ResponseWriter) { panic(http.ErrAbortHandler) }
	troubled := func(m *mover, w http.ResponseWriter) { m.moved = true; w.WriteHeader(500) }
	refused := func(code int) func(*mover, http.ResponseWriter) {
		return func(_ *mover, w http.ResponseWriter) { w.WriteHeader(code) }
	}
	type moves = []func(*mover, http.ResponseWriter)
	tests := []struct {
		name  string
		moves moves
		tries int
		err   error
	}{
		{"fine", moves{moved}, 1, nil},
		{"done, but the answer was lost", moves{lost}, 1, nil},
		{"done, but the answer was cut", moves{cut}, 1, nil},
		{"done, but the answer was 500", moves{troubled}, 1, nil},
		{"not done", moves{never, moved}, 2, nil},
		{"not done, then lost", moves{refused(503), never, lost}, 3, nil},
		{"never done", moves{refused(500)}, 3, ErrServer},
		{"not there after all", moves{refused(404)}, 1, ErrNotExist},
		{"not there after a lost answer", moves{never, refused(404)}, 2, ErrNotExist},
		{"too many requests", moves{refused(429), moved}, 2, nil},
		{"too many requests for ever", moves{refused(429)}, 3, ErrRateLimited},
		{"in the way", moves{refused(409)}, 1, ErrExist},
	}
	for _, kind := range []Kind{KindFile, KindFolder} {
		for _, test := range tests {
			t.Run(string(kind)+" "+test.name, func(t *testing.T) {
				m := &mover{t: t, kind: kind, moves: test.moves}
				c := newTestClient(t, m.ServeHTTP)
				move := c.Move
				if kind == KindFolder {
					move = c.MoveDir
				}
				err := move(t.Context(), "/Jotta/Archive/a b/from", "/Jotta/Archive/a b/to")
				if !errors.Is(err, test.err) || m.tried != test.tries {
					t.Errorf("%d tries and %v, want %d and %v", m.tried, err, test.tries, test.err)
				}
			})
		}
	}
}

// The move is carried out only after the service was asked about it: the second
// one then finds nothing at the source.
func TestMoveCarriedOutLate(t *testing.T) {
	looks := 0
	m := &mover{t: t, kind: KindFile, moves: []func(*mover, http.ResponseWriter){func(*mover, http.ResponseWriter) { panic(http.ErrAbortHandler) }}}
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		m.mu.Lock()
		if req.Method == "GET" {
			looks++ // at the source, at the target, and after the move
		}
		if req.Method == "POST" && looks == 3 {
			m.moved = true
		}
		m.mu.Unlock()
		m.ServeHTTP(w, req)
	})
	if err := c.Move(t.Context(), "/Jotta/Archive/a b/from", "/Jotta/Archive/a b/to"); err != nil || m.tried != 2 {
		t.Errorf("Move = %v after %d tries, want nil after 2", err, m.tried)
	}
}

// Somebody else's file at the target is no proof that ours has arrived.
func TestMoveIsNotTakenForAnothers(t *testing.T) {
	m := &mover{t: t, kind: KindFile, target: `<file name="to" uuid="other" deleted="2017-05-17-T15:40:27Z"/>`}
	m.moves = []func(*mover, http.ResponseWriter){func(m *mover, _ http.ResponseWriter) {
		m.target = `<file name="to" uuid="other"><currentRevision><state>COMPLETED</state></currentRevision></file>`
		panic(http.ErrAbortHandler)
	}}
	c := newTestClient(t, m.ServeHTTP)
	if err := c.Move(t.Context(), "/Jotta/Archive/a b/from", "/Jotta/Archive/a b/to"); !errors.Is(err, ErrNetwork) || m.tried != moveTries {
		t.Errorf("Move = %v after %d tries, want ErrNetwork after %d", err, m.tried, moveTries)
	}
}

// A change of letter case is recognised by the name that the service shows.
func TestMoveToOtherLetterCase(t *testing.T) {
	var mu sync.Mutex // guards the next two
	name, moves := "from", 0
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if req.Method == "POST" {
			if moves++; moves == 2 {
				name = "FROM"
			}
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, `<folder name="%s"/>`, name)
	})
	if err := c.MoveDir(t.Context(), "/Jotta/Archive/from", "/Jotta/Archive/FROM"); err != nil || moves != 2 {
		t.Errorf("MoveDir = %v after %d tries, want nil after 2", err, moves)
	}
}

// Retry leaves moves and copies alone.
func TestMovesAreNotRepeatedBlindly(t *testing.T) {
	tries := 0
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.Method == "POST":
			tries++
			w.WriteHeader(503)
		case strings.HasSuffix(req.URL.Path, "/from"):
			io.WriteString(w, `<file name="from" uuid="one"/>`)
		default:
			w.WriteHeader(404)
		}
	})
	c.http.Transport = Retry(c.http.Transport, RetryOptions{First: time.Nanosecond})
	if err := c.Move(t.Context(), "/Jotta/Archive/from", "/Jotta/Archive/to"); !errors.Is(err, ErrServer) || tries != moveTries {
		t.Errorf("Move = %v after %d tries, want ErrServer after %d", err, tries, moveTries)
	}
	tries = 0
	if _, err := c.Copy(t.Context(), "/Jotta/Archive/from", "/Jotta/Archive/to"); !errors.Is(err, ErrServer) || tries != 1 {
		t.Errorf("Copy = %v after %d tries, want ErrServer after 1", err, tries)
	}
}

// A copy onto a file in the trash stays there on the service.
func TestCopyOntoTrash(t *testing.T) {
	const file = `<file name="to" uuid="u"%s><currentRevision><number>2</number><state>COMPLETED</state><size>11</size>` +
		`<md5>5EB63BBBE01EEED093CB22BB8F5ACDC3</md5><created>2017-05-11-T09:02:40Z</created><modified>2024-05-01-T08:11:12Z</modified></currentRevision></file>`
	var got []string
	c := newTestClient(t, func(w http.ResponseWriter, req *http.Request) {
		got = append(got, strings.TrimPrefix(req.RequestURI, "/jfs/"+testUser+"/Jotta/Archive"))
		if strings.Contains(req.URL.RawQuery, "cp=") {
			fmt.Fprintf(w, file, ` deleted="2026-01-02-T03:04:05Z"`)
			return
		}
		h := req.Header
		if h.Get("JSize") != "11" || h.Get("JMd5") != "5eb63bbbe01eeed093cb22bb8f5acdc3" || h.Get("JModified") != "2024-05-01-T08:11:12Z" || h.Get("JCreated") != "2017-05-11-T09:02:40Z" {
			t.Errorf("cphash has the headers %v", h)
		}
		fmt.Fprintf(w, file, "")
	})
	info, err := c.Copy(t.Context(), "/Jotta/Archive/from", "/Jotta/Archive/to 100%")
	if err != nil || !info.Live() || info.Size != 11 || info.Path != "/Jotta/Archive/to 100%" {
		t.Errorf("Copy = %+v, %v", info, err)
	}
	want := []string{"/from?cp=%2F" + testUser + "%2FJotta%2FArchive%2Fto+100%EF%BC%85", "/to%20100%EF%BC%85?cphash=true"}
	if !slices.Equal(got, want) {
		t.Errorf("requests are %q, want %q", got, want)
	}
}
