package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	log      lockedBuffer // of the server
}

// lockedBuffer is a buffer that can be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// logIn starts a jserve and logs in.
func logIn(t *testing.T, flags ...string) *account {
	t.Helper()
	a := &account{t: t, home: t.TempDir()}
	ready := filepath.Join(a.home, "ready")
	server := exec.Command(filepath.Join(bin, "jserve"), append([]string{
		"--data", filepath.Join(a.home, "store"), "--listen", "127.0.0.1:0", "--ready-file", ready, "--user", "tester"}, flags...)...)
	server.Env = append(os.Environ(), "JSERVE_PASSWORD=secret")
	server.Stderr = &a.log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		<-ended
		if strings.Contains(a.log.String(), "DATA RACE") {
			t.Error(a.log.String())
		}
	})
	address, err := awaitFile(ready, ended)
	if err != nil {
		t.Fatalf("jserve: %v: %s", err, a.log.String())
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

// TestUploadAcrossExpiries: one file, at a limited rate, while its token expires
// twenty times, arrives with each byte sent once. JOTTA_UPLOAD_SIZE is its size in
// bytes.
func TestUploadAcrossExpiries(t *testing.T) {
	const cuts = 20
	size, seconds := int64(21<<18), int64(5)
	if text := os.Getenv("JOTTA_UPLOAD_SIZE"); text != "" {
		seconds = 60
		var err error
		if size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	a := logIn(t, "--token-ttl", "1s", "--fault", fmt.Sprintf("upload:expired-in=%d", size/(cuts+1)+1))
	tree := filepath.Join(a.home, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(tree, "file"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{}), size)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	before := a.stats()
	pipe := fmt.Sprintf("jwalk %s | jhash | jdiff --dest /Jotta/Archive/up | jput --bwlimit %d", tree, size/seconds)
	cmd := exec.Command("sh", "-c", pipe)
	cmd.Env = a.env
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil || messages.Len() > 0 {
		t.Fatalf("%s: %v: %s", pipe, err, messages.String())
	}
	var file struct {
		Status string
		Sent   int64
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	if err := json.Unmarshal(line, &file); err != nil || file.Status != "done" {
		t.Errorf("%v: %s", err, line)
	}
	after := a.stats()
	refused, renewals := after.Errors["401"]-before.Errors["401"], after.Requests["token_refresh"]-before.Requests["token_refresh"]
	// What was on its way when a refusal came is sent anew: it went to nobody.
	t.Logf("%d bytes; %d sent, %d arrived; %d refused, %d renewals, %d reuses", size, file.Sent, after.UploadBytes, refused, renewals, after.TokenReuse)
	if after.UploadBytes != size || refused < cuts || renewals < cuts || after.TokenReuse != 0 {
		t.Error("want each byte to arrive once, and a renewal for each refusal")
	}
}

// TestSecretsStayInside: nothing that any program prints at -vv, writes to a file
// other than the store, or shows in the list of processes holds a token or a
// password.
func TestSecretsStayInside(t *testing.T) {
	a := logIn(t, "--token-ttl", "1s", "-vv", "--fault", "allocate:expired:every=4,mkdir:503:every=5")
	secrets := map[string]string{"the password": "secret-word-7", "basic": base64.StdEncoding.EncodeToString([]byte("tester:secret-word-7"))}
	store := a.home + "/state/jottatools/default.token.json"
	note := func() {
		t.Helper()
		data, err := os.ReadFile(store)
		var l struct {
			Access     string `json:"access_token"`
			Refresh    string `json:"refresh_token"`
			Generation int
		}
		if err == nil {
			err = json.Unmarshal(data, &l)
		}
		if err != nil {
			t.Fatal(err)
		}
		secrets[fmt.Sprintf("access token %d", l.Generation)] = l.Access
		secrets[fmt.Sprintf("refresh token %d", l.Generation)] = l.Refresh
	}
	note()
	stop, watched := make(chan struct{}), make(chan []byte)
	go func() { watched <- watchProcesses(stop) }()

	tree := filepath.Join(a.home, "tree")
	for i := range 20 {
		name := filepath.Join(tree, fmt.Sprint(i%3), fmt.Sprint(i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var printed bytes.Buffer
	run := func(env []string, shell string) {
		t.Helper()
		cmd := exec.Command("bash", "-c", shell)
		cmd.Env = append(a.env[:len(a.env):len(a.env)], env...)
		out, err := cmd.CombinedOutput()
		fmt.Fprintf(&printed, "$ %s\n%s(%v)\n", shell, out, err)
	}
	scripts, err := filepath.Abs("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	password := []string{"JOTTACLOUD_USERNAME=tester", "JOTTACLOUD_PASSWORD=secret-word-7"}
	for _, format := range []string{"text", "json"} {
		flags := " -vv --log-format " + format
		pipe := strings.ReplaceAll("jwalk V "+tree+" | jhash V | jdiff V --dest /Jotta/Archive/"+format+" --prune | jput V | jrm V | jreport V", "V", flags)
		run(nil, pipe)
		note()
		run(nil, "jlogin status"+flags+"; jlogin list"+flags+"; jlogin renew"+flags)
		note()
		run(password, pipe) // wrong, as it happens
		run([]string{"JOTTA_ENDPOINT=http://127.0.0.1:9"}, pipe)
		run(append(password, "JOTTA_ENDPOINT=http://127.0.0.1:9"), pipe)
		run(nil, `curl -sS -u tester:secret -X POST "$JOTTA_ENDPOINT/_jserve/login-token" >token && jlogin --token-file token`+flags+`; jlogin --token-file token`+flags+`; jlogin <token`+flags+`; mv token `+store+`.used`)
		note()
		run(nil, "jlogin logout"+flags+`; curl -sS -u tester:secret -X POST "$JOTTA_ENDPOINT/_jserve/login-token" | jlogin`+flags)
		note()
	}
	run([]string{"JOTTA_BIN=" + bin}, scripts+"/jottasync -vv "+tree+" /Jotta/Archive/sync; "+scripts+"/jottasync status")
	note()
	token, err := os.ReadFile(store + ".used")
	if err != nil {
		t.Fatal(err)
	}
	secrets["login token"] = strings.TrimSpace(string(token))
	plain, err := base64.RawURLEncoding.DecodeString(secrets["login token"])
	var fields struct {
		Secret string `json:"auth_token"`
	}
	if err := errors.Join(err, json.Unmarshal(plain, &fields)); err != nil {
		t.Fatal(err)
	}
	secrets["authorization of the login token"] = fields.Secret
	close(stop)

	places := map[string][]byte{"what was printed": printed.Bytes(), "the list of processes": <-watched, "the log of jserve": []byte(a.log.String())}
	err = filepath.WalkDir(a.home, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(path, store) {
			return err
		}
		data, err := os.ReadFile(path)
		places[path] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(places["what was printed"], []byte(`"stage":"jreport"`)) && !bytes.Contains(printed.Bytes(), []byte("uploaded")) {
		t.Fatalf("the programs did not do their work:\n%s", printed.String())
	}
	for place, data := range places {
		for name, secret := range secrets {
			if secret == "" {
				t.Fatalf("%s is empty", name)
			}
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s is in %s", name, place)
			}
		}
	}
	t.Logf("looked for %d secrets in %d places", len(secrets), len(places))
}

// watchProcesses returns the command lines of all processes until stop is closed.
func watchProcesses(stop <-chan struct{}) []byte {
	var seen bytes.Buffer
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return seen.Bytes()
		case <-tick.C:
		}
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range lines {
			if line, err := os.ReadFile(name); err == nil && !bytes.Contains(seen.Bytes(), line) {
				seen.Write(line)
			}
		}
	}
}
