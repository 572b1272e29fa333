package digest

import (
	"strings"
	"testing"
	"testing/synctest"

	"jottatools/lib/record"
)

// TestQueueCountsBytes: long records fill the queue before it has its number of them,
// and one that is too long for it goes through alone.
func TestQueueCountsBytes(t *testing.T) {
	long := func(n int) *item {
		rec := new(record.Record)
		if err := rec.UnmarshalJSON([]byte(`{"kind":"file","path":"f","x":"` + strings.Repeat("x", n) + `"}`)); err != nil {
			t.Fatal(err)
		}
		return &item{result: result{rec: rec}}
	}
	synctest.Test(t, func(t *testing.T) {
		begin := make(chan struct{})
		written := 0
		q := newQueue(8, func(q *queue) {
			<-begin
			for it := q.take(0, nil); it != nil; it = q.take(0, nil) {
				q.finish(it, it.result)
			}
		}, func(result) { written++ })
		sizes := []int{maxQueued / 2, maxQueued / 3, maxQueued / 3, 2 * maxQueued, 1}
		in := 0
		go func() {
			for _, n := range sizes {
				q.put(long(n))
				in++
			}
		}()
		synctest.Wait()
		if in != 2 {
			t.Errorf("%d records of %v bytes are in a queue for %d bytes, want 2", in, sizes, maxQueued)
		}
		close(begin)
		synctest.Wait()
		if q.close(); in != len(sizes) || written != len(sizes) || q.bytes != 0 {
			t.Errorf("%d of %d records went in, %d came out, %d bytes are left", in, len(sizes), written, q.bytes)
		}
	})
}
