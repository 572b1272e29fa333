package diff

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"jottatools/lib/brake"
	"jottatools/lib/record"
)

// BrakeError says which brake held deletions back.
type BrakeError struct{ Reason string }

// Error returns the reason.
func (e *BrakeError) Error() string { return e.Reason }

// finish proposes what had to wait for the end of the source: what would be overwritten,
// new files, if renames are tracked, and the deletions, if they stand up to every doubt.
func (p *plan) finish(ctx context.Context, source *record.Reader) error {
	var held WithheldError
	if err := p.change(source.Whole(), &held); err != nil {
		return err
	}
	unclean := source.Clean()
	if unclean == nil {
		unclean = source.LeftOut() // what has no record there is not gone
	}
	due := p.lost
	if p.gone.Len() == 0 {
		if p.opts.Prune {
			due = 0
		}
		if err := p.putNow(); err != nil {
			return err
		}
	} else if unclean != nil {
		held.add(p.gone.Len(), 0, unclean)
		if err := p.putNow(); err != nil {
			return err
		}
	} else {
		doomed, err := p.doomed(ctx, source.End().Scope)
		if err != nil {
			return err
		}
		defer func() { doomed.Close() }()
		if due, err = p.deleteOrMove(doomed, &held); err != nil {
			return err
		}
	}
	if p.opts.Seen != nil {
		p.opts.Seen(brake.Run{Stored: p.onTarget, Due: due + held.Changes, Whole: unclean == nil && len(source.End().Scope) == 0})
	}
	if held.Reason == nil {
		return nil
	}
	return &held
}

// change proposes to overwrite files, unless they are too many. If the source was not
// read to its end, which partial says, all that was not seen may have been changed, too.
func (p *plan) change(partial error, held *WithheldError) error {
	n := p.changed.Len()
	switch {
	case n == 0:
		return nil
	case p.opts.Withhold != nil:
		held.add(0, n, &BrakeError{p.opts.Withhold.Error()})
	case p.opts.Past.Holds(*p.opts.MaxChange, n, p.onTarget):
		held.add(0, n, &BrakeError{fmt.Sprintf("%s more than --max-change %v allows to overwrite; look whether somebody has changed them all, and if it is right, give a higher limit",
			p.ofStored(n), p.opts.MaxChange)})
	case partial != nil && n > p.opts.MaxChange.Spare && p.opts.Past.Holds(*p.opts.MaxChange, max(n, p.onTarget), p.onTarget):
		held.add(0, n, fmt.Errorf("%s changed, and how many others are is not known: %w", record.Count(n, "stored file is", "stored files are"), partial))
	default:
		return p.emitAll(p.changed.All())
	}
	return p.emitHeld(p.changed.All())
}

// deleteOrMove proposes the new files and the deletions. It returns how many files are
// due to be deleted; if a brake holds them, held says so.
func (p *plan) deleteOrMove(doomed *record.Sorter, held *WithheldError) (due int64, err error) {
	rest, fresh := doomed, &p.fresh
	if p.opts.TrackRenames && p.opts.Withhold == nil {
		moves, left, err := p.match(doomed)
		if err != nil {
			return 0, err
		}
		defer moves.close()
		defer left.Close()
		rest, fresh = left, &moves.plan
	}
	if due, err = files(rest); err != nil {
		return 0, err
	}
	if reason := p.brake(rest.Len(), due); reason != nil {
		// A move takes the old name away, so none is proposed where no deletion is.
		rest, fresh = doomed, &p.fresh
		if due, err = files(rest); err != nil {
			return 0, err
		}
		held.add(rest.Len(), 0, reason)
		return due, errors.Join(p.emitAll(fresh.Sorted()), p.emitHeld(rest.Sorted()))
	}
	return due, errors.Join(p.emitAll(fresh.Sorted()), p.emitAll(rest.Sorted()))
}

// brake returns why n entries, files of them being files, must not be deleted, or nil.
// Folders hold nothing by themselves: only files count.
func (p *plan) brake(n, files int64) error {
	switch {
	case n == 0:
		return nil
	case p.opts.Withhold != nil:
		return &BrakeError{p.opts.Withhold.Error()}
	case p.files == 0:
		return &BrakeError{"it has no file at all; is it mounted?"}
	case p.unsaved > 0:
		// A file that is gone may have been renamed to one that is changing.
		return &BrakeError{record.Count(p.unsaved, "new file in it was changing and is not stored yet; run it again", "new files in it were changing and are not stored yet; run it again")}
	case p.opts.Past.Holds(p.opts.MaxDelete, files, p.onTarget):
		return &BrakeError{fmt.Sprintf("%s more than --max-delete %v allows; if it is right, give a higher limit", p.ofStored(files), p.opts.MaxDelete)}
	}
	return nil
}

