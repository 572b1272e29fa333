package digest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"jottatools/lib/record"
)

func benchmarkTree(b *testing.B, files map[string]string) {
	root := makeTree(b, files)
	stream := encode(b, list(b, root), true)
	var size int64
	for _, content := range files {
		size += int64(len(content))
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		out := record.NewWriter(io.Discard, "jhash")
		if err := Records(b.Context(), out, record.NewReader(strings.NewReader(stream)), Options{}); err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
	b.ReportMetric(float64(len(files))*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkSmallFiles(b *testing.B) {
	files := make(map[string]string)
	for i := range 5000 {
		files[fmt.Sprintf("d%d/f%d", i%50, i)] = strings.Repeat("x", i%4096)
	}
	benchmarkTree(b, files)
}

func BenchmarkLargeFiles(b *testing.B) {
	content := strings.Repeat("0123456789abcdef", 4<<20) // 64 MiB
	benchmarkTree(b, map[string]string{"a": content, "b": content, "c": content})
}

// BenchmarkCacheHits is a run in which nothing has changed.
func BenchmarkCacheHits(b *testing.B) {
	const n = 100_000
	var recs []*record.Record
	for i := range n {
		at := time.Unix(1_700_000_000+int64(i), int64(i)*1001)
		recs = append(recs, &record.Record{Kind: record.KindFile, Root: "/home/me/photos", Path: fmt.Sprintf("2024/%03d/IMG_%06d.jpg", i/1000, i),
			Size: int64(i), Mode: "0644", MTime: at, CTime: at, Ino: uint64(i + 1)})
	}
	stream := encode(b, recs, true)
	name := cacheName(b)
	c := openCache(Options{Cache: name}.complete())
	for i, r := range recs {
		e := entryOf(r)
		e.MD5 = fmt.Sprintf("%032x", i*7919)
		c.add(e)
	}
	c.close(true)
	b.ReportAllocs()
	for b.Loop() {
		out := record.NewWriter(io.Discard, "jhash")
		opts := Options{Cache: name, Warn: func(format string, args ...any) { b.Errorf(format, args...) }}
		if err := Records(b.Context(), out, record.NewReader(strings.NewReader(stream)), opts); err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkSums(b *testing.B) {
	r := &record.Record{Kind: record.KindFile, Path: "2024/a folder/IMG_1.jpg", MD5: "d41d8cd98f00b204e9800998ecf8427e"}
	s := NewSums(new(bytes.Buffer), discard{})
	for b.Loop() {
		s.w.(*bytes.Buffer).Reset()
		s.Write(r)
	}
}

type discard struct{}

func (discard) Write(*record.Record) error { return nil }
func (discard) Pass(*record.Record) error  { return nil }

// BenchmarkMark is what a run does before the first file that it reads: it goes through
// the cache.
func BenchmarkMark(b *testing.B) {
	const n = 100_000
	name := cacheName(b)
	c := openCache(Options{Cache: name}.complete())
	for i := range n {
		at := time.Unix(1_700_000_000+int64(i), int64(i)*1001)
		c.add(&record.Record{Kind: record.KindFile, Root: "/home/me/photos", Path: fmt.Sprintf("2024/%03d/IMG_%06d.jpg", i/1000, i),
			Size: int64(i), Mode: "0644", MTime: at, CTime: at, Ino: uint64(i + 1), MD5: sumOf(fmt.Sprint(i))})
	}
	c.close(true)
	b.ReportAllocs()
	for b.Loop() {
		t := collisions{cache: name, limit: maxSlots}
		t.mark()
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
