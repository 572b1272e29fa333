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

// manyWalked walks trees of different sizes. Ten million files would need 40 GB.
func manyWalked() job {
	return job{
		name: "records-jwalk", title: "Walk of 1,000,000 files", unit: "records", warm: true, goal: recordsGoal,
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			var rivals []rival
			for _, n := range []int{w.scale(1_000_000, 300), w.scale(100_000, 30)} {
				tree, err := w.tree(ctx, treeSpec{files: n, size: 100, alike: true})
				if err != nil {
					return nil, err
				}
				rivals = append(rivals, rival{name: thousands(n) + " files", units: float64(tree.entries), pipe: pipe{w.ours("jwalk", tree.dir)}})
			}
			return rivals, nil
		},
	}
}
