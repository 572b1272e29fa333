//go:build linux

package test

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// world is a server and a mount of its account, each a process of its own: a process
// that serves files to itself can lock itself up.
type world struct {
	t        *testing.T
	dir      string // of everything
	mnt      string // where the account is mounted
	endpoint string
	flags    []string
	env      []string
	mounts   string // the list of mounts to look at; "" is the test's own
	password string // that the server wants; "": secret

	jserve *process
	jfuse  *process
}

// process is one that a test has started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// await waits until the process has said something so many times.
func (p *process) await(t *testing.T, text string, times int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); strings.Count(p.output(), text) < times; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not said %q %d times: %s", p.cmd.Path, text, times, p.output())
		}
	}
}

func startProcess(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	return p
}

// end sends a signal and waits until the process has ended.
func (p *process) end(t *testing.T, signal os.Signal) {
	t.Helper()
	if p == nil {
		return
	}
	p.cmd.Process.Signal(signal)
	select {
	case <-p.ended:
	case <-time.After(2 * time.Minute):
		p.cmd.Process.Kill()
		<-p.ended
		t.Errorf("%s did not end: %s", p.cmd.Path, p.output())
	}
	if strings.Contains(p.output(), "DATA RACE") {
		t.Errorf("%s: %s", p.cmd.Path, p.output())
	}
}

// needFUSE skips a test where nothing can be mounted.
func needFUSE(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("FUSE is not here: %v", err)
	}
	f.Close()
	if _, err := exec.LookPath("fusermount3"); err != nil {
		t.Skip("no fusermount3; scripts/setup installs it")
	}
}

// newWorld starts a server and mounts its account. Everything has ended and is
// unmounted when the test is over.
func newWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	w := bareWorld(t, flags...)
	w.serve()
	w.mount()
	return w
}

// bareWorld is a world in which nothing has been started.
func bareWorld(t *testing.T, flags ...string) *world {
	t.Helper()
	needFUSE(t)
	w := &world{t: t, dir: t.TempDir(), flags: flags}
	w.mnt = filepath.Join(w.dir, "mnt")
	for _, dir := range []string{"mnt", "state", "cache", "tmp"} {
		if err := os.Mkdir(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		w.unmount()
		w.jserve.end(t, syscall.SIGTERM)
	})
	return w
}

// serve starts the server, on the port it had if it had one.
func (w *world) serve(flags ...string) {
	w.t.Helper()
	ready := filepath.Join(w.dir, "ready")
	os.Remove(ready)
	listen := "127.0.0.1:0"
	if w.endpoint != "" {
		listen = strings.TrimPrefix(w.endpoint, "http://")
	}
	w.jserve = startProcess(w.t, []string{"JSERVE_PASSWORD=" + cmp.Or(w.password, "secret")}, filepath.Join(bin, "jserve"), append([]string{
		"--data", filepath.Join(w.dir, "store"), "--listen", listen, "--ready-file", ready, "--user", "tester"}, flags...)...)
	address, err := awaitFile(ready, w.jserve.ended)
	if err != nil {
		w.t.Fatalf("jserve: %v: %s", err, w.jserve.output())
	}
	w.endpoint = "http://" + strings.TrimSpace(address)
	w.env = []string{"JOTTA_ENDPOINT=" + w.endpoint, "JOTTACLOUD_USERNAME=tester", "JOTTACLOUD_PASSWORD=secret",
		"XDG_STATE_HOME=" + filepath.Join(w.dir, "state"), "XDG_CACHE_HOME=" + filepath.Join(w.dir, "cache")}
}

// mount starts jfuse and waits until the account is there.
func (w *world) mount(flags ...string) {
	w.t.Helper()
	w.mountWith(nil, append(append([]string{"-v"}, w.flags...), flags...)...)
}

// mountWith is mount with a command in front, such as one that changes the user.
func (w *world) mountWith(front []string, flags ...string) {
	w.t.Helper()
	argv := append(append(front, filepath.Join(bin, "jfuse"), w.mnt), flags...)
	w.jfuse = startProcess(w.t, w.env, argv[0], argv[1:]...)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		if w.mounted() {
			return
		}
		select {
		case <-w.jfuse.ended:
			w.t.Fatalf("jfuse: %v: %s", w.jfuse.err, w.jfuse.output())
		default:
		}
	}
	w.t.Fatalf("jfuse did not mount: %s", w.jfuse.output())
}

