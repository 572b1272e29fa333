//go:build linux

package test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilledAtOnce kills jfuse at any moment of its start, most of all when it has just
// mounted: each time it ends, and the next one mounts at the same place. A process that
// waits for an answer that it has to give itself would never end.
func TestKilledAtOnce(t *testing.T) {
	seed, rounds := number("JOTTA_SEED", 1), number("JOTTA_KILLS", 30)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	w := bareWorld(t)
	w.serve()
	for round := range rounds {
		early := round%5 == 0 // at any moment, and with what the last one left
		if !early {
			w.lazily()
		}
		wait := time.Duration(rng.IntN(1000)) * time.Microsecond
		p := startProcess(t, w.env, filepath.Join(bin, "jfuse"), w.mnt)
		at := time.Now()
		for early && time.Since(at) < 200*wait || !early && !w.mounted() && time.Since(at) < 20*time.Second {
		}
		for at := time.Now(); time.Since(at) < wait; {
		}
		p.cmd.Process.Signal(syscall.SIGKILL)
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			unix.Unmount(w.mnt, unix.MNT_FORCE) // cuts it off, if we may
			t.Fatalf("round %d (JOTTA_SEED=%d): it does not end: %s", round, seed, p.output())
		}
	}
	w.lazily()
	w.mount()
	if err := os.WriteFile(filepath.Join(w.archive(), "file"), []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}

// TestKilledWhileTelling kills jfuse while it tells the kernel all the time what has
// changed, which waits for programs that wait for jfuse: the process may not be able to
// end, but the next start frees it, and those who wait.
func TestKilledWhileTelling(t *testing.T) {
	rounds := number("JOTTA_KILLS", 5)
	w := bareWorld(t, "--dir-ttl", "50ms", "--write-back", "10ms")
	w.serve()
	w.mount()
	stuck := 0
	for round := range rounds {
		var busy []*process
		for _, script := range []string{
			"dd if=/dev/zero of=File bs=300k count=1 conv=notrunc",
			"dd if=/dev/zero of=FILE bs=300k count=1 conv=notrunc",
			"cat FILE",
			"cat File fILE",
			"cat xa XA Xa; echo >xA; rm Xa",
			"stat xa XA Xa; mv File b; mv B File",
		} {
			// They end when the mount has died.
			p := startProcess(t, nil, "sh", "-c", `cd "$0" || exit; echo in; until { `+script+`; } 2>&1 >/dev/null | grep -qE "endpoint|connection abort"; do :; done`, w.archive())
			busy = append(busy, p)
		}
		for _, p := range busy {
			p.await(t, "in", 1)
		}
		time.Sleep(time.Duration(200+50*round) * time.Millisecond) // what is cut off does not matter
		old := w.jfuse
		old.cmd.Process.Signal(syscall.SIGKILL)
		select {
		case <-old.ended:
		case <-time.After(time.Second):
			stuck++
		}
		if out, err := exec.Command(filepath.Join(bin, "jfuse"), "status", w.mnt).CombinedOutput(); err == nil || !strings.Contains(string(out), "has died") {
			t.Errorf("status: %s, %v", out, err)
		}
		w.jfuse = startProcess(t, w.env, filepath.Join(bin, "jfuse"), w.mnt, "-v")
		for _, p := range append(busy, old) {
			select {
			case <-p.ended:
			case <-time.After(30 * time.Second):
				unix.Unmount(w.mnt, unix.MNT_FORCE)
				t.Fatalf("round %d: process %v does not end: %s", round, p.cmd.Args, w.jfuse.output())
			}
		}
		w.jfuse.await(t, "mounted at", 1)
	}
	t.Logf("%d of %d could not end by themselves", stuck, rounds)
}
