package test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filters are the programs that read a stream, with what they need besides.
var filters = [][]string{
	{"jhash"},
	{"jdiff", "--dest", "/Jotta/Archive/s"},
	{"jput"},
	{"jrm"},
	{"jget", "-C", "back"},
	{"jverify"},
	{"jreport", "--file", "report.json"},
}

// waiting are programs that are waiting for the service: the input, in which there
// is work, and the kind of request that is never answered.
var waiting = []struct {
	stdin, request string
	command        []string
}{
	{"tree.ndjson", "liststream", []string{"jdiff", "--dest", "/Jotta/Archive/s"}},
	{"put.ndjson", "allocate", []string{"jput"}},
	{"put.ndjson", "upload", []string{"jput"}},
	{"put.ndjson", "mkdir", []string{"jput"}},
	{"delete.ndjson", "stat", []string{"jrm"}},
	{"list.ndjson", "download", []string{"jget", "-C", "back"}},
	{"same.ndjson", "download", []string{"jverify"}},
	{"", "liststream", []string{"jls", "/Jotta/Archive/s"}},
	{"new/f", "customer", []string{"jput", "--to", "/Jotta/Archive/stream", "-"}},
	{"new/f", "allocate", []string{"jput", "--to", "/Jotta/Archive/stream", "-"}},
	{"", "stat", []string{"jshare", "new/f"}},
	{"", "allocate", []string{"jshare", "new/f"}},
	{"", "share", []string{"jshare", "tree/f"}},
}

var stops = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// TestSignals: whatever a filter is doing, a signal ends it, with exit code 130,
// and with an end record, after whole lines, that says that it is not complete.
func TestSignals(t *testing.T) {
	w := newSignalWorld(t)
	for _, args := range filters {
		for _, signal := range stops {
			t.Run(args[0]+" reading/"+signal.String(), func(t *testing.T) {
				p := w.start(t, args)
				p.feed(t)
				p.cmd.Process.Signal(signal)
				p.ends(t, 130, "false")
			})
		}
		t.Run(args[0]+"/closed stdin", func(t *testing.T) {
			p := w.start(t, args)
			p.feed(t)
			p.stdin.Close()
			p.ends(t, 3, "false")
		})
		t.Run(args[0]+"/stopped and continued", func(t *testing.T) {
			p := w.start(t, args)
			n := p.feed(t)
			p.cmd.Process.Signal(syscall.SIGSTOP)
			fmt.Fprintf(p.stdin, `{"kind":"end","v":1,"stage":"test","records":%d,"bytes":0,"errors":0,"complete":true}`+"\n", n)
			p.stdin.Close()
			p.cmd.Process.Signal(syscall.SIGCONT)
			p.ends(t, 0, "true")
		})
	}
	for _, args := range filters[:len(filters)-1] { // jreport writes nothing
		t.Run(args[0]+"/closed stdout", func(t *testing.T) {
			p := w.start(t, args)
			p.stdout.Close()
			for i := 0; i < 1_000_000; i++ { // until it has gone
				if _, err := io.WriteString(p.stdin, linkRecord(i)); err != nil {
					break
				}
			}
			p.stdin.Close()
			state, stderr := p.wait()
			if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGPIPE || stderr != "" {
				t.Errorf("%v, and said %q; want an end by SIGPIPE without a word", state, stderr)
			}
		})
	}
	for _, test := range waiting {
		for _, signal := range stops {
			t.Run(test.command[0]+" waiting for "+test.request+"/"+signal.String(), func(t *testing.T) {
				w.faults(t, test.request+":delay=1h")
				defer w.faults(t, "")
				p := w.start(t, test.command)
				if test.stdin != "" {
					b, err := os.ReadFile(filepath.Join(w.dir, test.stdin))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := p.stdin.Write(b); err != nil {
						t.Fatal(err)
					}
				}
				p.stdin.Close()
				w.awaitHits(t, 1)
				p.cmd.Process.Signal(signal)
				p.ends(t, 130, "false")
			})
		}
	}
	w.stream(t)
	t.Run("jwalk", func(t *testing.T) {
		for _, signal := range stops {
			p := w.start(t, []string{"jwalk", "/usr"})
			p.output.ReadString('\n')
			p.cmd.Process.Signal(signal)
			p.ends(t, 130, "false")
		}
	})
}