// mounted reports whether something is mounted, without looking into it.
func (w *world) mounted() bool {
	b, err := os.ReadFile(cmp.Or(w.mounts, "/proc/self/mounts"))
	return err == nil && strings.Contains(string(b), " "+w.mnt+" fuse.jfuse ")
}

// unmount ends jfuse as a system that goes down does.
func (w *world) unmount() {
	w.t.Helper()
	w.jfuse.end(w.t, syscall.SIGTERM)
	w.jfuse = nil
	w.lazily()
}

// lazily takes away what jfuse has left mounted, if it has.
func (w *world) lazily() {
	if w.mounted() {
		exec.Command("fusermount3", "-u", "-z", w.mnt).Run()
	}
}

// kill ends jfuse without warning.
func (w *world) kill() {
	w.t.Helper()
	w.jfuse.end(w.t, syscall.SIGKILL)
	w.jfuse = nil
	w.lazily()
}

// archive is the folder in the mount that the tests work in.
func (w *world) archive() string { return filepath.Join(w.mnt, "Jotta", "Archive") }

// sh runs a script in the folder that the tests work in. In it, "fails COMMAND" is for
// what must not succeed: the shell takes no notice of a "! COMMAND" that does.
func (w *world) sh(script string) string {
	w.t.Helper()
	out, err := w.script(script)
	if err != nil {
		w.t.Fatalf("%s\n%s%v\njfuse: %s", script, out, err, w.jfuse.output())
	}
	return out
}

func (w *world) script(script string) (string, error) {
	const fails = `fails() { if "$@"; then echo "it succeeded: $*"; exit 1; fi; }`
	cmd := exec.Command("sh", "-euc", fails+"\ncd \"$ARCHIVE\"\n"+script)
	cmd.Env = append(append(os.Environ(), w.env...), "ARCHIVE="+w.archive(), "MNT="+w.mnt, "TMP="+filepath.Join(w.dir, "tmp"),
		"PATH="+bin+":"+os.Getenv("PATH"), "HOME="+w.dir, "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// skippedPosix are the cases of go-fuse's suite that cannot pass, and why.
var skippedPosix = map[string]string{
	"Link":                "the service has no second names",
	"FcntlFlockLocksFile": "it wants two descriptors of one process to lock each other out, which such locks do not do; they are the kernel's own",
	"LinkUnlinkRename":    "it makes a second name",
	"FileBasic":           "it wants the permissions back that it gave; the service keeps none, and files have those of the mount",
	"XAttr":               "the service keeps no attributes; those there are belong to jfuse",
	"SymlinkReadlink":     "there are no symbolic links by default; TestPosixLinks has it",
	"SetattrSymlink":      "likewise",
	"OpenSymlinkRace":     "likewise; there with JOTTA_LONG",
}

// TestPosix runs go-fuse's own suite on the mount.
func TestPosix(t *testing.T) {
	w := newWorld(t, "--write-back", "200ms")
	for name, why := range skippedPosix {
		if posixtest.All[name] == nil || why == "" {
			t.Errorf("%s is not in the suite, or there is no reason to leave it out", name)
		}
	}
	for name, check := range posixtest.All {
		t.Run(name, func(t *testing.T) {
			if why := skippedPosix[name]; why != "" {
				t.Skip(why)
			}
			dir := filepath.Join(w.archive(), name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			check(t, dir)
		})
	}
	if t.Failed() {
		t.Log(w.jfuse.output())
	}
}

// TestPosixLinks runs the cases about symbolic links where they are stored.
func TestPosixLinks(t *testing.T) {
	w := newWorld(t, "--symlinks=links")
	cases := []string{"SymlinkReadlink", "SetattrSymlink"}
	if os.Getenv("JOTTA_LONG") != "" { // a few thousand saves by rename, each of them synced to disk
		cases = append(cases, "OpenSymlinkRace")
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(w.archive(), name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			posixtest.All[name](t, dir)
		})
	}
}
