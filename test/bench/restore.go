package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// stored makes a tree on a server of its own, and nothing else that is new.
func (w *world) stored(ctx context.Context, spec treeSpec) (tree, error) {
	t, err := w.tree(ctx, spec)
	if err == nil {
		err = w.serve(ctx)
	}
	if err == nil {
		err = w.do(ctx, "", os.DevNull, w.ours("jwalk", t.dir), w.ours("jhash"), w.ours("jdiff", "--dest", archive), w.ours("jput", "-j", "16"))
	}
	return t, err
}

// filled makes a tree of so many files with the same content, and a server that has
// all of them.
func (w *world) filled(ctx context.Context, files int, flags ...string) (tree, error) {
	t, err := w.tree(ctx, treeSpec{files: files, size: 100, alike: true})
	if err == nil && w.server != nil {
		err = errors.Join(w.server.stop(), w.removeStore())
	}
	if err == nil {
		err = w.storeInMemory()
	}
	if err == nil {
		err = w.do(ctx, "", "", []string{filepath.Join(w.bin, "tools", "fill"), w.store, account, t.dir, archive})
	}
	if err == nil {
		err = w.serveStore(ctx, flags...)
	}
	return t, err
}

// restoreSmall brings a tree of small files back into an empty folder.
func restoreSmall() job {
	return job{
		name: "restore-small", title: "Restore of 20,000 small files, 6 parallel", unit: "files", goal: "1.5 times as fast as rclone",
		note: onDisk + " Other work ran on the machine during this job, so our times are long. rclone waits: its backend for Jottacloud sends at most 100 requests a second, however fast the server is.",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.stored(ctx, treeSpec{files: w.scale(20_000, 50)})
			rivals := w.restorers(float64(tree.files), tree.dir)
			for i := range rivals {
				rivals[i].once = i > 0 // it takes minutes
			}
			return rivals, err
		},
	}
}

// restoreLarge brings one large file back.
func restoreLarge() job {
	return job{
		name: "restore-large", title: "Restore of one file of 4 GiB", unit: "MB", runs: 3, warm: true, goal: "at least as fast as rclone",
		note: onDisk,
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.stored(ctx, treeSpec{files: 1, size: int64(w.scale(4<<30, 4<<20))})
			return w.restorers(float64(tree.bytes)/1e6, tree.dir), err
		},
	}
}

// onDisk is a note about restores.
const onDisk = "A run ends when all files are on disk. `jget` ensures that itself; rclone is followed by `sync -f`."

// restorers are the rivals that bring jotta:tree back. What they made is compared
// with dir, and gone before the next one begins.
func (w *world) restorers(units float64, dir string) []rival {
	back := w.path("back")
	before := func(context.Context) error { return os.RemoveAll(back) }
	after := func(ctx context.Context) error {
		return w.do(ctx, "", os.DevNull, []string{"diff", "-r", dir, back})
	}
	return installed(
		rival{name: "jls | jget", units: units, before: before, after: after, out: w.path("got"), pipe: pipe{w.ours("jls", archive), w.ours("jget", "-C", back, "-j", "6")}},
		rival{name: "rclone copy, sync", units: units, before: before, after: after, pipe: pipe{
			{"sh", "-euc", `rclone copy --transfers 6 --checkers 6 jotta:tree "$0"; sync -f "$0"`, back}}},
	)
}

// listMany lists a large tree.
func listMany() job {
	return job{
		name: "list", title: "List 200,000 stored files", unit: "files", goal: "5 times as fast as rclone, with at most 64 MB", note: filledInMemory,
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.filled(ctx, w.scale(200_000, 300))
			units := float64(tree.files)
			return installed(
				rival{name: "jls", units: units, out: w.path("listing"), pipe: pipe{w.ours("jls", archive)}},
				rival{name: "rclone lsf -R --fast-list", units: units, out: filepath.Join(w.dir, "listing"), pipe: pipe{{"rclone", "lsf", "-R", "--fast-list", "jotta:tree"}}},
			), err
		},
	}
}
