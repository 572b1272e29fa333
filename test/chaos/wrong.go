package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"
)

// strays are how many files a wrong source has. The most are more than the right one.
var strays = []int{0, 1, 20, 50, 650}

// wrong has jottasync find another tree in the place of SRC, some times in a row, and
// nobody say that this is right. Whatever it adds to what is stored, and whatever is lost
// meanwhile, the brake must hold. Then the right tree is back.
func (w *world) wrong(ctx context.Context, dice *rand.Rand) (err error) {
	t := w.first.tree
	n := pick(dice, strays)
	w.say("  another tree, of %d files, is in the place of SRC", n)
	if err := errors.Join(os.Rename(t.dir, t.dir+".away"), os.Mkdir(t.dir, 0o755)); err != nil {
		return err
	}
	w.wrongly = true
	w.blind = true // the cache will know of that tree alone
	for i := range n {
		content := fmt.Appendln(nil, i) // that of some of the ballast: no move takes its name
		if i >= 3 {
			content = []byte("a stray\n")
		}
		if err := os.WriteFile(t.abs(fmt.Sprintf("stray %03d", i)), content, 0o644); err != nil {
			return err
		}
	}
	many := n > ballastFiles // so that one run has to add them, and the next to hold all the same
	runs := 1 + dice.IntN(3)
	if many {
		runs++
	}
	for range runs {
		if dice.IntN(4) == 0 {
			if err := w.lose(w.first, dice); err != nil {
				return err
			}
		}
		p := planSync(dice, w.first)
		p.edits = nil
		p.careful()
		if dice.IntN(3) == 0 {
			p.without("--prune", "--track-renames")
		}
		if dice.IntN(2) == 0 || many {
			p.calm()
		}
		if err := w.troubledRun(ctx, p, dice); err != nil {
			return fmt.Errorf("with another tree in the place of SRC: %w", err)
		}
	}
	w.wrongly = false
	return errors.Join(os.RemoveAll(t.dir), os.Rename(t.dir+".away", t.dir))
}

// encrypted changes most files of the tree at once, as somebody does who wants money for
// them; some keep the times. None of it may be stored. Then all is as it was.
func (w *world) encrypted(ctx context.Context, dice *rand.Rand) error {
	t := w.first.tree
	keep := dice.IntN(2) == 0
	w.say("  most files are changed at once; their times stay: %v", keep)
	nodes, err := t.nodes()
	if err != nil {
		return err
	}
	nodes = slices.DeleteFunc(nodes, func(n node) bool { return !isBallast(n.path) || !n.mode.IsRegular() })
	scramble := func(times bool) error {
		for _, n := range nodes {
			b, err := os.ReadFile(t.abs(n.path))
			if err != nil {
				return err
			}
			for i := range b {
				b[i] ^= 0xa5
			}
			err = os.WriteFile(t.abs(n.path), b, 0o644)
			if err == nil && times {
				err = os.Chtimes(t.abs(n.path), time.Time{}, n.time)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := scramble(keep); err != nil {
		return err
	}
	w.scrambled = true
	for range 1 + dice.IntN(2) {
		if dice.IntN(4) == 0 {
			if err := w.lose(w.first, dice); err != nil {
				return err
			}
		}
		p := planSync(dice, w.first)
		if dice.IntN(3) == 0 {
			p.careful()
		}
		if err := w.troubledRun(ctx, p, dice); err != nil {
			return fmt.Errorf("when most files are changed at once: %w", err)
		}
	}
	w.scrambled = false
	return scramble(true)
}

// young has jottasync leave out what was changed not long ago, and delete what is left
// out by rules: the age of a file is no such rule.
func (w *world) young(ctx context.Context, dice *rand.Rand) error {
	p := planSync(dice, w.first)
	p.partial = true
	// It may come to its end without a file that is young, and forget the digest of it.
	w.blind = true
	p.args = append(p.args, "--min-age", pick(dice, []string{"1h", "1s", "1000h"}), "--prune-ignored")
	return w.troubledRun(ctx, p, dice)
}
