package jserve

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlines is an answer that remembers the deadlines of its connection.
type deadlines struct {
	*httptest.ResponseRecorder
	read      time.Time
	sent      int64 // since one was last set for writing
	mostAtOne int64 // most that was sent with one of them
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

func (d *deadlines) SetWriteDeadline(time.Time) error {
	d.sent = 0
	return nil
}

func (d *deadlines) Write(p []byte) (int, error) {
	d.sent += int64(len(p))
	d.mostAtOne = max(d.mostAtOne, d.sent)
	return d.ResponseRecorder.Write(p)
}

func (d *deadlines) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{d}, r)
}

// serve has a request answered without a connection.
func (w *world) serve(method, path string, body io.Reader, headers ...string) *deadlines {
	req := httptest.NewRequest(method, path, body)
	req.SetBasicAuth("user01", "secret")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w.srv.ServeHTTP(d, req)
	return d
}

// TestUnreadBodyHasADeadline sends bodies that nobody wants: net/http reads them
// itself before it answers, and would wait for a client that sends nothing.
func TestUnreadBodyHasADeadline(t *testing.T) {
	w := newWorld(t)
	for _, headers := range [][]string{nil, {"Authorization", "Basic wrong"}} {
		began := time.Now()
		d := w.serve("POST", "/jfs/user01/Jotta/Archive/d?mkDir=true", strings.NewReader("never read"), headers...)
		if d.read.Before(began) || d.read.After(time.Now().Add(formTimeout)) {
			t.Errorf("after an answer of %d the rest of the body may come until %v", d.Code, d.read)
		}
	}
}

// TestBodiesHaveDeadlines looks at the deadline of each byte: a form has one for
// all, contents have one for each piece, and after the end there is none.
func TestBodiesHaveDeadlines(t *testing.T) {
	w := newWorld(t)
	body := func(text string, seen *[]time.Time, d *deadlines) io.Reader {
		r := strings.NewReader(text)
		return readerFunc(func(p []byte) (int, error) {
			*seen = append(*seen, d.read)
			return r.Read(p[:1])
		})
	}
	run := func(path, text string, headers ...string) (seen []time.Time) {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest("POST", path, body(text, &seen, d))
		req.ContentLength = int64(len(text))
		req.SetBasicAuth("user01", "secret")
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		w.srv.ServeHTTP(d, req)
		if d.Code >= 300 {
			t.Fatalf("%s = %d\n%s", path, d.Code, d.Body)
		}
		if !d.read.IsZero() {
			t.Errorf("%s: a deadline after the end of the body", path)
		}
		return seen
	}
	form := run("/jfs/user01/Jotta/Archive/d", "mkDir=true", "Content-Type", "application/x-www-form-urlencoded")
	if first, last := form[0], form[len(form)-1]; first != last || first.IsZero() {
		t.Errorf("the deadline of a form moves from %v to %v", first, last)
	}
	content := run("/jfs/user01/Jotta/Archive/f?umode=nomultipart", "content", "JMd5", sum("content"), "JSize", "7")
	if first, last := content[0], content[len(content)-1]; !last.After(first) {
		t.Errorf("the deadline of a content stays from %v to %v, however long it is", first, last)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestSlowDownload looks at how much has to go out by one deadline.
func TestSlowDownload(t *testing.T) {
	w := newWorld(t)
	w.put("/Jotta/Archive/big", strings.Repeat("x", 3<<20))
	d := w.serve("GET", "/jfs/user01/Jotta/Archive/big?mode=bin", nil)
	if d.Body.Len() != 3<<20 || d.mostAtOne > 256<<10 {
		t.Errorf("of %d bytes %d have to be gone within %v", d.Body.Len(), d.mostAtOne, stallTimeout)
	}
}

// TestAbandonedBody abandons a body between two reads: the second must fail,
// whatever deadline it sets.
func TestAbandonedBody(t *testing.T) {
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	c := &call{Server: &Server{}, w: &response{ResponseWriter: d, control: http.NewResponseController(d)}}
	b := &requestBody{ReadCloser: io.NopCloser(bytes.NewReader([]byte("ab"))), call: c}
	if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	b.abandon()
	if n, err := b.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errAbandoned) {
		t.Errorf("a Read after the end = %d, %v", n, err)
	}
}
