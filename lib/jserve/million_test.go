package jserve

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jottatools/lib/jserve/store"
)

// What a listing of a million files may cost the server.
const (
	millionSeconds = 5
	millionMB      = 60
)

// BenchmarkListStreamMillion lists a million files from a server process, and
// reports the time of one listing and by how much the process grew for it, the
// mapped pages of the database included. JSERVE_MILLION is a directory to keep the
// tree in for the next time; JSERVE_FILES makes it another number.
func BenchmarkListStreamMillion(b *testing.B) {
	files := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("JSERVE_FILES")); err == nil {
		files = n
	}
	dir := os.Getenv("JSERVE_MILLION")
	if dir == "" {
		dir = b.TempDir()
	}
	if _, err := os.Stat(filepath.Join(dir, "meta.db")); err != nil {
		fillMillion(b, dir, files)
	}
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			w, kill := startVictim(b, dir)
			defer kill()
			w.http.Transport.(*http.Transport).DisableCompression = true
			pid := w.pid
			want := []byte(fmt.Sprintf("<files>%d</files>", files))
			before := memory(pid, "VmRSS")
			var bytes int64
			listings := 0
			b.ResetTimer()
			for b.Loop() {
				n := listMillion(b, w, encoding, want)
				bytes += n
				listings++
			}
			each := b.Elapsed().Seconds() / float64(listings)
			grown := float64(memory(pid, "VmHWM")-before) / 1024
			b.ReportMetric(each, "s/listing")
			b.ReportMetric(grown, "MB-more")
			b.ReportMetric(float64(bytes)/float64(listings)/1e6, "MB/listing")
			b.Logf("%d files, %s: %.2f s (at most %d wanted), %.1f MB more memory (at most %d wanted)", files, encoding, each, millionSeconds, grown, millionMB)
		})
	}
}

// listMillion reads a listing as fast as it comes and looks at its end only.
func listMillion(b *testing.B, w *world, encoding string, want []byte) (read int64) {
	req, err := http.NewRequest("GET", w.url+"/jfs/user01/Jotta/Archive?mode=liststream", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.SetBasicAuth("user01", "secret")
	req.Header.Set("Accept-Encoding", encoding)
	resp, err := w.http.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	tail := make([]byte, 0, 2048)
	buf := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(buf)
		read += int64(n)
		if tail = append(tail, buf[max(0, n-1024):n]...); len(tail) > 1024 {
			tail = tail[:copy(tail, tail[len(tail)-1024:])]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if encoding == "identity" && !bytes.Contains(tail, want) {
		b.Fatalf("the listing ends with %s", tail)
	}
	return read
}

// fillMillion makes a store with that many files. All are empty, so nothing is sent.
func fillMillion(b *testing.B, dir string, files int) {
	began := time.Now()
	srv, err := New(Config{Dir: dir, Users: []User{{Name: "user01", Password: "secret"}}})
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 { // as many as share a commit
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= files || b.Failed() {
					return
				}
				p := store.NewPath("Jotta", "Archive", "photos", fmt.Sprintf("folder %03d", i/10_000), fmt.Sprintf("holiday %02d", i/100%100), fmt.Sprintf("IMG_%07d.jpg", i))
				c := store.Content{MD5: [16]byte{0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e}, Quota: -1}
				if _, err := srv.store.Allocate("user01", p, c); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := srv.Close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("made %d files in %v", files, time.Since(began).Round(time.Second))
}

// memory reads a line of a process's status in kB; 0 where there is no such thing.
func memory(pid int, name string) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			n, _ := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return n
		}
	}
	return 0
}
