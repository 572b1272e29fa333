// Chaos backs a random tree up while everything goes wrong, until it is all
// there, and sees that it is.
//
// Usage:
//
//	scripts/chaos [--seed N] [--rounds R] [--verbose] [--keep]
//
// A round changes the tree at random and runs jottasync --prune on it some times,
// while the service misbehaves, connections break, files change, and programs
// are killed: any filter, jottasync itself, or jserve. In some rounds
//
//   - a neighbour stores its own tree beneath, and a visitor stores in the same folder,
//     until a person says whose it is,
//   - a disk that is mounted in the tree goes and comes back,
//   - what the machine remembers is lost, or was written when its clock was wrong,
//   - another tree is in the place of SRC, or most of it is changed at once,
//   - files are left out since they are young.
//
// A job is started in many ways that leave it the same job. After each run
//
//   - nothing that is still on disk, or on a disk that is not mounted, is gone from the
//     service, so that what was deleted there was deleted here,
//   - what had content there still has,
//   - what another machine has stored is as it was,
//   - of a tree that is not the right one, nothing was deleted or overwritten,
//   - no process is left over, no lock is held, no temporary file stays, and no
//     program used more memory than it may,
//   - if jottasync said, by its exit code or in its report, that all is done, all is
//     done.
//
// Then the trouble ends, and jottasync has few runs to make the service hold the
// tree: every file is compared byte for byte with what comes back over plain HTTP,
// and every folder and time of modification. After some rounds jottarestore fetches
// the tree, with the same trouble: what has a name then must be whole, and in the end
// all of it must be there. At last jottasync --verify must find all of it proven,
// and jserve its store in order.
//
// Only root on Linux can mount; elsewhere the disk is never there.
//
// All decisions follow from the seed and the number of the round: what is changed,
// which requests fail, who is killed and after how many bytes. What a decision
// hits depends on the machine. So a seed that fails makes the same decisions
// again, which --verbose prints, and mostly finds the same bug.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

type options struct {
	seed    uint64
	rounds  int
	bin     string
	scripts string
	memory  int64 // MiB
	verbose bool
	keep    bool
}

func main() {
	// The system counts what this program had when it started another one as memory
	// of that one, too.
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(32 << 20)
	var o options
	pflag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "what the decisions follow from")
	pflag.IntVar(&o.rounds, "rounds", 25, "how many rounds")
	pflag.StringVar(&o.bin, "bin", "bin", "where the programs are")
	pflag.StringVar(&o.scripts, "scripts", "scripts", "where jottasync and jottarestore are")
	pflag.Int64Var(&o.memory, "max-memory", 95, "how many MiB a program may use; 0: any number")
	pflag.BoolVarP(&o.verbose, "verbose", "v", false, "print every decision")
	pflag.BoolVar(&o.keep, "keep", false, "leave the tree, the store and the messages where they are, also after success")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return err
	}
	w, err := newWorld(ctx, o, dir)
	if w != nil {
		defer w.close()
	}
	if err != nil {
		return err
	}
	start := time.Now()
	w.say("seed %d", o.seed)
	for round := 1; round <= o.rounds; round++ {
		if err := w.round(ctx, round); err != nil {
			return fmt.Errorf("seed %d, round %d: %w\n%s\nsee %s, and try: scripts/chaos --seed %d --rounds %d --verbose", o.seed, round, err, w.heard(), dir, o.seed, round)
		}
	}
	if err := w.final(ctx); err != nil {
		return fmt.Errorf("seed %d, after round %d: %w\nsee %s", o.seed, o.rounds, err, dir)
	}
	fmt.Printf("seed %d: %d rounds in %v: %v\n", o.seed, o.rounds, time.Since(start).Round(time.Second), w.tally())
	if o.keep {
		fmt.Println("see", dir)
		return nil
	}
	w.disk.close()
	return os.RemoveAll(filepath.Clean(dir))
}
