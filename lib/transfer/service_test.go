package transfer

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"jottatools/lib/auth"
	"jottatools/lib/jfs"
	"jottatools/lib/jserve"
	"jottatools/lib/record"
)

// newService starts a jserve and returns a client whose requests pass through
// wrap.
func newService(t testing.TB, wrap func(http.RoundTripper) http.RoundTripper) *jfs.Client {
	t.Helper()
	server, err := jserve.New(jserve.Config{Dir: t.TempDir(), Users: []jserve.User{{Name: "tester", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	transport := jfs.NewTransport("")
	t.Cleanup(func() {
		transport.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		listener.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	login, err := auth.NewBasic("tester", "secret")
	if err != nil {
		t.Fatal(err)
	}
	client, err := jfs.New(jfs.Options{Endpoint: listener.URL, Credentials: login, Transport: transport, Wrap: wrap})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// flaky is a line that fails now and then in every way a line can.
type flaky struct {
	next http.RoundTripper

	mu   sync.Mutex // guards rand
	rand *rand.Rand
}

var errLine = errors.New("the line is bad today")

func (f *flaky) dice(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rand.IntN(n)
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	switch f.dice(10) {
	case 0: // refused before it arrives
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errLine
	case 1: // the service is in trouble
		if req.Body != nil {
			req.Body.Close()
		}
		return &http.Response{StatusCode: 503, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<html>busy"))}, nil
	case 2: // the content breaks off
		if req.Body != nil && req.ContentLength > 0 {
			req = req.Clone(req.Context())
			req.Body = &cutBody{req.Body, f.dice(int(req.ContentLength))}
		}
	case 3: // it arrives, but the answer does not
		if resp, err := f.next.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		return nil, errLine
	}
	return f.next.RoundTrip(req)
}

// cutBody breaks after left bytes.
type cutBody struct {
	io.ReadCloser
	left int
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errLine
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Over a bad line everything arrives all the same, and arrives right; and
// everything can be deleted again.
func TestBadLine(t *testing.T) {
	var line *flaky
	client := newService(t, func(next http.RoundTripper) http.RoundTripper {
		line = &flaky{next: next, rand: rand.New(rand.NewPCG(1, 2))}
		return jfs.Retry(line, jfs.RetryOptions{Attempts: 12, First: time.Millisecond})
	})
	d := newTree(t)
	plan := []*record.Record{mkdir("a"), mkdir("a/b"), mkdir("c")}
	sums := map[string]string{}
	for i := range 60 {
		path := fmt.Sprintf("%s/%02d", []string{"a", "a/b", "c"}[i%3], i)
		rec := d.write(t, path, strings.Repeat(fmt.Sprintf("file %d ", i), i*i*10))
		plan = append(plan, rec)
		sums[path] = rec.MD5
	}
	res := uploadPlan(t, client, UploadOptions{Jobs: 6, firstPause: time.Millisecond, stuckAfter: 50}, plan...)
	if res.err != nil {
		t.Fatal(res.err)
	}
	for _, rec := range res.records {
		if rec.Error != nil {
			t.Errorf("%s: %v", rec.Path, rec.Error)
		}
	}
	found := 0
	var doomed []*record.Record
	for e, err := range client.WalkTree(t.Context(), dest) {
		if err != nil {
			t.Fatal(err)
		}
		rec := gone(e.Path + "/")
		if e.Kind == jfs.KindFile {
			found++
			if e.MD5 != sums[e.Path] {
				t.Errorf("%s has the MD5 %s, want %s", e.Path, e.MD5, sums[e.Path])
			}
			rec = gone(e.Path)
			rec.MD5 = e.MD5
		}
		doomed = append(doomed, rec)
	}
	if found != 60 {
		t.Errorf("%d files arrived, want 60", found)
	}
	res = deletePlan(t, client, DeleteOptions{Jobs: 6}, stream(t, doomed...))
	if res.err != nil {
		t.Fatal(res.err)
	}
	for _, rec := range res.records {
		if rec.Status != record.StatusDone {
			t.Errorf("%s: %s, %v", rec.Path, rec.Status, rec.Error)
		}
	}
	for e, err := range client.WalkTree(t.Context(), dest) {
		t.Errorf("left: %s, %v", e.Path, err)
	}
}

// BenchmarkUploadSmall uploads files of 4 KiB to a service in this process.
func BenchmarkUploadSmall(b *testing.B) {
	client := newService(b, nil)
	d := newTree(b)
	const files = 100
	var plan []*record.Record
	for i := range files {
		plan = append(plan, d.write(b, fmt.Sprintf("%03d", i), strings.Repeat(fmt.Sprintf("%04d", i), 1024)))
	}
	round := 0
	for b.Loop() {
		// A plan for another folder with other contents: nothing is known already.
		b.StopTimer()
		for i, rec := range plan {
			body := strings.Repeat(fmt.Sprintf("%08d", round*files+i), 512)
			*rec = *d.write(b, rec.Path, body)
			rec.Remote = fmt.Sprintf("%s/%d/%s", dest, round, rec.Path)
		}
		text := stream(b, plan...)
		round++
		b.StartTimer()
		res := carryOut(b, text, func(in *record.Reader, out *record.Writer) error {
			return Upload(b.Context(), in, out, client, UploadOptions{Jobs: 6})
		})
		if res.err != nil {
			b.Fatal(res.err)
		}
	}
	b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
}
