package jserve

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkUploadSmall is what a first backup of many small files costs: allocate
// and upload, six at a time. One operation is one file.
func BenchmarkUploadSmall(b *testing.B) {
	w := newWorld(b)
	var n atomic.Int64
	b.SetParallelism(3) // of two processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			content := bytes.Repeat([]byte(fmt.Sprintf("%016d", i)), 64)
			h := md5.Sum(content)
			body := fmt.Sprintf(`{"path":"/jfs/Jotta/Archive/d%d/f%d","bytes":%d,"md5":"%s"}`, i%100, i, len(content), hex.EncodeToString(h[:]))
			a, err := w.try("POST", "/files/v1/allocate", strings.NewReader(body))
			if err != nil || a.status != 200 {
				b.Error(a.status, err)
				return
			}
			u, err := w.try("POST", a.allocation(b).UploadURL, bytes.NewReader(content))
			if err != nil || u.status != 200 {
				b.Error(u.status, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkListStream lists a tree of 20,000 files. One operation is one listing.
func BenchmarkListStream(b *testing.B) {
	w := newWorld(b)
	const dirs, files = 200, 100
	fillTree(b, w, dirs, files)
	listings := 0
	for b.Loop() {
		a := w.send("GET", "/jfs/user01/Jotta/Archive?mode=liststream", nil)
		if a.status != 200 || !strings.Contains(a.body, fmt.Sprintf("<files>%d</files>", dirs*files)) {
			b.Fatalf("listing = %d, %d bytes", a.status, len(a.body))
		}
		listings++
	}
	b.ReportMetric(float64(listings*dirs*files)/b.Elapsed().Seconds(), "entries/s")
}

// fillTree makes empty files, which need no upload, sixteen at a time so that they share commits.
func fillTree(tb testing.TB, w *world, dirs, files int) {
	tb.Helper()
	var next atomic.Int64
	done := make(chan error)
	const workers = 16
	for range workers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= dirs*files {
					done <- nil
					return
				}
				body := fmt.Sprintf(`{"path":"/jfs/Jotta/Archive/dir %d/some file %d.jpg","bytes":0,"md5":"d41d8cd98f00b204e9800998ecf8427e"}`, i/files, i)
				a, err := w.try("POST", "/files/v1/allocate", io.Reader(strings.NewReader(body)))
				if err == nil && a.status != 200 {
					err = fmt.Errorf("allocate = %d %s", a.status, a.body)
				}
				if err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			tb.Fatal(err)
		}
	}
}
