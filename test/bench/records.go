package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const recordsGoal = "flat memory; a record costs within 10 % of what it does among 100,000 (at least 0.91 times as fast)"

// manyRecords sends streams of different lengths through a filter: what a record
// costs, and the memory, must not depend on how many there are.
func manyRecords(filter string, args ...string) job {
	return job{
		name: "records-" + filter, title: "10,000,000 records through " + filter, unit: "records", runs: 2,
		goal: recordsGoal,
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			if slices.Contains([]string{"jdiff", "jput", "jrm"}, filter) { // they log in
				if err := w.serve(ctx); err != nil {
					return nil, err
				}
			}
			var rivals []rival
			for _, n := range []int{w.scale(10_000_000, 3000), w.scale(1_000_000, 300), w.scale(100_000, 30)} {
				in, err := w.stream(ctx, n)
				if err != nil {
					return nil, err
				}
				rivals = append(rivals, rival{name: thousands(n) + " records", units: float64(n), in: in, pipe: pipe{w.ours(filter, args...)}})
			}
			return rivals, nil
		},
	}
}

// stream makes a file of n records of files, as they leave a jhash whose input says
// that nothing is to be done with them, unless an earlier run left it in --dir.
func (w *world) stream(ctx context.Context, n int) (string, error) {
	name := filepath.Join(w.trees, fmt.Sprintf("records-%d", n))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	f, err := os.Create(name + ".partial")
	if err != nil {
		return "", err
	}
	if err := errors.Join(writeRecords(ctx, f, n), f.Close()); err != nil {
		return "", err
	}
	return name, os.Rename(f.Name(), name)
}

func writeRecords(ctx context.Context, f *os.File, n int) error {
	out := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		if i%perFolder == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fmt.Fprintf(out, `{"kind":"file","root":"/home/me/photos","path":"year/album %06d/IMG_%08d.jpg","size":%d,"mtime":"2025-07-%02dT10:20:30.%09dZ","mode":"0644","ino":%d,"ctime":"2025-07-28T10:20:30.5Z","md5":"%032x","action":"none","reason":"same"}`+"\n",
			i/perFolder, i, i, 1+i%28, i, i+1, i)
	}
	fmt.Fprintf(out, `{"kind":"end","v":1,"stage":"bench","records":%d,"bytes":%d,"errors":0,"complete":true}`+"\n", n, int64(n)*int64(n-1)/2)
	return out.Flush()
}
