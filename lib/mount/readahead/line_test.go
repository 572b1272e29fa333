package readahead

import (
	"testing"
	"time"

	"jottatools/lib/mount/chunks"
)

// TestLine holds what is fetched beside a read on lines of all kinds.
func TestLine(t *testing.T) {
	for _, test := range []struct {
		name    string
		latency time.Duration
		rate    float64 // bytes a second
		want    int64   // blocks
	}{
		{"far and very fast", 30 * time.Millisecond, 1e9, mostBeside},
		{"far and fast", 30 * time.Millisecond, 100e6, 16},
		{"far", 30 * time.Millisecond, 10e6, 2},
		{"far and slow", 30 * time.Millisecond, 1e6, 1},
		{"near and fast", 300 * time.Microsecond, 1e9, 2},
		{"near", 300 * time.Microsecond, 100e6, 1},
	} {
		var l Line
		ask := func(latency time.Duration, rate float64) {
			n := l.blocks()
			l.learn(n, latency, time.Duration(float64(n*chunks.BlockSize)/rate*1e9))
		}
		for range 20 {
			ask(test.latency, test.rate)
		}
		if got := l.blocks(); got != test.want {
			t.Errorf("%s: %d blocks, want %d", test.name, got, test.want)
		}
		l.learn(1, time.Second, 0) // a short one at the edge of what is there already shows little
		if got := l.blocks(); got != test.want && test.want > 1 {
			t.Errorf("%s: after a short one %d blocks, want %d", test.name, got, test.want)
		}
		for range 20 {
			ask(30*time.Millisecond, 100e3) // everybody is at home
		}
		if got := l.blocks(); got != 1 {
			t.Errorf("%s, then slow: %d blocks, want 1", test.name, got)
		}
	}
	if (*Line)(nil).blocks() != 1 {
		t.Error("without a line")
	}
}
