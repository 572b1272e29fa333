package test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hostileClients are the programs that ask the service, with what they read, and the
// request that the hostile server answers in its own way: the first one, if it is nil.
var hostileClients = []struct {
	name    string
	stdin   string // a file
	target  func(*http.Request) bool
	command []string // DIR is a folder of its own
}{
	{"jls", "", wants("mode", "liststream"), []string{"jls", "/Jotta/Archive/s"}},
	{"jdiff", "tree.ndjson", wants("mode", "liststream"), []string{"jdiff", "--prune", "--dest", "/Jotta/Archive/s"}},
	{"jdiff --reverse", "tree.ndjson", nil, []string{"jdiff", "--reverse", "--dest", "/Jotta/Archive/s"}},
	{"jput", "put.ndjson", posts("/allocate"), []string{"jput"}},
	{"jput, sending", "put.ndjson", posts("/upload"), []string{"jput"}},
	{"jget", "list.ndjson", wants("mode", "bin"), []string{"jget", "-C", "DIR"}},
	{"jget, looking", "list.ndjson", nil, []string{"jget", "-C", "DIR"}},
	{"jverify", "same.ndjson", wants("mode", "bin"), []string{"jverify"}},
	{"jrm", "delete.ndjson", posts("/s/f"), []string{"jrm"}},
	{"jshare", "", nil, []string{"jshare", "new/f"}},
	{"jlogin", "token", nil, []string{"jlogin"}},
	{"jlogin, exchanging", "token", posts("/token"), []string{"jlogin"}},
	{"jlogin status", "", nil, []string{"jlogin", "status"}},
	{"jjob", "", nil, []string{"jjob", "begin", "--state", "DIR/state", "new", "/Jotta/Archive/j"}},
	{"jfuse", "", nil, []string{"jfuse", "--cache-dir", "DIR/cache", "--spool-dir", "DIR/spool", "DIR/mnt"}},
	{"jfuse, reading", "", wants("mode", "bin"), []string{"jfuse", "--cache-dir", "DIR/cache", "--spool-dir", "DIR/spool", "DIR/mnt"}},
}

func wants(key, value string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Query().Get(key) == value }
}

func posts(part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodPost && strings.Contains(r.URL.Path, part) }
}

// hostileKinds are what the server does instead of answering. next is the true service,
// elsewhere another server.
var hostileKinds = []struct {
	name  string
	flags []string // of programs that have --timeout; only those meet it
	serve func(w http.ResponseWriter, r *http.Request, next http.Handler, elsewhere string)
}{
	{"endless text", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		pour(w, opening(r)+"x", "x")
	}},
	{"endless space", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) { pour(w, "", " \n") }},
	{"endless members", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		if answersJSON(r) {
			pour(w, `{"a":1`, `,"a":1`)
		} else {
			pour(w, "<liststream>", `<x a="b"/>`)
		}
	}},
	{"deep nesting", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		if answersJSON(r) {
			pour(w, `{"a":`, "[")
		} else {
			pour(w, "<liststream>", "<folder>")
		}
	}},
	{"compression bomb", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		w.Header().Set("Content-Encoding", "gzip")
		member := string(gzipped(opening(r) + strings.Repeat(" ", 16<<20)))
		pour(w, member, member)
	}},
	{"false range", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		w.Header().Set("Content-Range", "bytes 5-9223372036854775806/9223372036854775807")
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, "0123456789")
	}},
	{"false length", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		w.Header().Set("Content-Length", "9223372036854775807")
		io.WriteString(w, opening(r))
	}},
	{"false digest", nil, func(w http.ResponseWriter, r *http.Request, next http.Handler, _ string) {
		if r.Method != http.MethodGet { // the service is to remain as it is
			fmt.Fprintf(w, `{"state":"COMPLETED","bytes":1,"md5":"%032d"}`, 1)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		body := answer.Body.Bytes()
		if r.URL.Query().Get("mode") == "bin" && len(body) > 0 {
			body[0] ^= 1
		}
		body = anyMD5.ReplaceAllFunc(body, func(sum []byte) []byte { return append([]byte{'0' + (sum[0]+1)%10}, sum[1:]...) })
		w.WriteHeader(answer.Code)
		w.Write(body)
	}},
	{"redirect", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, elsewhere string) {
		http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
	}},
	{"hostile names", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, elsewhere string) {
		if answersJSON(r) {
			fmt.Fprintf(w, `{"username":"..\/\u001b[2J\u202e","state":"INCOMPLETE","upload_url":"%s/x","resume_pos":-1,"token_endpoint":"%s/t","access_token":"\u001b[2J","path":"/../../etc"}`, elsewhere, elsewhere)
			return
		}
		io.WriteString(w, `<liststream host="x">`)
		for _, name := range []string{"..", ".", "../../../etc/passwd", "/etc/passwd", `..\..\x`, "a/../../b", "&#0;", "&#27;[2J", "&#x202e;", "x\xff", "con", "COM1.txt", "", strings.Repeat("n", 70<<10)} {
			fmt.Fprintf(w, `<file><path>/tester/Jotta/Archive/s</path><name>%s</name><filename>%s</filename><currentRevision><number>1</number><state>COMPLETED</state><size>7</size><md5>%032d</md5></currentRevision></file>`, name, name, 1)
		}
		io.WriteString(w, `<folder><path>/tester/Jotta/../..</path><name>..</name></folder></liststream>`)
	}},
	{"endless headers", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		raw(w, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n")
	}},
	{"endless hints", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		raw(w, "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
	}},
	{"no HTTP", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		raw(w, "\x16\x03\x01\x02\x00\x1b[2J", "\x00\xff")
	}},
	{"busy for ever", nil, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		w.Header().Set("Retry-After", "99999999999")
		http.Error(w, "\x1b[2Jbusy", http.StatusServiceUnavailable)
	}},
	{"drips", []string{"--timeout", "1s"}, func(w http.ResponseWriter, r *http.Request, _ http.Handler, _ string) {
		io.WriteString(w, opening(r))
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for http.NewResponseController(w).Flush() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}},
}

