package main

import "context"

func walkMany() job {
	return job{
		name: "walk", title: "Walk 100,000 files", unit: "entries", warm: true,
		goal: "at most 1.2 times the time of find (0.83 times as fast)",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.tree(ctx, treeSpec{files: w.scale(100_000, 300)})
			entries := float64(tree.entries)
			return installed(
				rival{name: "jwalk", units: entries, pipe: pipe{w.ours("jwalk", tree.dir)}},
				rival{name: "find -printf", units: entries, pipe: pipe{{"find", tree.dir, "-printf", `%y %s %T+ %m %i %C+ %P\n`}}},
				rival{name: "rclone lsf", units: entries, pipe: pipe{{"rclone", "lsf", "-R", "--format", "pst", tree.dir}}},
			), err
		},
	}
}
