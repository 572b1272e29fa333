package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mounted is the account as a folder, by us or by rclone. Before each run it is
// mounted anew.
type mounted struct {
	w     *world
	ours  bool
	dir   string
	cache string
	serve *process // who serves it; another one in each run
}

// mountedRival returns a rival that works in a mount. The script has the folder of the
// archive in $A. Without keep, the cache is empty at the start.
func mountedRival(w *world, ours bool, units float64, keep bool, script string, args ...string) rival {
	m := &mounted{w: w, ours: ours, serve: &process{cmd: &exec.Cmd{ProcessState: &os.ProcessState{}}}}
	name, archive := "jfuse", "Jotta/Archive"
	if !ours {
		name, archive = "rclone mount", "."
	}
	m.dir, m.cache = w.path("mnt-"+name[:5]), w.path("cache-"+name[:5])
	return rival{
		name: name, units: units, beside: []*process{m.serve},
		pipe:   pipe{append([]string{"sh", "-euc", `A=$0; ` + script, filepath.Join(m.dir, archive)}, args...)},
		before: func(ctx context.Context) error { return m.remount(ctx, keep) },
		after:  func(ctx context.Context) error { return m.unmount(ctx) },
	}
}

func (m *mounted) remount(ctx context.Context, keep bool) error {
	if err := m.unmount(ctx); err != nil {
		return err
	}
	if !keep {
		if err := os.RemoveAll(m.cache); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	argv := m.w.ours("jfuse", m.dir, "--cache-dir", m.cache, "--spool-dir", m.cache+"-spool", "--write-back", "1s")
	if !m.ours {
		argv = []string{"rclone", "mount", "-q", "--log-file", os.DevNull, "--vfs-cache-mode", "full", "--vfs-write-back", "1s", "--cache-dir", m.cache, "jotta:", m.dir}
	}
	p, err := m.w.start(ctx, "", argv)
	if err != nil {
		return err
	}
	*m.serve = *p
	for range 3000 {
		if m.isMounted() {
			return nil
		}
		if m.serve.cmd.ProcessState != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not mount", m.serve.name)
}

func (m *mounted) isMounted() bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	return err == nil && strings.Contains(string(mounts), " "+m.dir+" fuse.")
}

func (m *mounted) unmount(ctx context.Context) error {
	if m.serve.cmd.Process == nil || m.serve.cmd.ProcessState != nil {
		return nil
	}
	m.serve.cmd.Process.Signal(syscall.SIGTERM)
	err := m.serve.cmd.Wait()
	if !m.ours {
		err = nil // rclone ends with the number of the signal
	}
	if m.isMounted() {
		err = errors.Join(err, exec.CommandContext(ctx, "fusermount3", "-uz", m.dir).Run())
	}
	return err
}

// canMount reports whether there is a way to mount here.
func canMount() bool {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// mountJob is a job in a mount of an empty account.
func mountJob(name, title, unit, goal string, latency time.Duration, rivals func(context.Context, *world) ([]rival, error)) job {
	if latency > 0 {
		name += "-" + latency.String()
		title += fmt.Sprintf(", %v to the server and back", latency)
	}
	return job{name: name, title: title, unit: unit, goal: goal, prepare: func(ctx context.Context, w *world) ([]rival, error) {
		if !canMount() {
			return nil, errNotHere
		}
		if err := w.serve(ctx, "--latency", latency.String()); err != nil {
			return nil, err
		}
		all, err := rivals(ctx, w)
		if _, missing := exec.LookPath("rclone"); missing != nil {
			all = all[:1]
		}
		return all, err
	}}
}

// both returns the same work for us and for rclone.
func both(w *world, units float64, keep bool, script string, args ...string) []rival {
	return []rival{mountedRival(w, true, units, keep, script, args...), mountedRival(w, false, units, keep, script, args...)}
}

// storeTree uploads a tree into the archive.
func storeTree(ctx context.Context, w *world, tree tree) error {
	plan := w.path("plan")
	err := w.do(ctx, "", plan, w.ours("jwalk", tree.dir), w.ours("jhash"), w.ours("jdiff", "--dest", archive))
	if err == nil {
		err = w.do(ctx, plan, "", w.ours("jput", "-j", "24"))
	}
	return err
}

func mountRead(warm bool, latency time.Duration) job {
	name, title, goal := "mount-read", "Mounted: read 1 GiB for the first time", "at least as fast"
	if warm {
		name, title, goal = "mount-read-warm", "Mounted: read 1 GiB again after a remount", "1.5 times as fast"
	}
	return mountJob(name, title, "MB", goal, latency, func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.tree(ctx, treeSpec{files: 1, size: int64(w.scale(1<<30, 1<<20))})
		if err == nil {
			err = storeTree(ctx, w, tree)
		}
		rivals := both(w, float64(tree.bytes)/1e6, warm, `find "$A" -type f -exec dd if={} of=/dev/null bs=1M status=none \;`)
		if err == nil && warm {
			for _, rv := range rivals {
				if _, err = rv.work(ctx, w); err != nil {
					break
				}
			}
		}
		return rivals, err
	})
}

func mountRandom(latency time.Duration) job {
	return mountJob("mount-random", "Mounted: 300 reads of 4 KiB here and there in 1 GiB", "reads", "1.5 times as fast", latency, func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.tree(ctx, treeSpec{files: 1, size: int64(w.scale(1<<30, 4<<20))})
		if err == nil {
			err = storeTree(ctx, w, tree)
		}
		const script = `f=$(find "$A" -type f); awk -v n="$1" -v size="$(stat -c %s "$f")" 'BEGIN { srand(7); for (i = 0; i < n; i++) print int(rand() * (size / 4096)) }' |
			while read -r at; do dd if="$f" of=/dev/null bs=4k count=1 skip="$at" status=none; done`
		return both(w, float64(w.scale(300, 10)), false, script, fmt.Sprint(w.scale(300, 10))), err
	})
}

