package main

import (
	"context"
	"runtime"
	"strconv"
)

func hashLarge() job {
	return job{
		name: "hash-large", title: "Hash 64 files of 32 MB, in memory", unit: "MB", warm: true,
		goal: "2.5 times as fast as rclone",
		note: "Hashing is no longer the bottleneck. About a third of the processor time of `jhash` is MD5; the rest is copying the data " +
			"out of the page cache, which rclone and `md5sum` have to do, too.",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.tree(ctx, treeSpec{files: w.scale(64, 3), size: int64(w.scale(32_000_000, 300_000))})
			return hashers(w, tree, float64(tree.bytes)/1e6), err
		},
	}
}

func hashSmall() job {
	return job{
		name: "hash-small", title: "Hash 100,000 files of 9 KB on average, in memory", unit: "files", warm: true,
		goal: "3.5 times as fast as rclone",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.tree(ctx, treeSpec{files: w.scale(100_000, 300)})
			return hashers(w, tree, float64(tree.files)), err
		},
	}
}

// hashers are ways to get the digest of each file in a tree.
func hashers(w *world, tree tree, units float64) []rival {
	jobs := strconv.Itoa(2 * runtime.NumCPU())
	processors := strconv.Itoa(runtime.NumCPU())
	return installed(
		rival{name: "jwalk | jhash", units: units, pipe: pipe{w.ours("jwalk", tree.dir), w.ours("jhash", "-j", jobs)}},
		rival{name: "rclone hashsum", units: units, pipe: pipe{{"rclone", "hashsum", "MD5", "--checkers", jobs, tree.dir}}},
		rival{name: "find | xargs md5sum", units: units, pipe: pipe{
			{"find", tree.dir, "-type", "f", "-print0"}, {"xargs", "-0", "-n", "256", "-P", processors, "md5sum"}}},
	)
}
