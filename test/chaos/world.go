package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"jottatools/test/plain"
)

const (
	user, password = "chaos", "secret"

	// readyWithin is how long jserve may take to start, to stop, or to answer when all is
	// well: long, since this may run beside work that goes before it.
	readyWithin = 3 * time.Minute
	// calmRuns is how many runs jottasync gets when all is well again: what was
	// being changed during one is left to the next.
	calmRuns = 3
)

// world is some machines, a service, and what stands between them.
type world struct {
	options
	dir    string
	wire   *wire
	plain  *plain.Client
	server *exec.Cmd // nil while there is none
	env    []string
	log    *os.File               // what all programs say
	last   map[string]plain.Entry // what the service held after the last run
	marked map[string]bool        // which jobs had left a mark there

	first, near, visitor *machine
	disk                 *disk

	// What has become of the first machine: another tree is in the place of its own, most
	// files are changed; and in this round, its cache was lost.
	wrongly, scrambled, blind bool

	runs, blows, hit, faults, compared, suspects int
	codes                                        map[int]int
	peaks                                        map[string]int64 // KiB, by program
}

func newWorld(ctx context.Context, o options, dir string) (*world, error) {
	for _, path := range []*string{&o.bin, &o.scripts} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		*path = abs
	}
	w := &world{options: o, dir: dir, codes: map[int]int{}, peaks: map[string]int64{}}
	var err error
	if w.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	if err := errors.Join(w.settle(), os.Mkdir(w.temp(), 0o700)); err != nil {
		return nil, err
	}
	if w.wire, err = newWire(); err != nil {
		return nil, err
	}
	endpoint := "http://" + w.wire.listener.Addr().String()
	// Each request on a connection of its own: none outlives a server.
	direct := &http.Client{Timeout: readyWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	w.plain = &plain.Client{Endpoint: endpoint, User: user, Password: password, HTTP: direct}
	w.env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "JOTTA") || strings.HasPrefix(v, "LC_") || strings.HasPrefix(v, "LANG")
	})
	w.env = append(w.env, "JOTTACLOUD_USERNAME="+user, "JOTTACLOUD_PASSWORD="+password, "JSERVE_PASSWORD="+password, "JOTTA_BIN="+o.bin,
		"HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_CONFIG_HOME="+dir+"/config", "TMPDIR="+w.temp())
	config := filepath.Join(dir, "config/jottatools/config.toml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(config), 0o700), os.WriteFile(config, fmt.Appendf(nil, "endpoint = %q\n", endpoint), 0o600)); err != nil {
		return nil, err
	}
	if w.disk, err = newDisk(dir, w.first.tree); err != nil {
		return nil, err
	}
	return w, w.serve(ctx)
}

// temp is the folder for the temporary files of the programs.
func (w *world) temp() string { return filepath.Join(w.dir, "tmp") }

// back is the folder that jottarestore fetches the tree to.
func (w *world) back() string { return filepath.Join(w.dir, "back") }

func (w *world) close() {
	if err := w.stopServer(syscall.SIGTERM); err != nil {
		fmt.Fprintln(w.log, err)
	}
	w.wire.close()
	w.disk.close()
	w.log.Close()
}

// serve starts jserve, and returns when it is ready.
func (w *world) serve(ctx context.Context) error {
	ready := filepath.Join(w.dir, "ready")
	os.Remove(ready)
	w.server = w.command("jserve", "--data", filepath.Join(w.dir, "store"), "--listen", "127.0.0.1:0", "--ready-file", ready, "--user", user, "--allow-faults")
	if err := w.server.Start(); err != nil {
		w.server = nil
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); {
		if b, err := os.ReadFile(ready); err == nil {
			w.wire.lead(strings.TrimSpace(string(b)))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return errors.New("jserve is not ready in time")
}

// command is one of our programs, in a process group of its own.
func (w *world) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(w.bin, name), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = w.env, w.log, w.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (w *world) stopServer(signal syscall.Signal) error {
	if w.server == nil {
		return nil
	}
	w.countFaults()
	server := w.server
	w.server = nil
	w.wire.lead("")
	w.measure("jserve", server.Process.Pid)
	server.Process.Signal(signal)
	impatient := time.AfterFunc(readyWithin, func() { server.Process.Kill() })
	defer impatient.Stop()
	if err := server.Wait(); err != nil && signal != syscall.SIGKILL {
		return fmt.Errorf("jserve: %w", err)
	}
	return nil
}

// trouble tells jserve what to do wrong.
func (w *world) trouble(faults string, seed uint64) error {
	resp, err := w.askFaults(http.MethodPost, fmt.Sprintf("?seed=%d", seed), strings.NewReader(faults))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("faults %s: %s: %s", faults, resp.Status, b)
	}
	return nil
}

func (w *world) askFaults(method, query string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequest(method, w.plain.Endpoint+"/_jserve/faults"+query, body)
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(user, password)
	return w.plain.HTTP.Do(req)
}

// countFaults adds up what jserve has done wrong by its rules. A broken connection
// is no reason to ask again.
func (w *world) countFaults() {
	resp, err := w.askFaults(http.MethodGet, "", nil)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var shown struct{ Rules []struct{ Injected int } }
	if json.NewDecoder(resp.Body).Decode(&shown) != nil {
		return
	}
	for _, rule := range shown.Rules {
		w.faults += rule.Injected
	}
}

// say prints a decision.
func (w *world) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(w.log, text)
	if w.verbose {
		fmt.Println(text)
	}
}

// noRaces looks for what programs that were built with the race detector say.
func (w *world) noRaces() error {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		return err
	}
	for _, word := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if at := bytes.Index(b, []byte(word)); at >= 0 {
			return fmt.Errorf("a program says:\n%s", b[at:min(at+2000, len(b))])
		}
	}
	return nil
}

// heard returns the last that was said, by the programs, too. A test removes the rest.
func (w *world) heard() string {
	b, err := os.ReadFile(w.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return "  | " + strings.Join(lines[max(0, len(lines)-40):], "\n  | ")
}
