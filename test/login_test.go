package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// account is a jserve with short-lived tokens and a home that is logged in there.
type account struct {
	t        *testing.T
	endpoint string
	home     string
	env      []string
}

// logIn starts a jserve and logs in.
func logIn(t *testing.T, flags ...string) *account {
	t.Helper()
	a := &account{t: t, home: t.TempDir()}
	ready := filepath.Join(a.home, "ready")
	server := exec.Command(filepath.Join(bin, "jserve"), append([]string{
		"--data", filepath.Join(a.home, "store"), "--listen", "127.0.0.1:0", "--ready-file", ready, "--user", "tester"}, flags...)...)
	server.Env = append(os.Environ(), "JSERVE_PASSWORD=secret")
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		<-ended
		if strings.Contains(log.String(), "DATA RACE") {
			t.Error(log.String())
		}
	})
	address, err := awaitFile(ready, ended)
	if err != nil {
		t.Fatalf("jserve: %v: %s", err, log.String())
	}
	a.endpoint = "http://" + strings.TrimSpace(address)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "JOTTA") {
			a.env = append(a.env, entry)
		}
	}
	a.env = append(a.env, "HOME="+a.home, "XDG_STATE_HOME="+a.home+"/state", "XDG_CONFIG_HOME="+a.home+"/config", "JOTTA_ENDPOINT="+a.endpoint,
		"GORACE=atexit_sleep_ms=0", "PATH="+bin+":"+os.Getenv("PATH"))
	req, err := http.NewRequest(http.MethodPost, a.endpoint+"/_jserve/login-token", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("tester", "secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	jlogin := a.command("jlogin")
	jlogin.Stdin = resp.Body
	if out, err := jlogin.CombinedOutput(); err != nil {
		t.Fatalf("jlogin: %v: %s", err, out)
	}
	return a
}

func (a *account) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = a.env
	return cmd
}

// served is what the server has counted.
type served struct {
	Requests    map[string]int64 `json:"requests"`
	Errors      map[string]int64 `json:"errors"`
	UploadBytes int64            `json:"upload_bytes"`
	TokenReuse  int64            `json:"token_reuse"`
}

func (a *account) stats() (s served) {
	a.t.Helper()
	resp, err := http.Get(a.endpoint + "/_jserve/stats")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		a.t.Fatal(err)
	}
	return s
}

// generation is how many times the login has got tokens.
func (a *account) generation() int64 {
	a.t.Helper()
	data, err := os.ReadFile(a.home + "/state/jottatools/default.token.json")
	var l struct{ Generation int64 }
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return l.Generation
}

// TestOneLoginManyProcesses: eight processes at a time use one login whose tokens
// live for a second; then the same while one of them is killed every second. No
// token is shown twice, and each end is renewed once. JOTTA_HAMMER says for how long
// each, such as 3m.
func TestOneLoginManyProcesses(t *testing.T) {
	long := 6 * time.Second
	if text := os.Getenv("JOTTA_HAMMER"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, kills := range []bool{false, true} {
		t.Run(fmt.Sprintf("kills=%v", kills), func(t *testing.T) { hammer(t, long, kills) })
	}
}

func hammer(t *testing.T, long time.Duration, kills bool) {
	a := logIn(t, "--token-ttl", "1s")
	start := time.Now()
	end := time.After(long)
	stop := make(chan struct{})
	var mu sync.Mutex // guards running, runs
	running := map[int]*os.Process{}
	runs := 0
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				// Half of them are short, and half run until they are killed or told to end.
				cmd := a.command("jlogin", "status", "--json")
				if i%2 == 0 {
					cmd = a.command("jput", "-vv")
					cmd.Stdin = &folders{prefix: fmt.Sprintf("w%d-%d", i, round), stop: stop}
				}
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = io.Discard, &out
				mu.Lock()
				err := cmd.Start()
				if err == nil {
					running[i] = cmd.Process
					runs++
				}
				mu.Unlock()
				if err == nil {
					err = cmd.Wait()
				}
				mu.Lock()
				delete(running, i)
				mu.Unlock()
				if err != nil && (!kills || err.Error() != "signal: killed") {
					t.Errorf("%s: %v: %s", cmd, err, out.String())
					return
				}
			}
		})
	}
	killed := 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for working := true; working; {
		select {
		case <-end:
			working = false
		case <-tick.C:
			mu.Lock()
			if victim := running[rand.IntN(8)]; kills && victim != nil && victim.Kill() == nil {
				killed++
			}
			mu.Unlock()
		}
	}
	close(stop)
	workers.Wait()
	took := time.Since(start)
	stats := a.stats()
	renewals := stats.Requests["token_refresh"]
	t.Logf("%v: %d processes, %d killed, %d requests, %d refused tokens, %d renewals, %d reuses", took.Round(time.Second), runs, killed,
		stats.Requests["customer"]+stats.Requests["mkdir"], stats.Errors["401"], renewals, stats.TokenReuse)
	if stats.TokenReuse != 0 || stats.Errors["400"] != 0 {
		t.Errorf("%d tokens were shown twice, %d requests refused", stats.TokenReuse, stats.Errors["400"])
	}
	if generation := a.generation(); generation != renewals+1 {
		t.Errorf("%d renewals, but the login got tokens %d times", renewals, generation)
	}
	// A token ends with the second it was made in, or with the next.
	if most := int64(took.Seconds()*1.1) + 2; renewals < 2 || renewals > most {
		t.Errorf("%d renewals in %v, want one each second", renewals, took)
	}
	if kills && killed == 0 {
		t.Error("nothing was killed")
	}
}

// padding keeps the pipe from holding many records, all of which would still be
// carried out after the end.
var padding = strings.Repeat("x", 8<<10)

// folders is a plan that makes folders until it is stopped.
type folders struct {
	prefix string
	stop   <-chan struct{}
	n      int
	rest   []byte
	ended  bool
}

func (f *folders) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		select {
		case <-f.stop:
			if f.ended {
				return 0, io.EOF
			}
			f.ended = true
			f.rest = fmt.Appendf(nil, `{"kind":"end","v":1,"stage":"test","records":%d,"bytes":0,"errors":0,"complete":true}`+"\n", f.n)
		default:
			f.n++
			f.rest = fmt.Appendf(nil, `{"kind":"dir","path":"%s-%08d","remote":"/Jotta/Archive/%[1]s","action":"mkdir","pad":%[3]q}`+"\n", f.prefix, f.n, padding)
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
