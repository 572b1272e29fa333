package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/time/rate"
)

// Bandwidth limits how many bytes a second all transfers together send. The
// limit may depend on the time of day. It is safe for concurrent use; a nil
// Bandwidth is no limit.
type Bandwidth struct {
	timetable []change
	now       func() time.Time // for tests

	mu      sync.Mutex // guards limiter's limit
	limiter *rate.Limiter
}

// change is a limit that holds from a time of day on.
type change struct {
	from  time.Duration // since midnight, by the clock on the wall
	limit rate.Limit    // bytes a second
}

// ParseBandwidth reads a rate such as "512k" or "1.5M", in units of 1024 bytes a
// second, "off" for no limit, or a timetable of such rates and local times such
// as "08:00,512k 23:00,off".
func ParseBandwidth(s string) (*Bandwidth, error) {
	b := &Bandwidth{now: time.Now, limiter: rate.NewLimiter(rate.Inf, readSize)}
	fields := strings.Fields(s)
	if len(fields) == 1 && !strings.Contains(s, ",") {
		limit, err := parseRate(fields[0])
		b.timetable = []change{{0, limit}}
		return b, err
	}
	for _, field := range fields {
		at, text, _ := strings.Cut(field, ",")
		from, err := time.Parse("15:04", at)
		if err != nil {
			return nil, fmt.Errorf("%q is not a time and a rate; write a timetable like \"08:00,512k 23:00,off\"", field)
		}
		limit, err := parseRate(text)
		if err != nil {
			return nil, err
		}
		b.timetable = append(b.timetable, change{time.Duration(from.Hour())*time.Hour + time.Duration(from.Minute())*time.Minute, limit})
	}
	if len(b.timetable) == 0 {
		return nil, fmt.Errorf("the rate is empty; write one like 512k or off")
	}
	slices.SortStableFunc(b.timetable, func(x, y change) int { return int(x.from - y.from) })
	return b, nil
}

func parseRate(s string) (rate.Limit, error) {
	if s == "off" {
		return rate.Inf, nil
	}
	n, err := units.RAMInBytes(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a rate; write bytes a second such as 512k or 1.5M, or off", s)
	}
	return rate.Limit(n), nil
}

// at returns the limit that holds at t.
func (b *Bandwidth) at(t time.Time) rate.Limit {
	clock := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	limit := b.timetable[len(b.timetable)-1].limit // since yesterday
	for _, c := range b.timetable {
		if c.from > clock {
			break
		}
		limit = c.limit
	}
	return limit
}

// wait returns when n bytes may be sent; n is at most readSize.
func (b *Bandwidth) wait(ctx context.Context, n int) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	if limit := b.at(b.now()); limit != b.limiter.Limit() {
		b.limiter.SetLimit(limit)
		// What a sleep that took too long would have let through may follow at
		// once, else fast lines are never filled.
		if limit != rate.Inf {
			b.limiter.SetBurst(max(readSize, int(limit/10)))
		}
	}
	b.mu.Unlock()
	return b.limiter.WaitN(ctx, n)
}
