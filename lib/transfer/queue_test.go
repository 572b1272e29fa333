package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// sleepy returns a service each of whose requests takes as long as took says; 0 for
// kinds it does not know.
func sleepy(took map[string]time.Duration) *fake {
	f := newFake()
	f.before = func(op string, _ jfs.Path) error {
		time.Sleep(took[op])
		return nil
	}
	return f
}

// Folders are made while files of others are sent: all of the jobs send files.
func TestFoldersAhead(t *testing.T) {
	for _, test := range []struct {
		jobs int
		want time.Duration
	}{
		{1, 3 * (1 + 6) * time.Second}, // one thing at a time
		{2, (1 + 3*6/2) * time.Second},
		{3, (1 + 3*6/3) * time.Second},
	} {
		d := newTree(t)
		var plan []*record.Record
		for _, folder := range []string{"a", "b", "c"} {
			plan = append(plan, mkdir(folder))
			for i := range 6 {
				plan = append(plan, d.write(t, fmt.Sprintf("%s/%d", folder, i), folder+fmt.Sprint(i)))
			}
		}
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			res := uploadPlan(t, sleepy(map[string]time.Duration{"mkdir": time.Second, "upload": time.Second}), UploadOptions{Jobs: test.jobs}, plan...)
			if took := time.Since(start); took != test.want || res.err != nil {
				t.Errorf("%d jobs took %v, want %v; %v", test.jobs, took, test.want, res.err)
			}
		})
	}
}

// Files that wait for the same content to arrive hold nobody up, and go side by side
// once it is there.
func TestSameContentWaitsAside(t *testing.T) {
	d := newTree(t)
	plan := []*record.Record{d.write(t, "big", "the same")}
	for i := range 8 {
		plan = append(plan, d.write(t, fmt.Sprintf("copy%d", i), "the same"))
	}
	plan = append(plan, many(t, d, 4)...)
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.before = func(op string, p jfs.Path) error {
			switch {
			case op == "upload" && p.Name() == "big":
				time.Sleep(time.Minute)
			case op == "allocate":
				time.Sleep(time.Second)
			}
			return nil
		}
		start := time.Now()
		res := uploadPlan(t, f, UploadOptions{Jobs: 2}, plan...)
		if want := (1 + 60 + 8/2) * time.Second; time.Since(start) != want || res.err != nil || f.count("upload") != 5 {
			t.Errorf("Upload = %v after %v with %d uploads, want %v and 5", res.err, time.Since(start), f.count("upload"), want)
		}
		for i, rec := range res.records[:4] {
			if want := fmt.Sprintf("%02d", i); rec.Path != want {
				t.Errorf("record %d is %s, want %s", i, rec.Path, want)
			}
		}
	})
}

// If the one that others wait for fails, the next one sends the content.
func TestSameContentFails(t *testing.T) {
	d := newTree(t)
	var plan []*record.Record
	for i := range 9 {
		plan = append(plan, d.write(t, fmt.Sprint(i), "the same"))
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.before = func(op string, p jfs.Path) error {
			time.Sleep(time.Second)
			if op == "upload" && p.Name() < "2" {
				return answer(p, record.ClassForbidden, 403)
			}
			return nil
		}
		res := uploadPlan(t, f, UploadOptions{Jobs: 4}, plan...)
		if f.count("upload") != 3 || f.count("allocate") != 9 || res.err != nil {
			t.Errorf("Upload = %v with %d uploads of 9 files, want 3", res.err, f.count("upload"))
		}
	})
}

// What a queue remembers is bounded, and what it has forgotten it learns again.
func TestRemembered(t *testing.T) {
	q := newQueue(1, func(*task) bool { return true })
	add := func(i int) {
		q.add(&record.Record{Action: record.ActionPut, MD5: fmt.Sprint(i)}, dest+"/f")
		q.wait()
	}
	for i := range maxRemembered + 1 {
		add(i)
	}
	if len(q.remembered) != 1 || len(q.sending) != 0 {
		t.Errorf("%d contents are remembered, %d thought to be sent", len(q.remembered), len(q.sending))
	}
	if add(0); len(q.remembered) != 2 {
		t.Errorf("%d contents are remembered, want 2", len(q.remembered))
	}
}

// A failed folder does not keep its files from trying.
func TestFailedFolder(t *testing.T) {
	f, d := newFake(), newTree(t)
	f.before = func(op string, p jfs.Path) error {
		if op == "mkdir" {
			return answer(p, record.ClassForbidden, 403)
		}
		return nil
	}
	res := uploadPlan(t, f, UploadOptions{}, mkdir("a"), mkdir("a/b"), d.write(t, "a/b/f", "x"))
	if got, want := strings.Join(res.summary(), ", "), "a failed forbidden, a/b failed forbidden, a/b/f done sent 1 from 0"; got != want || res.err != nil {
		t.Errorf("Upload = %v: %s, want %s", res.err, got, want)
	}
}