// ofStored says which share n files are, as the beginning of a sentence.
func (p *plan) ofStored(n int64) string {
	is := "are"
	if n == 1 {
		is = "is"
	}
	if then := p.opts.Past.Files; p.opts.Past.Known && then < p.onTarget {
		return fmt.Sprintf("%d of the stored files (%d when all was last well, %d now) %s", n, then, p.onTarget, is)
	}
	return fmt.Sprintf("%d of %s %s", n, record.Count(p.onTarget, "stored file", "stored files"), is)
}

// emitHeld emits what a brake has held back, for people to see. It is no part of what is
// to be done.
func (p *plan) emitHeld(records iter.Seq2[*record.Record, error]) error {
	return p.emitAll(func(yield func(*record.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				r.Action, r.Reason, r.Status = record.ActionNone, record.ReasonHeld, record.StatusSkipped
			}
			if !yield(r, err) {
				return
			}
		}
	})
}

// files returns how many of the records are of files.
func files(sorted *record.Sorter) (n int64, err error) {
	for r, err := range sorted.Sorted() {
		if err != nil {
			return 0, err
		}
		if r.Kind == record.KindFile {
			n++
		}
	}
	return n, nil
}

// WithheldError says how many deletions, and how many files that would have been
// overwritten, were held back, and why. It wraps [ErrWithheld] and the reasons.
type WithheldError struct {
	Deletions int64
	Changes   int64
	Reason    error
	text      []string
}

func (e *WithheldError) add(deletions, changes int64, why error) {
	e.Deletions += deletions
	e.Changes += changes
	e.Reason = errors.Join(e.Reason, why)
	if deletions > 0 {
		e.text = append(e.text, fmt.Sprintf("%v: %s gone from the source, but %v", ErrWithheld, record.Count(deletions, "entry is", "entries are"), why))
	} else {
		e.text = append(e.text, fmt.Sprintf("nothing is overwritten: %v", why))
	}
}

// Error returns the numbers and the reasons, a line for each kind.
func (e *WithheldError) Error() string { return strings.Join(e.text, "\n") }

// Unwrap returns ErrWithheld and the reasons.
func (e *WithheldError) Unwrap() []error { return []error{ErrWithheld, e.Reason} }

// doomed returns the candidates for deletion that are within the scope of the
// source and resemble no entry of it, in tree order.
//
// How the service compares names is not known for sure. So a candidate whose
// name equals, under any common folding, that of a source entry which the target
// seems to lack may be that very entry.
func (p *plan) doomed(ctx context.Context, paths []string) (*record.Sorter, error) {
	var byKey record.Sorter
	defer byKey.Close()
	covered := newScope(paths)
	for r, err := range p.gone.All() {
		if err != nil {
			return nil, err
		}
		if !covered.covers(r.Path) {
			continue
		}
		// The true path rides in a field that remote entries do not use.
		r.Target, r.Path = r.Path, looseKey(r.Path)
		if err := byKey.Add(r); err != nil {
			return nil, err
		}
	}
	doomed := new(record.Sorter)
	for r, err := range without(byKey.Sorted(), p.unpaired.Sorted()) {
		if err == nil {
			r.Path, r.Target = r.Target, ""
			err = errors.Join(doomed.Add(r), ctx.Err())
		}
		if err != nil {
			doomed.Close()
			return nil, err
		}
	}
	return doomed, nil
}

// scope is what a stream covers: the folded paths, with all beneath them. The empty scope
// covers all.
type scope map[string]bool

func newScope(paths []string) scope {
	s := make(scope, len(paths))
	for _, path := range paths {
		s[record.Fold(path)] = true
	}
	return s
}

func (s scope) covers(path string) bool {
	if len(s) == 0 {
		return true
	}
	folded := record.Fold(path)
	for i := range len(folded) {
		if folded[i] == '/' && s[folded[:i]] {
			return true
		}
	}
	return s[folded]
}

// without returns the records of a whose paths b does not have, and that are
// not beneath one that b marks as ignored. Both are in tree order.
func without(a, b iter.Seq2[*record.Record, error]) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		other, err, more := next()
		veil := ""
		for r, errA := range a {
			for errA == nil && err == nil && more && record.Compare(other.Path, r.Path) <= 0 {
				if other.Path == r.Path && !other.Ignored {
					break
				}
				if other.Ignored && (veil == "" || !record.Under(other.Path, veil)) {
					veil = other.Path
				}
				other, err, more = next()
			}
			if err = errors.Join(errA, err); err != nil {
				yield(nil, err)
				return
			}
			if more && other.Path == r.Path || veil != "" && record.Under(r.Path, veil) {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}
