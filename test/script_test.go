// Package test runs the real programs in real pipes, against a real jserve.
// Each script of testdata/script is one phase of use; scripts/test runs them
// all.
package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin is the folder with the programs, built with the race detector.
var bin string

func TestMain(m *testing.M) {
	// Begun with nohup, the programs would be deaf to a signal that the tests send.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "jottatools-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		// All programs are one: that takes a sixth of the time to link.
		for _, args := range [][]string{{"go", "build", "-race", "-o", dir + "/", "../cmd/jotta"}, {filepath.Join(dir, "jotta"), "--install", dir}} {
			build := exec.Command(args[0], args[1:]...)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				fmt.Fprintln(os.Stderr, "build the programs:", err)
				return 1
			}
		}
		bin = dir
		return m.Run()
	}())
}

func TestScripts(t *testing.T) {
	scripts, err := filepath.Abs("../scripts")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Condition: func(name string) (bool, error) {
			if name != "booted" { // by systemd
				return false, fmt.Errorf("there is no condition %s", name)
			}
			_, err := os.Stat("/run/systemd/system")
			return err == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, ".home")
			env.Setenv("HOME", home)
			env.Setenv("PATH", bin+":"+scripts+":"+os.Getenv("PATH"))
			env.Setenv("JOTTA_BIN", bin)
			env.Setenv("SCRIPTS", scripts)
			for name, dir := range map[string]string{"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache", "XDG_DATA_HOME": "data"} {
				env.Setenv(name, filepath.Join(home, dir))
			}
			env.Setenv("LC_ALL", "C.UTF-8")
			for _, name := range []string{"JPUT_KILL_MIB", "JOTTA_KILL_MIB", "JOTTA_KILLS", "JOTTA_SPARSE"} {
				env.Setenv(name, os.Getenv(name))
			}
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Values[serverKey{}] = new(server)
			if host, err := os.Hostname(); err == nil {
				env.Setenv("HOST", host)
			}
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":   exits,
			"serve":   serve,
			"names":   makeNames,
			"schema":  schemaCheck,
			"fetch":   fetch,
			"stats":   stats,
			"tree":    copyTree,
			"proxy":   proxied,
			"await":   await,
			"monitor": monitor,
			"readme":  readme,
		},
	})
}

// exits CODE COMMAND [ARG…] runs a command that must exit with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s exited with %d, want %d", args[1], got, want)
	}
}

// serve [FLAG…] starts jserve on a store in $WORK/.store and points the
// programs at it; serve -kill ends it with kill -9, and serve -stop with
// SIGTERM.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve cannot be negated")
	}
	running := ts.Value(serverKey{}).(*server)
	if len(args) == 1 && (args[0] == "-kill" || args[0] == "-stop") {
		signal := os.Signal(syscall.SIGTERM)
		if args[0] == "-kill" {
			signal = os.Kill
		}
		ts.Check(running.stop(signal))
		return
	}
	ready := ts.MkAbs(".ready")
	os.Remove(ready)
	cmd := exec.Command(filepath.Join(bin, "jserve"), append([]string{
		"--data", ts.MkAbs(".store"), "--listen", "127.0.0.1:0", "--ready-file", ready, "--user", "tester", "--allow-faults"}, args...)...)
	cmd.Env = append(os.Environ(), "JSERVE_PASSWORD=secret")
	cmd.Stderr = &running.log
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	running.process, running.ended = cmd.Process, ended
	ts.Defer(func() {
		if err := running.stop(os.Interrupt); err != nil {
			ts.Fatalf("%v", err)
		}
	})
	address, err := awaitFile(ready, ended)
	if err != nil {
		ts.Fatalf("jserve: %v: %s", err, running.log.String())
	}
	ts.Setenv("JOTTA_ENDPOINT", "http://"+strings.TrimSpace(address))
	ts.Setenv("JOTTACLOUD_USERNAME", "tester")
	ts.Setenv("JOTTACLOUD_PASSWORD", "secret")
}