var anyMD5 = regexp.MustCompile(`\b[0-9a-f]{32}\b`)

// answersJSON reports whether the true answer to a request is JSON.
func answersJSON(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/jfs/") }

// opening is how an answer begins that might become a true one.
func opening(r *http.Request) string {
	if answersJSON(r) {
		return `{"username":"tester","x":"`
	}
	return `<?xml version="1.0" encoding="UTF-8"?><liststream><!--`
}

// pour writes the beginning, and then the same again and again, until nobody wants more.
func pour(w io.Writer, begin, again string) {
	if len(again) < 32<<10 {
		again = strings.Repeat(again, 32<<10/len(again))
	}
	_, err := io.WriteString(w, begin)
	for err == nil {
		_, err = io.WriteString(w, again)
	}
}

// raw pours onto the connection.
func raw(w http.ResponseWriter, begin, again string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	pour(conn, begin, again)
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.Bytes()
}

// TestHostileServer: whatever a server answers to whichever program, the program ends soon
// and by itself, in little memory, asks no other server, sends nothing to a terminal that
// this would obey, and changes nothing on disk.
func TestHostileServer(t *testing.T) {
	const patience = 2 * time.Minute
	// With the race detector, which takes more than a program does. Without it,
	// JOTTA_PLAIN_BIN=FOLDER names the programs.
	programs, mostMemory := bin, 96<<10 // KiB
	if plain := os.Getenv("JOTTA_PLAIN_BIN"); plain != "" {
		programs, mostMemory = plain, 64<<10
	}
	w := newSignalWorld(t)
	service, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { // with the Host that was asked for
		r.Out.URL.Scheme, r.Out.URL.Host = service.Scheme, service.Host
		r.Out.Header.Del("Accept-Encoding")
	}}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a program asked another server for %s", r.URL)
	}))
	defer elsewhere.Close()
	before := w.localFiles(t)
	// Most of the time they wait until they try again.
	const atOnce = 8
	cells := make(chan func())
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for cell := range cells {
				cell()
			}
		})
	}
	for _, c := range hostileClients {
		for _, kind := range hostileKinds {
			if kind.flags != nil && !slices.Contains([]string{"jls", "jput", "jget", "jverify", "jshare"}, c.command[0]) {
				continue
			}
			cells <- func() {
				t.Run(c.name+"/"+kind.name, func(t *testing.T) {
					if c.command[0] == "jfuse" {
						needFUSE(t)
					}
					var met atomic.Int64
					server := httptest.NewServer(http.HandlerFunc(func(hw http.ResponseWriter, r *http.Request) {
						if c.target != nil && !c.target(r) {
							proxy.ServeHTTP(hw, r)
							return
						}
						met.Add(1)
						kind.serve(hw, r, proxy, elsewhere.URL)
					}))
					defer server.CloseClientConnections()
					h := &hostileRun{patience: patience, dir: t.TempDir(), w: w, programs: programs, endpoint: server.URL}
					h.run(t, c.stdin, slices.Concat(c.command, kind.flags))
					if met.Load() == 0 {
						t.Error("the program did not ask for what the server does not answer")
					}
					if h.memory > mostMemory {
						t.Errorf("it used %d KiB of memory, want at most %d", h.memory, mostMemory)
					}
					t.Logf("%v after %v, %d requests, %d KiB: %.300s", h.state, h.took.Round(time.Millisecond), met.Load(), h.memory, h.stderr.String())
				})
			}
		}
	}
	close(cells)
	workers.Wait()
	if after := w.localFiles(t); !maps.Equal(before, after) {
		t.Errorf("local files changed: before\n%v\nafter\n%v", before, after)
	}
}

