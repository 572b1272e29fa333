package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// firstUpload stores a tree of small files on an empty server that takes its time
// for each answer, with so many transfers at once.
func firstUpload(files int, latency time.Duration, parallel int) job {
	j := job{
		name:  fmt.Sprintf("upload-%dms-%d", latency.Milliseconds(), parallel),
		title: fmt.Sprintf("First upload of %s small files, latency %d ms, %d parallel", thousands(files), latency.Milliseconds(), parallel),
		unit:  "files", goal: "twice as fast as rclone", note: inMemory,
	}
	if latency > 0 {
		j.goal = "within 15 % of the bound that two requests a file set"
		j.note = "The bound counts the latency only. The time that the server needs for a request is added, and is the same for all. " + inMemory
	}
	j.prepare = func(ctx context.Context, w *world) ([]rival, error) {
		tree, err := w.tree(ctx, treeSpec{files: w.scale(files, 10)})
		if err == nil {
			err = w.storeInMemory()
		}
		if err != nil {
			return nil, err
		}
		empty := func(ctx context.Context) error { return w.serve(ctx, "--latency", latency.String()) }
		units, n := float64(tree.files), strconv.Itoa(parallel)
		rivals := installed(
			rival{name: "jwalk | jhash | jdiff | jput", units: units, before: empty, pipe: pipe{
				w.ours("jwalk", tree.dir), w.ours("jhash"), w.ours("jdiff", "--dest", archive), w.ours("jput", "-j", n)}},
			rival{name: "rclone copy", units: units, before: empty, once: true, pipe: pipe{
				{"rclone", "copy", "--transfers", n, "--checkers", n, "--no-traverse", tree.dir, "jotta:tree"}}},
		)
		if latency > 0 {
			rivals = append(rivals, rival{name: "the bound", units: units, bound: 2 * latency * time.Duration(tree.files) / time.Duration(parallel)})
		}
		return rivals, nil
	}
	return j
}

// inMemory is said of jobs whose server does not wait for a disk.
const inMemory = "For all rivals, the store of the server is in memory, so that the speed of the disk does not affect the result. " +
	"rclone waits: its backend for Jottacloud sends at most 100 requests a second, however fast the server is."

// archive is where our programs store a tree: what rclone calls jotta:tree.
const archive = "/Jotta/Archive/tree"

// thousands writes n for people.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// filledInMemory is said of jobs with a store that world.filled has made.
const filledInMemory = "For all rivals, the store of the server is in memory. It was filled without requests."

// unchanged is the run that a backup makes every night.
func unchanged(files int) job {
	return job{
		name: fmt.Sprintf("unchanged-%d", files), title: "Nothing changed, " + thousands(files) + " files", unit: "files", warm: true,
		note: filledInMemory + " The job checks that no program considers a file changed. " +
			"`jwalk` uses half of the processor time, and nearly two thirds of that are system calls, one per file; " +
			"`jhash` uses a tenth, and `jdiff` a third, most of it for the listing. The later programs have nothing to read (`jdiff --changes`).",
		goal: "5 times as fast as rclone, with less than 150 MB in all programs together",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.filled(ctx, w.scale(files, 300))
			if err != nil {
				return nil, err
			}
			programs := pipe{w.ours("jwalk", tree.dir), w.ours("jhash", "--cache", w.path("cache")), w.ours("jdiff", "--dest", archive, "--prune", "--changes"),
				w.ours("jput"), w.ours("jrm"), w.ours("jreport", "-q")}
			return installed(
				rival{name: "jwalk | jhash | jdiff | jput | jrm | jreport", units: float64(tree.files), pipe: programs, after: w.nothingSent},
				rival{name: "rclone sync --fast-list", units: float64(tree.files), pipe: pipe{{"rclone", "sync", "--fast-list", tree.dir, "jotta:tree"}}, after: w.nothingSent},
			), nil
		},
	}
}

// largeUpload sends one file whose digest is known.
func largeUpload() job {
	return job{
		name: "upload-large", title: "Upload one file of 4 GiB", unit: "MB", runs: 3, warm: true,
		goal: "within 10 % of curl",
		prepare: func(ctx context.Context, w *world) ([]rival, error) {
			tree, err := w.tree(ctx, treeSpec{files: 1, size: int64(w.scale(4<<30, 4<<20))})
			if err == nil {
				err = w.serve(ctx)
			}
			hashed, plan := w.path("hashed"), w.path("plan")
			if err == nil {
				err = w.do(ctx, "", hashed, w.ours("jwalk", tree.dir), w.ours("jhash"))
			}
			if err == nil {
				err = w.do(ctx, hashed, plan, w.ours("jdiff", "--dest", archive))
			}
			if err != nil {
				return nil, err
			}
			md5, err := fieldOf(plan, "md5")
			if err != nil {
				return nil, err
			}
			empty := func(ctx context.Context) error { return w.serve(ctx) }
			const post = `file=$(find "$0" -type f)
				address=$(curl -fsS -u bench:bench --json "{\"path\":\"/jfs/Jotta/Archive/tree/file\",\"bytes\":$(stat -c %s "$file"),\"md5\":\"$1\",\"created\":\"2026-01-01T00:00:00Z\",\"modified\":\"2026-01-01T00:00:00Z\"}" \
					https://api.jottacloud.com/files/v1/allocate | sed 's/.*"upload_url":"\([^"]*\)".*/\1/')
				curl -fsS -u bench:bench -H 'Content-Type: application/octet-stream' -X POST -T "$file" "$address"`
			units := float64(tree.bytes) / 1e6
			return installed(
				rival{name: "jput", units: units, before: empty, pipe: pipe{w.ours("jput")}, in: plan},
				rival{name: "curl", units: units, before: empty, pipe: pipe{{"sh", "-euc", post, tree.dir, md5}}},
				rival{name: "rclone copy", units: units, before: empty, pipe: pipe{{"rclone", "copy", tree.dir, "jotta:tree"}}},
			), nil
		},
	}
}

// fieldOf returns the first text that a file of records has for a field.
func fieldOf(name, field string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	_, rest, found := strings.Cut(string(data), `"`+field+`":"`)
	value, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return "", fmt.Errorf("no record in %s has %s", name, field)
	}
	return value, nil
}
