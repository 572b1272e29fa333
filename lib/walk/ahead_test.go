package walk

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// Tasks that make tasks are taken depth first, whoever runs them, and no more
// than the window are begun before their time.
func TestQueueOrder(t *testing.T) {
	const depth, width = 4, 5
	for _, jobs := range []int{1, 2, 3, 16} {
		var mu sync.Mutex
		begun, taken := 0, 0
		excess := 0
		results := map[*task]string{}
		var order []*task
		var make func(name string, level int) *task
		make = func(name string, level int) *task {
			t := new(task)
			t.run = func() (follow []*task) {
				if level < depth {
					for i := range width {
						follow = append(follow, make(fmt.Sprintf("%s%d", name, i), level+1))
					}
				}
				mu.Lock()
				defer mu.Unlock()
				begun++
				excess = max(excess, begun-taken)
				results[t] = name
				return follow
			}
			return t
		}
		q := newQueue(jobs, make("x", 0))
		var got []string
		for q.head != nil {
			head := q.head
			q.take()
			mu.Lock()
			taken++
			got = append(got, results[head])
			order = append(order, head)
			mu.Unlock()
		}
		q.stop()
		want := 0
		for n, level := 1, 0; level <= depth; level++ {
			want += n
			n *= width
		}
		if len(got) != want || !slices.IsSorted(got) {
			t.Errorf("with %d jobs, %d tasks were taken, want %d, in order: %v", jobs, len(got), want, slices.IsSorted(got))
		}
		if excess > 4*jobs+1 {
			t.Errorf("with %d jobs, %d tasks were run and not taken", jobs, excess)
		}
		for _, task := range order {
			if task.next != nil || task.run != nil {
				t.Fatal("a task that was taken holds on to others")
			}
		}
	}
}

func TestQueueStopsInTheMiddle(t *testing.T) {
	for taken := range 3 {
		var first task
		first.run = func() []*task {
			var follow []*task
			for range 100 {
				follow = append(follow, &task{run: func() []*task { return nil }})
			}
			return follow
		}
		q := newQueue(4, &first)
		for range taken {
			q.take()
		}
		q.stop() // goleak sees to it that no worker is left
	}
}