// stream: what jput reads from a stream that did not end is not stored.
func (w *signalWorld) stream(t *testing.T) {
	begin := func(t *testing.T) *victim {
		p := w.start(t, []string{"jput", "--to", "/Jotta/Archive/stream", "-"})
		if _, err := p.stdin.Write(make([]byte, 200<<10)); err != nil { // more than a pipe holds, so it reads
			t.Fatal(err)
		}
		return p
	}
	for _, signal := range stops {
		t.Run("jput from a stream/"+signal.String(), func(t *testing.T) {
			p := begin(t)
			p.cmd.Process.Signal(signal)
			p.ends(t, 130, "false")
			if got, err := w.stored("/Jotta/Archive"); err != nil || got["stream"] != "" {
				t.Errorf("%d bytes of a stream that did not end are stored (%v)", len(got["stream"]), err)
			}
		})
	}
	t.Run("jput from a stream/stopped and continued", func(t *testing.T) {
		p := begin(t)
		p.cmd.Process.Signal(syscall.SIGSTOP)
		p.stdin.Close()
		p.cmd.Process.Signal(syscall.SIGCONT)
		p.ends(t, 0, "true")
		if got, err := w.stored("/Jotta/Archive"); err != nil || len(got["stream"]) != 200<<10 {
			t.Errorf("%d bytes of a stream are stored (%v)", len(got["stream"]), err)
		}
	})
}

// TestSignalsLogin: a login that is given up says nothing and keeps nothing.
func TestSignalsLogin(t *testing.T) {
	w := newSignalWorld(t)
	w.env = append(w.env, "JOTTACLOUD_USERNAME=", "JOTTACLOUD_PASSWORD=")
	for _, signal := range stops {
		for _, waitsFor := range []string{"the login token", "the service"} {
			t.Run("jlogin waiting for "+waitsFor+"/"+signal.String(), func(t *testing.T) {
				w.faults(t, "discovery:delay=1h")
				defer w.faults(t, "")
				p := w.start(t, []string{"jlogin"})
				if waitsFor == "the login token" { // more than the pipe holds, so it reads, and less than a token may have, so it goes on
					if _, err := unix.FcntlInt(p.stdin.(interface{ Fd() uintptr }).Fd(), unix.F_SETPIPE_SZ, 4<<10); err != nil {
						t.Fatal(err)
					}
					p.stdin.Write(bytes.Repeat([]byte("\n"), 12<<10))
				}
				if waitsFor == "the service" {
					// As the web page shows it: whom to ask is in it.
					token := fmt.Sprintf(`{"username":"tester","auth_token":"x","well_known_link":"%s/auth/realms/jottacloud/.well-known/openid-configuration"}`, w.url)
					fmt.Fprintln(p.stdin, base64.RawURLEncoding.EncodeToString([]byte(token)))
					p.stdin.Close()
					w.awaitHits(t, 1)
				}
				p.cmd.Process.Signal(signal)
				out, _ := io.ReadAll(p.output)
				if state, stderr := p.wait(); state.ExitCode() != 130 || len(out) > 0 {
					t.Errorf("%v, want exit code 130; it wrote %q and said %q", state, out, stderr)
				}
				if kept, _ := filepath.Glob(filepath.Join(w.dir, "state/jottatools/*.json*")); len(kept) > 0 {
					t.Errorf("it keeps %v", kept)
				}
			})
		}
	}
}

// linkRecord is a record that every filter passes on.
func linkRecord(n int) string {
	return fmt.Sprintf(`{"kind":"symlink","path":"link%08d","mtime":"2026-01-02T03:04:05Z","target":"nowhere","action":"none"}`+"\n", n)
}

// signalWorld is a folder and a service that has what is in it.
type signalWorld struct {
	dir string
	env []string
	url string
}

