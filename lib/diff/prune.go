package diff

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"jottatools/lib/record"
)

// BrakeError says which brake held deletions back.
type BrakeError struct{ Reason string }

// Error returns the reason.
func (e *BrakeError) Error() string { return e.Reason }

// finish proposes what had to wait for the end of the source: new files, if
// renames are tracked, and the deletions, if they stand up to every doubt.
func (p *plan) finish(ctx context.Context, source *record.Reader) error {
	if p.gone.Len() == 0 {
		return p.putNow()
	}
	err := source.Clean()
	if err == nil {
		err = source.LeftOut() // what has no record there is not gone
	}
	if err != nil {
		if err := p.putNow(); err != nil {
			return err
		}
		return withheld(p.gone.Len(), err)
	}
	doomed, err := p.doomed(ctx, source.End().Scope)
	if err != nil {
		return err
	}
	defer func() { doomed.Close() }()
	if p.opts.TrackRenames {
		rest, err := p.move(doomed)
		if err != nil {
			return err
		}
		doomed.Close()
		doomed = rest
	}
	return p.prune(doomed)
}

// prune proposes the deletions, unless a brake holds them.
func (p *plan) prune(doomed *record.Sorter) error {
	n := doomed.Len()
	base := p.stored
	if p.opts.Base > 0 && !(p.opts.MaxDelete.Percent && p.opts.MaxDelete.N == 100) { // all of it is all there is
		base = min(base, p.opts.Base)
	}
	switch {
	case n == 0:
		return nil
	case p.files == 0:
		return withheld(n, &BrakeError{"it has no file at all; is it mounted?"})
	case p.unsaved > 0:
		// What is gone may have been renamed to what is changing.
		return withheld(n, &BrakeError{record.Count(p.unsaved, "new file in it was changing and is not stored yet; run it again", "new files in it were changing and are not stored yet; run it again")})
	case p.opts.MaxDelete.Exceeded(n, base):
		of, now := record.Count(base, "entry", "entries"), ""
		if p.opts.MaxDelete.Percent && base < p.stored {
			of = "the " + record.Count(base, "entry that was stored", "entries that were stored") + " when all was last well"
			now = fmt.Sprintf(", though there are %d now", p.stored)
		}
		return withheld(n, &BrakeError{fmt.Sprintf("of %s that is more than --max-delete %v allows%s; if it is right, give a higher limit", of, p.opts.MaxDelete, now)})
	}
	return p.emitAll(doomed.Sorted())
}

// WithheldError says how many deletions were not proposed, and why. It wraps
// [ErrWithheld] and the reason.
type WithheldError struct {
	Deletions int64
	Reason    error
}

// Error returns the number and the reason.
func (e *WithheldError) Error() string {
	return fmt.Sprintf("%v: %s gone from the source, but %v", ErrWithheld, record.Count(e.Deletions, "entry is", "entries are"), e.Reason)
}

// Unwrap returns ErrWithheld and the reason.
func (e *WithheldError) Unwrap() []error { return []error{ErrWithheld, e.Reason} }

func withheld(n int64, why error) error { return &WithheldError{n, why} }

// doomed returns the candidates for deletion that are within the scope of the
// source and resemble no entry of it, in tree order.
//
// How the service compares names is not known for sure. So a candidate whose
// name equals, under any common folding, that of a source entry which the target
// seems to lack may be that very entry.
func (p *plan) doomed(ctx context.Context, scope []string) (*record.Sorter, error) {
	var byKey record.Sorter
	defer byKey.Close()
	for r, err := range p.gone.All() {
		if err != nil {
			return nil, err
		}
		if !inScope(r.Path, scope) {
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

func inScope(path string, scope []string) bool {
	for _, dir := range scope {
		if record.Under(record.Fold(path), record.Fold(dir)) {
			return true
		}
	}
	return len(scope) == 0
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