// localFiles returns what is in the folders that programs read and write, by path.
func (w *signalWorld) localFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{"tree", "new", "other", "back", "state", "config"} {
		err := filepath.WalkDir(filepath.Join(w.dir, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return nil
			}
			fi, err := e.Info()
			if err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			files[path] = fmt.Sprint(fi.Mode(), fi.ModTime(), string(b))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// hostileRun is one program against one hostile server.
type hostileRun struct {
	w                       *signalWorld
	dir, programs, endpoint string
	patience                time.Duration

	stderr bytes.Buffer
	state  *os.ProcessState
	took   time.Duration
	memory int // KiB
}

func (h *hostileRun) run(t *testing.T, stdin string, args []string) {
	t.Helper()
	args = slices.Clone(args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "DIR", h.dir)
	}
	mnt := filepath.Join(h.dir, "mnt")
	if args[0] == "jfuse" {
		if err := os.Mkdir(mnt, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(h.programs, args[0]), args[1:]...)
	cmd.Dir, cmd.Stderr = h.w.dir, &h.stderr
	cmd.Env = append(slices.Clone(h.w.env), "JOTTA_ENDPOINT="+h.endpoint, "XDG_STATE_HOME="+filepath.Join(h.dir, "state"))
	switch stdin {
	case "":
	case "token":
		cmd.Stdin = strings.NewReader(base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil,
			`{"username":"tester","realm":"jottacloud","well_known_link":"%s/auth/realms/jottacloud/.well-known/openid-configuration","auth_token":"x"}`, h.endpoint)))
	default:
		f, err := os.Open(filepath.Join(h.w.dir, stdin))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = f
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	if args[0] == "jfuse" {
		go h.use(mnt, cmd, ended)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(h.patience)
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-tick.C:
			h.memory = max(h.memory, peakMemory(cmd.Process.Pid))
		case <-deadline:
			t.Errorf("it has not ended after %v", h.patience)
			cmd.Process.Kill()
			deadline = nil
		}
	}
	h.state, h.took = cmd.ProcessState, time.Since(begun)
	if mounted(mnt) {
		t.Error("it left its mount")
		exec.Command("fusermount3", "-uz", mnt).Run()
	}
	said := h.stderr.String()
	if code := h.state.ExitCode(); code < 0 || code == 2 {
		t.Errorf("%v; it said\n%.3000s", h.state, said)
	}
	if strings.Contains(said, "DATA RACE") || strings.ContainsAny(said, "\x00\x1b\u202e") || len(said) > 64<<10 {
		t.Errorf("it said %.3000q", said)
	}
	filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(h.dir, path)
		switch top, _, _ := strings.Cut(rel, string(filepath.Separator)); {
		case err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".jottatools-"): // what jget takes up later
		case top == "cache" || top == "spool" || top == "state" && !strings.HasSuffix(path, ".token.json"):
		default:
			t.Errorf("it wrote %s", rel)
		}
		return nil
	})
}

// use looks at a mount, and ends it.
func (h *hostileRun) use(mnt string, cmd *exec.Cmd, ended chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !mounted(mnt) {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
	os.ReadFile(filepath.Join(mnt, "Jotta/Archive/s/f"))
	cmd.Process.Signal(os.Interrupt)
}

// mounted reports whether something is mounted at a folder.
func mounted(dir string) bool {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(mounts), " "+dir+" ")
}