func mountFind(latency time.Duration) job {
	return mountJob("mount-find", "Mounted: find in 50,000 files", "entries", "3 times as fast", latency, func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.filled(ctx, w.scale(50_000, 100), "--latency", latency.String())
		return both(w, float64(tree.entries), false, `find "$A" -printf '%s %T@ %p\n'`), err
	})
}

func mountWrite(latency time.Duration) job {
	return mountJob("mount-write", "Mounted: write 2,000 small files, until the server has them", "files", "1.5 times as fast", latency, func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.tree(ctx, treeSpec{files: w.scale(2_000, 50), size: 4096})
		const script = `cp -r "$1" "$A/$4"
			until test "$(curl -fsS -u bench:bench "$2/jfs/bench/Jotta/Archive/$4?mode=liststream" | grep -o '<filename>' | wc -l)" -ge "$3"; do sleep 0.05; done`
		var rivals []rival
		for i, rv := range both(w, float64(tree.files), false, script, tree.dir, w.url, fmt.Sprint(tree.files)) {
			before, to := rv.before, fmt.Sprint("to-", i)
			rv.pipe[0] = append(rv.pipe[0], to)
			rv.before = func(ctx context.Context) error {
				// What was removed may still be known to the server, so that after the first run
				// nobody has to send it, and the second rival never has to.
				err := before(ctx)
				if err == nil {
					err = os.RemoveAll(w.path("unused"))
				}
				remove := exec.CommandContext(ctx, "curl", "-sS", "-o", w.path("unused"), "-u", "bench:bench", "-X", "POST", w.url+"/jfs/bench/Jotta/Archive/"+to+"?rmDir=true")
				return errors.Join(err, remove.Run())
			}
			rivals = append(rivals, rv)
		}
		return rivals, err
	})
}

func mountRemove(latency time.Duration) job {
	return mountJob("mount-rm", "Mounted: rm -r of 1,000 files", "files", "", latency, func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.tree(ctx, treeSpec{files: w.scale(1_000, 50), size: 100, alike: true})
		var rivals []rival
		for _, rv := range both(w, float64(tree.files), false, `rm -r "$A"/*`) {
			before := rv.before
			rv.before = func(ctx context.Context) error { return errors.Join(storeTree(ctx, w, tree), before(ctx)) }
			rivals = append(rivals, rv)
		}
		return rivals, err
	})
}

var errNotHere = errors.New("nothing can be mounted here")