func newSignalWorld(t *testing.T) *signalWorld {
	dir := t.TempDir()
	w := &signalWorld{dir: dir}
	ready := filepath.Join(dir, "ready")
	server := exec.Command(filepath.Join(bin, "jserve"), "--data", filepath.Join(dir, "store"), "--listen", "127.0.0.1:0", "--ready-file", ready, "--user", "tester", "--allow-faults")
	w.env = append(os.Environ(), "JSERVE_PASSWORD=secret", "HOME="+dir, "GORACE=atexit_sleep_ms=0", "PATH="+bin+":"+os.Getenv("PATH"),
		"JOTTACLOUD_USERNAME=tester", "JOTTACLOUD_PASSWORD=secret", "XDG_CONFIG_HOME="+dir+"/config", "XDG_STATE_HOME="+dir+"/state", "XDG_CACHE_HOME="+dir+"/cache")
	server.Env = w.env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() { server.Process.Kill(); <-ended })
	address, err := awaitFile(ready, ended)
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + strings.TrimSpace(address)
	w.env = append(w.env, "JOTTA_ENDPOINT="+w.url)
	setup := exec.Command("bash", "-euc", `
		mkdir tree && echo stored >tree/f && jwalk tree | jhash | jdiff --dest /Jotta/Archive/s | jput >/dev/null
		jls /Jotta/Archive/s >list.ndjson
		jwalk tree | jhash >tree.ndjson
		jdiff --dest /Jotta/Archive/s <tree.ndjson >same.ndjson
		mkdir new new/d && echo new >new/f && jwalk new | jhash | jdiff --dest /Jotta/Archive/n >put.ndjson
		mkdir other && echo other >other/g && jwalk other | jhash | jdiff --prune --max-delete 9 --dest /Jotta/Archive/s | jq -c 'if .action == "put" then .action = "none" else . end' >delete.ndjson`)
	setup.Dir, setup.Env = dir, w.env
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

func (w *signalWorld) faults(t *testing.T, rules string) {
	t.Helper()
	resp, err := w.askFaults("POST", strings.NewReader(rules))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("faults %q: %s", rules, resp.Status)
	}
}

func (w *signalWorld) askFaults(method string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequest(method, w.url+"/_jserve/faults", body)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth("tester", "secret")
	return http.DefaultClient.Do(req)
}

// awaitHits returns when so many requests have met the fault.
func (w *signalWorld) awaitHits(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		resp, err := w.askFaults("GET", nil)
		if err != nil {
			t.Fatal(err)
		}
		var shown struct{ Hits []any }
		err = json.NewDecoder(resp.Body).Decode(&shown)
		resp.Body.Close()
		if err == nil && len(shown.Hits) >= n {
			return
		}
	}
	t.Fatal("the requests do not come")
}

// victim is a program under test.
type victim struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Closer
	output *bufio.Reader
	stderr bytes.Buffer
}

func (w *signalWorld) start(t *testing.T, args []string) *victim {
	t.Helper()
	p := &victim{cmd: exec.Command(filepath.Join(bin, args[0]), args[1:]...)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = w.dir, w.env, &p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout, p.output = stdout, bufio.NewReaderSize(stdout, 1<<20)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	impatient := time.AfterFunc(time.Minute, func() { p.cmd.Process.Signal(syscall.SIGQUIT) })
	t.Cleanup(func() {
		impatient.Stop()
		p.cmd.Process.Kill()
	})
	return p
}

// feed writes records until it is sure that the program reads: more than a pipe
// holds. What it writes fits into ours, unread.
func (p *victim) feed(t *testing.T) (n int) {
	t.Helper()
	for written := 0; written < 80<<10; n++ {
		m, err := io.WriteString(p.stdin, linkRecord(n))
		if err != nil {
			t.Fatal(err)
		}
		written += m
	}
	return n
}

func (p *victim) wait() (*os.ProcessState, string) {
	p.cmd.Wait()
	return p.cmd.ProcessState, p.stderr.String()
}

// ends reads to the end and holds what was written and the exit code against
// what they should be. It returns what was written.
func (p *victim) ends(t *testing.T, code int, complete string) string {
	t.Helper()
	out, err := io.ReadAll(p.output)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	state, stderr := p.wait()
	if state.ExitCode() != code {
		t.Errorf("%v, want exit code %d; it said\n%s", state, code, stderr)
	}
	if strings.Contains(stderr, "DATA RACE") || strings.Contains(stderr, "panic") {
		t.Error(stderr)
	}
	text := string(out)
	if filepath.Base(p.cmd.Path) == "jreport" {
		return text
	}
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("the output ends with a part of a line: %q", text[max(0, len(text)-200):])
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line is damaged: %q", line)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, `"kind":"end"`) || !strings.Contains(last, `"complete":`+complete) {
		t.Errorf("the last line is %s; want an end record with complete %s", last, complete)
	}
	return text
}
