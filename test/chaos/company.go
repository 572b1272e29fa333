package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"jottatools/test/plain"
)

// neighbours has the neighbour change its tree and store it, beneath where the first
// machine does.
func (w *world) neighbours(ctx context.Context, dice *rand.Rand) error {
	if err := w.editSome(w.near, 1+dice.IntN(6), dice); err != nil {
		return err
	}
	if dice.IntN(3) == 0 {
		if err := w.lose(w.near, dice); err != nil {
			return err
		}
	}
	p := planSync(dice, w.near)
	p.edits = nil
	if dice.IntN(2) == 0 {
		return w.troubledRun(ctx, p, nil)
	}
	return w.converge(ctx, w.person(w.near))
}

// visit has the visitor store its tree in the folder of the first machine. From then on
// neither of the two may delete anything.
func (w *world) visit(ctx context.Context, dice *rand.Rand) error {
	if err := w.editSome(w.visitor, 1+dice.IntN(6), dice); err != nil {
		return err
	}
	p := planSync(dice, w.visitor)
	p.edits = nil
	if dice.IntN(2) == 0 {
		p.calm()
	}
	return w.troubledRun(ctx, p, nil)
}

// adopts is a run in trouble in which a person says that all is the first machine's.
func (w *world) adopts(ctx context.Context, dice *rand.Rand) error {
	p := planSync(dice, w.first)
	p.args = append(p.args, "--adopt")
	return w.troubledRun(ctx, p, dice)
}

func (w *world) editSome(m *machine, n int, dice *rand.Rand) error {
	for range n {
		if err := w.edit(m, dice); err != nil {
			return err
		}
	}
	return nil
}

// marks returns the sources of the jobs that have left a mark at the service.
func (w *world) marks() (map[string]bool, error) {
	found := map[string]bool{}
	entries, err := w.plain.Tree("/Jotta/Archive/.jottatools/jobs")
	var status *plain.StatusError
	if errors.As(err, &status) && status.Status == 404 {
		return found, nil // no job has begun
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.State != complete {
			continue
		}
		b, err := w.content(e)
		if err != nil {
			return nil, err
		}
		var mark struct{ Source string }
		if err := json.Unmarshal(b, &mark); err != nil {
			return nil, fmt.Errorf("the mark %s: %w", e.Remote, err)
		}
		if found[mark.Source] {
			return nil, fmt.Errorf("two marks are of %s: it has become two jobs", mark.Source)
		}
		found[mark.Source] = true
	}
	return found, nil
}

// content fetches a file.
func (w *world) content(e plain.Entry) ([]byte, error) {
	body, err := w.plain.Open(e.Remote)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// together holds what the service has after a run against what it had before: each
// machine has left alone what is another's, and where two store in the same folder,
// neither has deleted anything.
func (w *world) together(p *plan, before, after map[string]plain.Entry) error {
	marked, err := w.marks()
	if err != nil {
		return err
	}
	adopted := p.has("--adopt")
	for source := range w.marked {
		if !marked[source] && !(adopted && source == w.visitor.tree.dir) {
			return fmt.Errorf("the mark of %s is gone", source)
		}
	}
	visited := w.marked[w.visitor.tree.dir] && marked[w.visitor.tree.dir]
	w.marked = marked
	for _, m := range []*machine{w.first, w.near, w.visitor} {
		was, is := w.part(before, m), w.part(after, m)
		switch {
		case m == p.by && visited && m != w.near:
			err = kept(was, is)
		case m == p.by, m == w.visitor && p.by == w.first && !visited:
			continue
		default:
			err = errors.Join(unchanged(was, is), unchanged(is, was))
		}
		if err == nil && m == w.near {
			err = w.whole(is)
		}
		if err != nil {
			return fmt.Errorf("a run of %s, and of what %s has stored %w", p.by.tree.dir, m.tree.dir, err)
		}
	}
	return nil
}

// kept returns an error unless all that was stored still is, in whatever version.
func kept(before, after map[string]plain.Entry) error {
	for path, had := range before {
		has, there := after[path]
		switch {
		case !had.Dir && had.State != complete:
		case !there:
			return fmt.Errorf("%q is gone", had.Path)
		case has.Dir != had.Dir, has.State != had.State:
			return fmt.Errorf("%q is another thing now", had.Path)
		}
	}
	return nil
}

// unchanged returns an error unless all that was stored still is, as it was.
func unchanged(before, after map[string]plain.Entry) error {
	if err := kept(before, after); err != nil {
		return err
	}
	for path, had := range before {
		has := after[path]
		if !had.Dir && had.State == complete && (has.MD5 != had.MD5 || has.Size != had.Size || !has.Modified.Equal(had.Modified)) {
			return fmt.Errorf("%q has the MD5 %s and the time %v instead of %s and %v", had.Path, has.MD5, has.Modified, had.MD5, had.Modified)
		}
	}
	return nil
}

// whole returns an error unless each file has the content that the service says.
func (w *world) whole(stored map[string]plain.Entry) error {
	for _, e := range stored {
		if e.Dir || e.State != complete {
			continue
		}
		b, err := w.content(e)
		if err != nil {
			return err
		}
		if sum := md5.Sum(b); !strings.EqualFold(hex.EncodeToString(sum[:]), e.MD5) {
			return fmt.Errorf("%q comes back with another content", e.Path)
		}
		w.compared++
	}
	return nil
}
