package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"jottatools/test/plain"
)

// round is one round: edits, runs in trouble and other mishaps in any order, and then
// the proof.
func (w *world) round(ctx context.Context, number int) error {
	dice := rand.New(rand.NewPCG(w.seed, uint64(number)))
	w.say("round %d", number)
	w.blind = false
	edits := 1 + dice.IntN(25)
	if number == 1 {
		edits += 50
	}
	if err := w.editSome(w.first, edits, dice); err != nil {
		return err
	}
	for _, step := range w.steps(dice, number) {
		if err := step(ctx, dice); err != nil {
			return err
		}
	}
	if err := w.comesBack(); err != nil {
		return err
	}
	if err := w.converge(ctx, w.person(w.first)); err != nil {
		return err
	}
	if err := oneJob(w.first); err != nil {
		return err
	}
	if dice.IntN(3) > 0 {
		return nil
	}
	if err := errors.Join(os.RemoveAll(w.back()), os.Mkdir(w.back(), 0o755)); err != nil {
		return err
	}
	for range 1 + dice.IntN(2) {
		if err := w.troubledRun(ctx, w.planFetch(dice), nil); err != nil {
			return err
		}
	}
	if err := w.converge(ctx, w.planRestore()); err != nil {
		return err
	}
	return w.restored(true)
}

// step is something that happens in a round.
type step func(context.Context, *rand.Rand) error

// steps decides what happens in a round.
func (w *world) steps(dice *rand.Rand, number int) (steps []step) {
	for range 1 + dice.IntN(3)/2 { // most of the others are runs in trouble, too
		steps = append(steps, func(ctx context.Context, dice *rand.Rand) error {
			return w.troubledRun(ctx, planSync(dice, w.first), dice)
		})
	}
	for _, move := range []struct {
		step  step
		from  int // the first round with it
		oneIn int // how rare it is
	}{
		{w.neighbours, 1, 3},
		{w.visit, 2, 4},
		{w.adopts, 3, 10},
		{func(_ context.Context, dice *rand.Rand) error { return w.disks(dice) }, 1, 3},
		{func(_ context.Context, dice *rand.Rand) error { return w.disks(dice) }, 1, 4},
		{func(_ context.Context, dice *rand.Rand) error { return w.lose(w.first, dice) }, 1, 3},
		{func(_ context.Context, dice *rand.Rand) error { return w.clock(dice) }, 2, 3},
		{w.wrong, 2, 4},
		{w.encrypted, 2, 6},
		{w.young, 1, 5},
	} {
		if dice.IntN(move.oneIn) == 0 && number >= move.from {
			steps = append(steps, move.step)
		}
	}
	dice.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	return steps
}

// converge makes runs without trouble until one says that all is done, which must
// not take many.
func (w *world) converge(ctx context.Context, p *plan) error {
	code := -1
	for n := 0; code != 0; n++ {
		if n == calmRuns {
			return fmt.Errorf("%s still exits with %d after %d runs without trouble", p.script, code, n)
		}
		var err error
		if code, err = w.checkedRun(ctx, p, nil); err != nil {
			return fmt.Errorf("without trouble: %w", err)
		}
	}
	return nil
}

func (w *world) edit(m *machine, dice *rand.Rand) error {
	what, err := m.tree.edit(dice)
	if err == nil {
		w.say("  %s%s", strings.Repeat("  ", strings.Count(m.host, "")/2), what)
	}
	return err
}

// troubledRun makes one run, and lets everything go wrong that is decided.
func (w *world) troubledRun(ctx context.Context, p *plan, dice *rand.Rand) error {
	w.say("%s", strings.TrimRight(p.String(), "\n"))
	w.wire.breaking(nil)
	if err := w.trouble(p.faults, p.seed); err != nil {
		return err
	}
	if p.breaks {
		w.wire.breaking(rand.New(rand.NewPCG(p.seed, 1)))
	}
	_, err := w.checkedRun(ctx, p, dice)
	return err
}

// neverTooMany is how many files may be overwritten whatever share they are. That is so
// of a run that has not seen more.
const neverTooMany = 100

// exitLimit is the code of a run that a brake held.
const exitLimit = 6

// codes are those that the programs may exit with: the ones of their table but for wrong
// usage, and a lock that is held, as nothing runs beside.
var codes = []int{0, 1, 3, 4, 5, 6, 7, 75, 130}

