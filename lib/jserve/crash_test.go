package jserve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"jottatools/lib/jserve/store"
)

// crashDir tells the test binary to be a server on that directory instead.
const crashDir = "JSERVE_TEST_CRASH_DIR"

// serveForCrashTest is the child process of TestKilledServerKeepsItsWord.
func serveForCrashTest() bool {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return false
	}
	srv, err := New(Config{Dir: dir, Users: []User{{Name: "user01", Password: "secret"}}})
	if err != nil {
		fmt.Println(err)
		return true
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return true
	}
	fmt.Println(ln.Addr())
	fmt.Println(srv.Serve(context.Background(), ln)) // until it is killed
	return true
}

// TestKilledServerKeepsItsWord uploads to a real server process, kills it in the
// middle, starts it again, and looks whether all it has acknowledged is there.
// JSERVE_CRASHES sets how often.
func TestKilledServerKeepsItsWord(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	rounds := 10
	if n, err := strconv.Atoi(os.Getenv("JSERVE_CRASHES")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	files := make(map[string]string)   // path to MD5, acknowledged
	partial := make(map[string]partly) // path to bytes acknowledged with 420
	for round := range rounds {
		w, kill := startVictim(t, dir)
		checkKept(t, w, files, partial)
		if t.Failed() {
			kill()
			return
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		acknowledged := make(chan struct{}, 1000)
		for worker := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					path := fmt.Sprintf("/Jotta/Archive/round %d/worker %d/file %d", round, worker, i)
					content := make([]byte, rand.IntN(3000))
					if i%10 == 9 {
						content = make([]byte, smallAndMore+rand.IntN(1000))
					}
					for j := range content {
						content[j] = byte(rand.Int32())
					}
					cut := len(content)
					if i%7 == 6 && cut > 2 {
						cut /= 2
					}
					if !w.deliver(path, content, cut) {
						return // the server is gone
					}
					mu.Lock()
					if cut == len(content) {
						files[path] = hexMD5(content)
					} else {
						partial[path] = partly{content, cut}
					}
					mu.Unlock()
					acknowledged <- struct{}{}
				}
			})
		}
		for range 20 + rand.IntN(40) {
			<-acknowledged
		}
		kill()
		go func() { wg.Wait(); close(acknowledged) }()
		for range acknowledged { // until every worker has noticed
		}
		w.http.CloseIdleConnections()
	}
	w, kill := startVictim(t, dir)
	checkKept(t, w, files, partial)
	w.http.CloseIdleConnections()
	kill()
	if _, err := store.Check(t.Context(), dir, true, func(f store.Finding) {
		if !f.Harmless {
			t.Error(f.Text)
		}
	}); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d files and %d parts acknowledged and kept", rounds, len(files), len(partial))
}

// smallAndMore is a size that is not collected in memory.
const smallAndMore = 256 << 10

type partly struct {
	content []byte
	held    int
}

func hexMD5(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}

// startVictim starts a server process. kill ends it without warning, and waits.
func startVictim(t testing.TB, dir string) (w *world, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(addr, "127.0.0.1:") {
		_ = cmd.Process.Kill()
		t.Fatalf("server did not start: %v %s", err, addr)
	}
	w = &world{t: t, url: "http://" + strings.TrimSpace(addr), pid: cmd.Process.Pid}
	w.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: time.Minute}
	return w, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// deliver uploads the first cut bytes, and tells whether the server acknowledged them.
func (w *world) deliver(path string, content []byte, cut int) bool {
	body := fmt.Sprintf(`{"path":"/jfs%s","bytes":%d,"md5":"%s"}`, path, len(content), hexMD5(content))
	a, err := w.try("POST", "/files/v1/allocate", strings.NewReader(body))
	if err != nil || a.status != 200 {
		return false
	}
	var target allocateAnswer
	if json.Unmarshal([]byte(a.body), &target) != nil {
		return false
	}
	if target.State == "COMPLETED" {
		return true // the empty file
	}
	a, err = w.try("POST", target.UploadURL, bytes.NewReader(content[:cut]))
	return err == nil && (cut == len(content) && a.status == 200 || cut < len(content) && a.status == 420)
}

func checkKept(t *testing.T, w *world, files map[string]string, partial map[string]partly) {
	t.Helper()
	escape := strings.NewReplacer(" ", "%20")
	for path, sum := range files {
		a := w.send("GET", "/jfs/user01"+escape.Replace(path)+"?mode=bin", nil)
		if a.status != 200 || hexMD5([]byte(a.body)) != sum {
			t.Errorf("%s: status %d, %d bytes; it was acknowledged with MD5 %s", path, a.status, len(a.body), sum)
		}
	}
	for path, p := range partial {
		body := fmt.Sprintf(`{"path":"/jfs%s","bytes":%d,"md5":"%s"}`, path, len(p.content), hexMD5(p.content))
		a := w.send("POST", "/files/v1/allocate", io.Reader(strings.NewReader(body))).allocation(t)
		if a.ResumePos != int64(p.held) {
			t.Errorf("%s: resume_pos %d; %d bytes were acknowledged", path, a.ResumePos, p.held)
		}
	}
}
