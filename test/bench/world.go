package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// world is the surroundings of one job: a folder, an environment and, if the job
// wants one, a server.
type world struct {
	o      options
	bin    string   // absolute
	dir    string   // for what the job makes; removed at the end
	trees  string   // for trees
	store  string   // of the server
	env    []string // of the rivals
	server *process // nil if there is none
	url    string   // of the server
	all    []*process
}

func newWorld(o options) (*world, error) {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return nil, err
	}
	if o.dir != "" {
		if err := os.MkdirAll(o.dir, 0o700); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(o.dir, "jottatools-bench-")
	if err != nil {
		return nil, err
	}
	w := &world{o: o, bin: bin, dir: dir, trees: dir, store: filepath.Join(dir, "store"), env: slices.Clip(os.Environ())}
	if o.dir != "" {
		w.trees = o.dir
	}
	home := filepath.Join(dir, "home")
	w.setenv("HOME", home, "XDG_CONFIG_HOME", home, "XDG_STATE_HOME", home, "XDG_CACHE_HOME", home, "XDG_DATA_HOME", home)
	return w, os.MkdirAll(home, 0o700)
}

// close ends the processes of the world, the youngest first, and removes its
// folder.
func (w *world) close() error {
	var err error
	for _, p := range slices.Backward(w.all) {
		err = errors.Join(err, p.stop())
	}
	return errors.Join(err, os.RemoveAll(w.dir), w.removeStore())
}

// setenv sets variables, given as names and values, for all rivals.
func (w *world) setenv(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		w.env = append(w.env, pairs[i]+"="+pairs[i+1])
	}
}

// scale returns full, or small with --quick.
func (w *world) scale(full, small int) int {
	if w.o.quick {
		return small
	}
	return full
}

// path returns the path of something that the job makes.
func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// ours returns the command line of one of our programs.
func (w *world) ours(name string, args ...string) []string {
	return append([]string{filepath.Join(w.bin, name)}, args...)
}

// installed returns those rivals whose programs are on this machine.
func installed(rivals ...rival) []rival {
	return slices.DeleteFunc(rivals, func(rv rival) bool {
		return slices.ContainsFunc(rv.pipe, func(argv []string) bool {
			_, err := exec.LookPath(argv[0])
			return err != nil
		})
	})
}

// process is a program that runs beside the rivals.
type process struct {
	name string
	cmd  *exec.Cmd
}

// start starts a program that runs until the job is over, or until it is stopped.
// It is ready once the file ready, if one is given, exists.
func (w *world) start(ctx context.Context, ready string, argv []string) (*process, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = w.env
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: filepath.Base(argv[0]), cmd: cmd}
	w.all = append(w.all, p)
	return p, awaitFile(ctx, ready)
}

// awaitFile returns once there is a file called name.
func awaitFile(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%s does not appear", name)
}

// stop ends the process, if it runs.
func (p *process) stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	return p.cmd.Wait()
}

// peak returns the peak resident memory so far, in MiB.
func (p *process) peak() float64 {
	if p.cmd.ProcessState != nil {
		return peakOf(p.cmd.ProcessState)
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib / 1024
		}
	}
	return 0
}

// storeInMemory has servers keep their store in memory, on Linux: what is measured
// then is not how soon this machine's disk has synced what a server acknowledges.
func (w *world) storeInMemory() error {
	const memory = "/dev/shm"
	if fi, err := os.Stat(memory); err != nil || !fi.IsDir() {
		return nil
	}
	dir, err := os.MkdirTemp(memory, "jottatools-bench-")
	w.store = dir
	return err
}

// removeStore removes what the server has, as it must not run any more.
func (w *world) removeStore() error { return os.RemoveAll(w.store) }