// server is the jserve of one script.
type server struct {
	process *os.Process
	ended   <-chan struct{}
	log     strings.Builder // complete once it has ended
}

type serverKey struct{}

// stop ends the server, if it runs, and reports data races that it met.
func (s *server) stop(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	s.process.Signal(signal)
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	select {
	case <-s.ended:
	case <-patience.C:
		s.process.Kill()
		<-s.ended
		return fmt.Errorf("jserve did not stop: %s", s.log.String())
	}
	s.process = nil
	if strings.Contains(s.log.String(), "DATA RACE") {
		return fmt.Errorf("jserve: %s", s.log.String())
	}
	return nil
}

// awaitFile returns the content of a file that another process is about to
// write.
func awaitFile(name string, ended <-chan struct{}) (string, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if b, err := os.ReadFile(name); err == nil {
			return string(b), nil
		}
		select {
		case <-ended:
			return "", errors.New("ended before it was ready")
		case <-tick.C:
		}
	}
	return "", errors.New("not ready in time")
}

// monitor FILE starts a server that notes in a file what it is told, a line with method and
// path and then the body, and sets MONITOR to its address. It breaks the connection if the
// path begins with /broken.
func monitor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: monitor FILE")
	}
	file := ts.MkAbs(args[0])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/broken") {
			panic(http.ErrAbortHandler)
		}
		body, _ := io.ReadAll(r.Body)
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(f, "%s %s\n%s", r.Method, r.URL, body)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv("MONITOR", server.URL)
}

// readme TEXT runs the command block of the README that has this text in it.
func readme(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readme TEXT")
	}
	page, err := os.ReadFile("../README.md")
	ts.Check(err)
	for block := range codeBlocks(string(page)) {
		if block.info == "sh" && strings.Contains(block.text, args[0]) {
			// At the time of the example, nothing was stored here.
			text := strings.ReplaceAll(block.text, "2026-01-31T12:00", time.Now().UTC().Add(time.Second).Format(time.RFC3339))
			ts.Check(ts.Exec("bash", "-ec", text))
			return
		}
	}
	ts.Fatalf("no command block of README.md has %q in it", args[0])
}

// stats FILE writes what the server has counted so far.
func stats(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stats FILE")
	}
	resp, err := http.Get(ts.Getenv("JOTTA_ENDPOINT") + "/_jserve/stats")
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// tree DIR copies a real tree: the one that JOTTA_TREE names, else the source of
// the Go toolchain.
func copyTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tree DIR")
	}
	tree := os.Getenv("JOTTA_TREE")
	if tree == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		ts.Check(err)
		tree = filepath.Join(strings.TrimSpace(string(root)), "src")
	}
	ts.Check(ts.Exec("cp", "-a", tree, ts.MkAbs(args[0])))
}

// names DIR fills DIR with files of every awkward name: each holds its own name
// in hex, so that no two are alike.
func makeNames(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: names DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	for _, name := range awkwardNames() {
		ts.Check(os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "%x\n", name), 0o644))
	}
}

func awkwardNames() []string {
	var names []string
	for b := 1; b < 256; b++ {
		if b != '/' {
			names = append(names, fmt.Sprintf("byte %02x ", b)+string([]byte{byte(b)}))
		}
	}
	return append(names,
		"new\nline", " leading space", "trailing space ", ".leading dot", "trailing dot.", "...",
		`% + # ; & ? : * " < > | \`, "100%", "a+b", "a%20b", "-rf", "~", "~user", "$HOME", "'quoted'", "`back`",
		strings.Repeat("n", 255), strings.Repeat("é", 127),
		"nfc \u00e9", "nfd e\u0301", "invalid \xff\xfe utf-8", "\xc3", "cut \xe2\x82",
		"Case", "fullwidth ％ ： ＊", "quote ‛ mark", "‛‛", "symbols ␀ ␡", "．", "．．", "emoji 🎞", "tab\there", "\x1b[31mred",
	)
}
