package transfer

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

var errBroken = &jfs.Error{Class: record.ClassNetwork, Retry: true, Message: "the connection broke"}

// crawling is a service of which each request gets so many bytes further, at so many a
// second, and then breaks off.
type crawling struct {
	content []byte
	step    int           // bytes a try
	rate    int           // bytes a second; 0: at once
	latency time.Duration // of each request
	has     int           // what came of an upload
	tries   int
}

func (c *crawling) Allocate(_ context.Context, p jfs.Path, content jfs.Content) (*jfs.Allocation, error) {
	return &jfs.Allocation{Path: p, Content: content, State: record.StateIncomplete, Offset: int64(c.has)}, nil
}

func (c *crawling) Upload(ctx context.Context, a *jfs.Allocation, body io.Reader) error {
	c.tries++
	time.Sleep(c.latency)
	b := make([]byte, 1<<10)
	for c.step > 0 {
		n, err := body.Read(b)
		if c.rate > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(c.rate))
		}
		if n = min(n, c.step-(c.has-int(a.Offset))); n > 0 {
			c.has += n
		}
		if c.has == len(c.content) {
			return nil
		}
		if n <= 0 || err != nil || c.has-int(a.Offset) >= c.step {
			break
		}
	}
	return errBroken
}

func (c *crawling) Customer(context.Context) (jfs.Customer, error) { return jfs.Customer{}, nil }

func (c *crawling) Stat(context.Context, jfs.Path) (jfs.Info, error) {
	sum := md5.Sum(c.content)
	return jfs.Info{Entry: jfs.Entry{Kind: jfs.KindFile, Revision: jfs.Revision{State: record.StateCompleted, Size: int64(len(c.content)), MD5: hex.EncodeToString(sum[:])}}}, nil
}

func (c *crawling) Open(_ context.Context, _ jfs.Path, offset, _ int64) (io.ReadCloser, error) {
	c.tries++
	time.Sleep(c.latency)
	rest := c.content[offset:]
	whole := len(rest) <= c.step
	return io.NopCloser(&crawlingBody{crawling: c, rest: rest[:min(c.step, len(rest))], whole: whole}), nil
}

func (c *crawling) OpenRevision(ctx context.Context, p jfs.Path, _, offset, length int64) (io.ReadCloser, error) {
	return c.Open(ctx, p, offset, length)
}

type crawlingBody struct {
	*crawling
	rest  []byte
	whole bool
}

func (b *crawlingBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && b.whole {
		return 0, io.EOF
	}
	if len(b.rest) == 0 {
		return 0, errBroken
	}
	n := copy(p[:min(len(p), 1<<10)], b.rest)
	b.rest = b.rest[n:]
	if b.rate > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(b.rate))
	}
	return n, nil
}

// TestHeadway: a transfer that breaks off again and again is taken up as long as it is
// getting somewhere, however slow the line is, and no longer.
func TestHeadway(t *testing.T) {
	slow, err := ParseBandwidth("40")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		size    int
		service crawling
		limit   *Bandwidth
		most    time.Duration // in which it has come to nothing; 0: it comes to its end
	}{
		"a byte with each try":            {1 << 22, crawling{step: 1, latency: time.Second}, nil, 10 * time.Minute},
		"a byte with each try, at once":   {1 << 22, crawling{step: 1}, nil, 10 * time.Minute},
		"a hundred bytes and a minute":    {1 << 20, crawling{step: 100, latency: time.Minute}, nil, 10 * time.Minute},
		"hours, and then it breaks":       {64 << 20, crawling{step: 40 << 20, rate: 1 << 10}, nil, 0},
		"a modem that breaks by the way":  {1 << 20, crawling{step: 10 << 10, rate: 1 << 10}, nil, 0},
		"a limit that is lower than that": {64 << 10, crawling{step: 24 << 10}, slow, 0},
	} {
		t.Run(name, func(t *testing.T) {
			content := make([]byte, test.size)
			sum := md5.Sum(content)
			judge := func(t *testing.T, way string, err error, took time.Duration, tries int) {
				if (err == nil) != (test.most == 0) || test.most > 0 && (took > test.most || !errors.Is(err, jfs.ErrNetwork)) {
					t.Errorf("%s: %v after %v and %d tries", way, err, took, tries)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				service := test.service
				service.content = content
				start := time.Now()
				sender := &Sender{Service: &service, Bandwidth: test.limit}
				_, err := sender.Send(t.Context(), dest+"/f", jfs.Content{Size: int64(test.size), MD5: hex.EncodeToString(sum[:])}, Source{ReaderAt: bytes.NewReader(content)})
				judge(t, "up", err, time.Since(start), service.tries)
			})
			synctest.Test(t, func(t *testing.T) {
				service := test.service
				service.content = content
				start := time.Now()
				err := NewReceiver(&service, 1, test.limit).Fetch(t.Context(), dest+"/f", io.Discard, func(int64) {})
				judge(t, "down", err, time.Since(start), service.tries)
			})
		})
	}
}