// checkedRun makes a run and checks what must be true after every one.
func (w *world) checkedRun(ctx context.Context, p *plan, dice *rand.Rand) (code int, err error) {
	calm := func() error {
		w.wire.breaking(nil)
		w.countFaults()
		return w.trouble("", 0)
	}
	if p.faults == "" && !p.breaks {
		if err := calm(); err != nil {
			return 0, err
		}
	}
	p.by.tree.forget()
	before, _ := p.by.report()
	stale := p.by.running()
	code, err = w.run(ctx, p, dice)
	if err != nil {
		return code, err
	}
	w.say("  exit %d", code)
	w.codes[code]++
	if code >= 0 && !slices.Contains(codes, code) {
		return code, fmt.Errorf("%s exits with %d, which nobody expects", p.script, code)
	}
	if err := w.nothingStays(p.by, code, stale); err != nil {
		return code, err
	}
	if err := calm(); err != nil {
		return code, err
	}
	after, err := w.stored()
	if err != nil {
		return code, err
	}
	if err := w.noRaces(); err != nil {
		return code, err
	}
	last := w.last
	w.last = after
	if p.script != calmSync.script {
		return code, errors.Join(unchanged(last, after), w.restored(false))
	}
	if err := w.together(p, last, after); err != nil {
		return code, err
	}
	if p.by == w.first {
		if err := w.mishaps(p, code, last, after); err != nil {
			return code, err
		}
	}
	return code, w.truthful(p, code, before, last, after)
}

// mishaps holds a run of the first machine against what has befallen that.
func (w *world) mishaps(p *plan, code int, before, after map[string]plain.Entry) error {
	if !p.has("--accept-unmounted") {
		if err := w.disk.spared(code, before, after); err != nil {
			return err
		}
	}
	w.disk.ran(code == 0 && len(p.blows) == 0 && p.faults == "" && !p.breaks)
	switch {
	case w.wrongly:
		if code == 0 && p.has("--prune") {
			return errors.New("SRC is another tree, and jottasync --prune exits with 0")
		}
		return unchanged(before, after)
	case w.scrambled:
		if code == 0 {
			return errors.New("most files are changed, and jottasync exits with 0")
		}
		overwritten := 0
		for path, had := range before {
			if !isBallast(path) {
				continue
			}
			if err := unchanged(map[string]plain.Entry{path: had}, after); err == nil {
				continue
			} else if overwritten++; code == exitLimit || overwritten > neverTooMany {
				return err
			}
		}
	}
	return nil
}

// truthful holds what a run says, by its code or in its report, against what the service has.
func (w *world) truthful(p *plan, code int, report []byte, before, after map[string]plain.Entry) error {
	m := p.by
	was, is := w.part(before, m), w.part(after, m)
	if !w.wrongly || m != w.first {
		if err := m.nothingLost(was, is); err != nil {
			return err
		}
	}
	r, err := m.says(report)
	if err != nil {
		return err
	}
	if r != nil && !p.has("--accept-changed") {
		for _, e := range r.NotStored {
			// What only a person can accept.
			if had, there := was[lower(e.Path)]; there && e.Class == "corrupt" && strings.Contains(e.Message, "--accept-changed") {
				if err := unchanged(map[string]plain.Entry{lower(e.Path): had}, is); err != nil {
					return fmt.Errorf("a file may be damaged, and %w", err)
				}
				w.suspects++
			}
		}
	}
	claims := r != nil && r.Complete
	switch {
	case claims && w.scrambled && m == w.first:
		return errors.New("the report claims that all is done, and it cannot be")
	case p.partial, w.wrongly && m == w.first, code != 0 && !claims, len(p.edits) > 0:
		return nil
	}
	if m == w.first { // nothing else is to be in its folder
		maps.Copy(is, w.part(after, w.visitor))
	}
	// A run that may delete nothing has stored all, and says so by its code.
	more := code != 0 && m != w.near && w.marked[w.visitor.tree.dir]
	if err := w.identical(m, is, false, more); err != nil {
		return fmt.Errorf("%s exits with %d, its report claims that all is done: %v, but %w", p.script, code, claims, err)
	}
	return nil
}

// final compares all that the rounds did not compare each time, and has jserve
// check its store.
func (w *world) final(ctx context.Context) error {
	if err := w.identical(w.first, w.part(w.last, w.first), true, false); err != nil {
		return err
	}
	if err := w.converge(ctx, w.person(w.near)); err != nil {
		return err
	}
	if err := errors.Join(oneJob(w.near), w.identical(w.near, w.part(w.last, w.near), true, false)); err != nil {
		return err
	}
	for _, verify := range []string{"--verify", "--verify=1/1"} {
		p := plan{script: "jottasync", args: []string{"-q", verify}, by: w.first}
		if code, err := w.run(ctx, &p, nil); code != 0 || err != nil {
			return fmt.Errorf("jottasync %s exits with %d, %w", verify, code, err)
		}
	}
	if err := w.stopServer(syscall.SIGTERM); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(w.bin, "jserve"), "fsck", filepath.Join(w.dir, "store"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("jserve fsck: %w\n%s", err, out)
	}
	return nil
}
