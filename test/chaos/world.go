package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"jottatools/test/plain"
)

const (
	user, password = "chaos", "secret"
	dest           = "/Jotta/Archive/chaos"

	// readyWithin is how long jserve may take to start, to stop, or to answer when all is
	// well: long, since this may run beside work that goes before it.
	readyWithin = 3 * time.Minute
	// calmRuns is how many runs jottasync gets when all is well again: what was
	// being changed during one is left to the next.
	calmRuns = 3
)

// world is a tree, a service, and what stands between them.
type world struct {
	options
	dir    string
	tree   *tree
	wire   *wire
	plain  *plain.Client
	server *exec.Cmd // nil while there is none
	env    []string
	log    *os.File               // what all programs say
	last   map[string]plain.Entry // what the service held after the last run

	runs, blows, hit, faults, compared int
	codes                              map[int]int
	peaks                              map[string]int64 // KiB, by program
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
	w.tree = &tree{dir: filepath.Join(dir, "src")}
	w.tree.forget()
	var err error
	if w.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	if err := errors.Join(w.tree.plant(), os.Mkdir(w.temp(), 0o700)); err != nil {
		return nil, err
	}
	if w.wire, err = newWire(); err != nil {
		return nil, err
	}
	endpoint := "http://" + w.wire.listener.Addr().String()
	// Each request on a connection of its own: none outlives a server.
	direct := &http.Client{Timeout: readyWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	w.plain = &plain.Client{Endpoint: endpoint, User: user, Password: password, HTTP: direct}
	w.env = append(os.Environ(), "JOTTA_ENDPOINT="+endpoint, "JOTTACLOUD_USERNAME="+user, "JOTTACLOUD_PASSWORD="+password,
		"JSERVE_PASSWORD="+password, "JOTTA_BIN="+o.bin, "HOME="+dir, "XDG_STATE_HOME="+dir+"/state", "XDG_CACHE_HOME="+dir+"/cache",
		"XDG_DATA_HOME="+dir+"/data", "XDG_CONFIG_HOME="+dir+"/config", "TMPDIR="+w.temp())
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

// round is one round: edits, runs in trouble, and then the proof.
func (w *world) round(ctx context.Context, number int) error {
	dice := rand.New(rand.NewPCG(w.seed, uint64(number)))
	w.say("round %d", number)
	edits := 1 + dice.IntN(25)
	if number == 1 {
		edits += 50
	}
	for range edits {
		if err := w.edit(dice); err != nil {
			return err
		}
	}
	for range 1 + dice.IntN(3) {
		if err := w.troubledRun(ctx, planSync(dice), dice); err != nil {
			return err
		}
	}
	if err := w.converge(ctx, calmSync); err != nil {
		return err
	}
	if dice.IntN(3) > 0 {
		return nil
	}
	if err := errors.Join(os.RemoveAll(w.back()), os.Mkdir(w.back(), 0o755)); err != nil {
		return err
	}
	for range 1 + dice.IntN(2) {
		if err := w.troubledRun(ctx, planFetch(dice), nil); err != nil {
			return err
		}
	}
	if err := w.converge(ctx, calmFetch); err != nil {
		return err
	}
	return w.restored(true)
}

// converge makes runs without trouble until one says that all is done, which must
// not take many.
func (w *world) converge(ctx context.Context, p plan) error {
	code := -1
	for n := 0; code != 0; n++ {
		if n == calmRuns {
			return fmt.Errorf("%s still exits with %d after %d runs without trouble", p.script, code, n)
		}
		var err error
		if code, err = w.checkedRun(ctx, &p, nil); err != nil {
			return fmt.Errorf("without trouble: %w", err)
		}
	}
	return nil
}

func (w *world) edit(dice *rand.Rand) error {
	what, err := w.tree.edit(dice)
	if err == nil {
		w.say("  %s", what)
	}
	return err
}

// troubledRun makes one run, and lets everything go wrong that is decided.
func (w *world) troubledRun(ctx context.Context, p *plan, dice *rand.Rand) error {
	w.say("%s", strings.TrimRight(p.String(), "\n"))
	w.wire.breaking(nil)
	if err := w.trouble(p.faults, p.seed); err != nil {
		return err
	}
	if p.breaks {
		w.wire.breaking(rand.New(rand.NewPCG(p.seed, 1)))
	}
	_, err := w.checkedRun(ctx, p, dice)
	return err
}

// checkedRun makes a run and checks what must be true after every one.
func (w *world) checkedRun(ctx context.Context, p *plan, dice *rand.Rand) (code int, err error) {
	calm := func() error {
		w.wire.breaking(nil)
		w.countFaults()
		return w.trouble("", 0)
	}
	if p.faults == "" && !p.breaks {
		if err := calm(); err != nil {
			return 0, err
		}
	}
	w.tree.forget()
	before, _ := w.report()
	code, err = w.run(ctx, p, dice)
	if err != nil {
		return code, err
	}
	w.say("  exit %d", code)
	w.codes[code]++
	switch code {
	case 2:
		return code, fmt.Errorf("%s takes its own commands for wrong usage", p.script)
	case 8:
		return code, fmt.Errorf("something holds the lock, and no %s runs", p.script)
	}
	if err := w.nothingStays(code); err != nil {
		return code, err
	}
	if err := calm(); err != nil {
		return code, err
	}
	after, err := w.stored()
	if err != nil {
		return code, err
	}
	if err := w.noRaces(); err != nil {
		return code, err
	}
	if err := w.nothingLost(w.last, after); err != nil {
		return code, err
	}
	w.last = after
	if p.script != calmSync.script {
		return code, w.restored(false)
	}
	claims, err := w.claims(before)
	if err != nil {
		return code, err
	}
	if (code == 0 || claims) && len(p.edits) == 0 {
		if err := w.identical(after, false); err != nil {
			return code, fmt.Errorf("jottasync exits with %d, its report claims that all is done: %v, but %w", code, claims, err)
		}
	}
	return code, nil
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

// final compares all that the rounds did not compare each time, and has jserve
// check its store.
func (w *world) final(ctx context.Context) error {
	if err := w.identical(w.last, true); err != nil {
		return err
	}
	for _, verify := range []string{"--verify", "--verify=1/1"} {
		p := plan{script: "jottasync", args: []string{"-q", verify}}
		if code, err := w.run(ctx, &p, nil); code != 0 || err != nil {
			return fmt.Errorf("jottasync %s exits with %d, %w", verify, code, err)
		}
	}
	if err := w.stopServer(syscall.SIGTERM); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "jserve"), "fsck", filepath.Join(w.dir, "store"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("jserve fsck: %w\n%s", err, out)
	}
	return nil
}