// serve starts a jserve with an empty store, or another one in the place of the
// first, and leads all rivals to it: through its proxy, so that ours and others
// take it for the real service, and all pay for the encryption. It has one
// account, and for rclone the remote "jotta:", which is its Archive.
func (w *world) serve(ctx context.Context, flags ...string) error {
	if w.server != nil {
		if err := w.server.stop(); err != nil {
			return err
		}
	}
	if err := w.removeStore(); err != nil {
		return err
	}
	return w.serveStore(ctx, flags...)
}

// account is whose files the server keeps.
const account = "bench"

// serveStore is serve with the store as it is.
func (w *world) serveStore(ctx context.Context, flags ...string) error {
	ready, proxyReady, ca := w.path("ready"), w.path("proxy-ready"), w.path("ca.pem")
	for _, old := range []string{ready, proxyReady} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	w.setenv("JSERVE_PASSWORD", "bench")
	var err error
	w.server, err = w.start(ctx, proxyReady, append(w.ours("jserve", "--data", w.store, "--listen", "127.0.0.1:0", "--user", account,
		"--ready-file", ready, "--proxy", "127.0.0.1:0", "--proxy-ready-file", proxyReady), flags...))
	if err == nil {
		err = awaitFile(ctx, ready)
	}
	if err != nil {
		return err
	}
	address, err := os.ReadFile(ready)
	if err != nil {
		return err
	}
	proxy, err := os.ReadFile(proxyReady)
	if err != nil {
		return err
	}
	w.url = "http://" + strings.TrimSpace(string(address))
	pem, err := exec.CommandContext(ctx, filepath.Join(w.bin, "jserve"), "ca", "--data", w.store).Output()
	if err != nil {
		return err
	}
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		return err
	}
	through := "http://" + strings.TrimSpace(string(proxy))
	w.setenv("HTTPS_PROXY", through, "https_proxy", through, "NO_PROXY", "127.0.0.1", "no_proxy", "127.0.0.1",
		"SSL_CERT_FILE", ca, "CURL_CA_BUNDLE", ca, "RCLONE_CA_CERT", ca,
		"RCLONE_CONFIG", w.path("rclone.conf"), "RCLONE_RETRIES", "1",
		"JOTTACLOUD_USERNAME", "bench", "JOTTACLOUD_PASSWORD", "bench")
	return w.rcloneLogin(ctx)
}

// rcloneLogin gives rclone a login at the server.
func (w *world) rcloneLogin(ctx context.Context) error {
	if _, err := exec.LookPath("rclone"); err != nil {
		return nil
	}
	const login = `rm -f "$RCLONE_CONFIG" && token=$(curl -fsS -u bench:bench -X POST https://id.jottacloud.com/_jserve/login-token) &&
		rclone config create jotta jottacloud config_type=standard config_login_token="$token"`
	cmd := exec.CommandContext(ctx, "sh", "-c", login)
	cmd.Env = w.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("log rclone in: %w\n%s", err, shorten(string(out)))
	}
	return nil
}

// counters is what the server has counted so far.
type counters struct{ requests, announced, up, down int64 }

func (w *world) counters(ctx context.Context) (c counters, err error) {
	if w.server == nil {
		return c, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/_jserve/stats", nil)
	if err != nil {
		return c, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer resp.Body.Close()
	var stats struct {
		Requests map[string]int64 `json:"requests"`
		BytesIn  int64            `json:"bytes_in"`
		BytesOut int64            `json:"bytes_out"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil {
		return c, err
	}
	for _, n := range stats.Requests {
		c.requests += n
	}
	c.announced = stats.Requests["allocate"]
	c.up, c.down = stats.BytesIn, stats.BytesOut
	return c, nil
}

// nothingSent tells whether every client has found on the server what it has itself.
func (w *world) nothingSent(ctx context.Context) error {
	c, err := w.counters(ctx)
	if err == nil && c.announced > 0 {
		err = fmt.Errorf("%d files were taken for changed", c.announced)
	}
	return err
}

// do runs a pipe as part of the preparations.
func (w *world) do(ctx context.Context, in, out string, programs ...[]string) error {
	_, err := pipe(programs).run(ctx, w.env, in, out)
	return err
}