// However slow the service, only so much of the plan is read ahead.
func TestReadAheadIsBounded(t *testing.T) {
	for _, test := range []struct {
		text string // more in each record
		most int64
	}{
		{"", maxQueued + 1},
		{strings.Repeat("x", maxQueuedBytes/10), 10},
		{strings.Repeat("x", record.MaxLine-1000), maxQueuedBytes/(record.MaxLine-1000) + 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				for i := 0; ; i++ {
					if _, err := fmt.Fprintf(w, `{"kind":"dir","path":"%09d","remote":"%s/%09d","action":"mkdir","more":%q}`+"\n", i, dest, i, test.text); err != nil {
						return
					}
				}
			}()
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("signal")
			f := newFake()
			f.before = func(op string, _ jfs.Path) error {
				if op == "mkdir" {
					<-ctx.Done()
				}
				return ctx.Err()
			}
			var read atomic.Int64
			done := make(chan error)
			var left strings.Builder
			out := record.NewWriter(&left, "test")
			go func() {
				done <- Upload(ctx, record.NewReader(r), out, f, UploadOptions{Jobs: 3, Expect: func(_, _ int64) { read.Add(1) }})
			}()
			synctest.Wait()
			n := read.Load()
			if n > test.most || n < 3 {
				t.Errorf("%d records were read ahead, want at most %d", n, test.most)
			}
			cancel(why)
			if err := <-done; err != why {
				t.Errorf("Upload = %v, want %v", err, why)
			}
			r.Close()
			out.Close()
			if lines := int64(strings.Count(left.String(), "\n")) - 1; lines != read.Load() {
				t.Errorf("%d records came, %d left", read.Load(), lines)
			}
		})
	}
}

// TestQueueRandomly runs plans of all kinds against a service that takes random times
// and fails at random, and may be interrupted, or stop for good.
func TestQueueRandomly(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		d := newTree(t)
		plan := randomPlan(t, r, d)
		jobs := 1 + r.IntN(5)
		end := []string{"", "interrupted", "stopped"}[r.IntN(3)]
		t.Run(fmt.Sprint(seed, end), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runRandomly(t, r, plan, jobs, end) })
		})
	}
}

func randomPlan(t *testing.T, r *rand.Rand, d tree) []*record.Record {
	var plan []*record.Record
	folder := ""
	for i := range 100 {
		name := path.Join(folder, fmt.Sprintf("%03d", i))
		switch n := r.IntN(20); {
		case n < 4:
			plan = append(plan, mkdir(name))
			folder = name
		case n < 6:
			if folder = path.Dir(folder); folder == "." {
				folder = ""
			}
		case n < 7:
			plan = append(plan, gone(name))
		case n < 8:
			rec := d.write(t, name, "x")
			rec.Action = record.ActionNone
			plan = append(plan, rec)
		case n < 10:
			rec := d.write(t, name, fmt.Sprint(r.IntN(5)))
			rec.Action = record.ActionTouch
			plan = append(plan, rec)
		default:
			plan = append(plan, d.write(t, name, fmt.Sprint(r.IntN(30))))
		}
	}
	return plan
}

// runRandomly carries a plan out and looks at all that a queue promises.
func runRandomly(t *testing.T, r *rand.Rand, plan []*record.Record, jobs int, end string) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	planned := map[jfs.Path]*record.Record{}
	for _, rec := range plan {
		planned[jfs.Path(rec.Remote)] = rec
	}
	var mu sync.Mutex // guards r and what follows
	made := map[jfs.Path]bool{}
	running, files, requests := 0, 0, 0
	f := newFake()
	f.before = func(op string, p jfs.Path) error {
		if op == "customer" {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		running++
		if op != "mkdir" {
			files++
		}
		if running > jobs+folderWorkers || files > jobs || jobs == 1 && running > 1 {
			t.Errorf("%d requests at once, of them %d about files, with %d jobs", running, files, jobs)
		}
		for dir := p.Parent(); dir.Depth() > 2; dir = dir.Parent() {
			if rec := planned[dir]; rec != nil && rec.Action == record.ActionMkdir && !made[dir] {
				t.Errorf("%s %s, before %s is made", op, p, dir)
			}
		}
		took, fails := time.Duration(r.IntN(1000))*time.Millisecond, r.IntN(10) == 0
		requests++
		stops := end == "stopped" && requests == 40
		if end == "interrupted" && requests == 40 {
			cancel(context.Canceled)
		}
		mu.Unlock()
		time.Sleep(took)
		mu.Lock()
		running--
		if op != "mkdir" {
			files--
		} else {
			made[p] = true
		}
		switch {
		case stops:
			return answer(p, record.ClassQuota, 460)
		case fails:
			return answer(p, record.ClassForbidden, 403)
		}
		return nil
	}
	res := carryOut(t, stream(t, plan...), func(in *record.Reader, out *record.Writer) error {
		return Upload(ctx, in, out, f, UploadOptions{Jobs: jobs})
	})
	left := map[string]bool{}
	for _, rec := range res.records {
		if left[rec.Path] {
			t.Errorf("%s leaves twice", rec.Path)
		}
		left[rec.Path] = true
	}
	for i, rec := range plan {
		if !left[rec.Path] && end != "interrupted" {
			t.Errorf("%s does not leave", rec.Path)
		}
		if rec.Action != record.ActionDelete || !left[rec.Path] {
			continue
		}
		before := map[string]bool{}
		for _, out := range res.records {
			if out.Path == rec.Path {
				break
			}
			before[out.Path] = true
		}
		for _, earlier := range plan[:i] {
			if !before[earlier.Path] {
				t.Errorf("%s leaves before %s", rec.Path, earlier.Path)
			}
		}
	}
}
