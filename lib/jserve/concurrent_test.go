package jserve

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// However many send the same file at once, over whatever connections, the server finds
// no fault with itself: one of them is answered with 200, and the others with what
// they can do about it.
func TestManyUploadsToOneTarget(t *testing.T) {
	var log syncBuffer
	w := newWorld(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	})
	const rounds, senders = 25, 8
	for _, size := range []int{20, smallAndMore} {
		for round := range rounds {
			path := fmt.Sprintf("/Jotta/Archive/%d/%d", size, round)
			content := strings.Repeat(fmt.Sprintf("%08d", round), size/8+1)
			target := w.announce(path, content, nil).allocation(t).UploadURL
			var wg sync.WaitGroup
			statuses := make([]int, senders)
			for i := range senders {
				wg.Go(func() {
					// Half of them go the raw way, which makes a target of its own.
					var a answer
					var err error
					if i%2 == 0 {
						a, err = w.try("POST", target, strings.NewReader(content))
					} else {
						a, err = w.try("POST", "/jfs/user01"+path+"?umode=nomultipart", strings.NewReader(content), "JMd5", sum(content), "JSize", fmt.Sprint(len(content)))
					}
					if err == nil {
						statuses[i] = a.status
					}
					// What comes next on the same connection must not suffer.
					if a, err := w.try("GET", "/jfs/user01/Jotta/Archive?mode=liststream", nil); err == nil && a.status >= 500 {
						t.Errorf("a listing afterwards: %d %s", a.status, a.body)
					}
				})
			}
			wg.Wait()
			won := 0
			for _, status := range statuses {
				switch {
				case status >= 500:
					t.Errorf("size %d, round %d: %v", size, round, statuses)
				case status == 200 || status == 201:
					won++
				}
			}
			if got := w.want(200, "GET", "/jfs/user01"+path+"?mode=bin").body; won == 0 || got != content {
				t.Errorf("size %d, round %d: statuses %v, and %d bytes are there", size, round, statuses, len(got))
			}
		}
	}
	if strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "context canceled") {
		t.Errorf("the server says\n%s", log.String())
	}
}
