package diff

import (
	"context"
	"iter"
	"strings"

	"jottatools/lib/record"
)

// decider is told what the join finds, in tree order.
type decider interface {
	admit(l *record.Record) (bool, error)
	yield(loser *record.Record, winner string) error
	sourceOnly(l *record.Record) error
	both(l, r *record.Record) error
	targetOnly(r *record.Record) error
	shadowed(r *record.Record) error // the target has another entry of that name, as we fold it
	emptyMount(l *record.Record)     // the folder is a mount point with no file in it, and the target has something beneath
}

// targetReader is the other side of a join, in tree order.
type targetReader interface {
	// next returns the next record, or nil at the end.
	next() (*record.Record, error)
	// skim may deal with files that come next on both sides and are the same.
	skim(context.Context, *lookahead, *twins) error
}

// join walks source and target in step. Entries pair when their paths are equal
// but for case, as they are to the service. What the target has beneath an entry
// that the source lists without showing what is in it (ignored, unreadable, a
// symbolic link) is nobody's: it is not reported.
func join(ctx context.Context, source iter.Seq2[*record.Record, error], target targetReader, d decider, ignoredIsGone bool) error {
	src := newLookahead(source)
	defer src.stop()
	var shadowed twins // of the target: names that our folding takes for one
	advanceR := func() (*record.Record, error) {
		for {
			r, err := target.next()
			if r == nil || err != nil {
				return nil, err
			}
			if _, double := shadowed.find(r.Path); !double {
				return r, nil
			}
			if err := d.shadowed(r); err != nil {
				return nil, err
			}
		}
	}
	advanceL := func() (*record.Record, error) {
		for {
			l, err := src.next()
			if l == nil || err != nil {
				return nil, err
			}
			if admitted, err := d.admit(l); admitted || err != nil {
				return l, err
			}
		}
	}

	// advance goes on to the next pair, when both sides are done with.
	advance := func() (l, r *record.Record, err error) {
		if err = target.skim(ctx, src, &shadowed); err == nil {
			r, err = advanceR()
		}
		if err == nil {
			l, err = advanceL()
		}
		return l, r, err
	}

	l, r, err := advance()
	if err != nil {
		return err
	}
	veil := ""      // the last source entry that hides what is beneath it
	contested := "" // folded path that several source entries claim, with none spelled as on the target
	for l != nil || r != nil {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		order := 0
		switch {
		case l == nil:
			order = 1
		case r == nil:
			order = -1
		default:
			order = compareFolded(l.Path, r.Path)
		}
		if order > 0 {
			if veil == "" || !record.Under(record.Fold(r.Path), veil) {
				if err := d.targetOnly(r); err != nil {
					return err
				}
			}
			if r, err = advanceR(); err != nil {
				return err
			}
			continue
		}
		if order == 0 && (name(l.Path) != name(r.Path) || neverStored(l)) {
			// The target has another spelling. It belongs to the twin that is
			// spelled alike, if there is one. Which of several others was stored
			// is not known, so none of them takes its place. It never belongs to
			// an entry that is not stored, if there is another one.
			lost, disputed, err := cede(src, l, name(r.Path), contested, d)
			if err != nil {
				return err
			}
			if disputed {
				contested = record.Fold(l.Path)
			}
			if lost {
				if l, err = advanceL(); err != nil {
					return err
				}
				continue
			}
		}
		// What the target has beneath a folder in which something is mounted.
		var below *record.Record
		peeked := false
		if order == 0 && l.Mount && l.Kind == record.KindDir && r.Kind == record.KindDir {
			empty, err := src.noFileBeneath(l.Path)
			if err == nil {
				below, err = advanceR()
			}
			if err != nil {
				return err
			}
			peeked = true
			if empty && below != nil && record.Under(record.Fold(below.Path), record.Fold(r.Path)) {
				d.emptyMount(l)
			}
		}
		if hides(l, ignoredIsGone) {
			veil = record.Fold(l.Path)
		}
		if order < 0 {
			err = d.sourceOnly(l)
		} else {
			err = d.both(l, r)
		}
		if err != nil {
			return err
		}
		switch {
		case peeked:
			r = below
			l, err = advanceL()
		case order == 0:
			l, r, err = advance()
		default:
			l, err = advanceL()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cede looks behind l for a twin that has the better claim to the place of both on the
// target: one spelled as the target has it, or, if l is not stored, one that is. If there
// is one, l and what is beneath it yield to it. They yield as well if both are spelled
// otherwise, or if the place, contested, was disputed before.
func cede(src *lookahead, l *record.Record, spelling, contested string, d decider) (lost, disputed bool, err error) {
	twin, err := src.peekBehind(l.Path)
	if err != nil {
		return false, false, err
	}
	if twin != nil && (record.Fold(twin.Path) != record.Fold(l.Path) || dir(twin.Path) != dir(l.Path)) {
		twin = nil
	}
	winner := ""
	switch {
	case neverStored(l):
		if twin == nil || neverStored(twin) {
			return false, false, nil
		}
		winner = twin.Path
	case contested != "" && record.Fold(l.Path) == contested:
		winner, disputed = dir(l.Path)+spelling, true
	case twin == nil || neverStored(twin):
		return false, false, nil
	default:
		winner, disputed = twin.Path, name(twin.Path) != spelling
	}
	for {
		if err := d.yield(l, winner); err != nil {
			return false, false, err
		}
		if !src.holds() {
			return true, disputed, nil
		}
		if l, err = src.next(); err != nil {
			return false, false, err
		}
	}
}

func name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
func dir(path string) string  { return path[:strings.LastIndexByte(path, '/')+1] }

// compareFolded is record.Compare for paths that count as equal when only case
// differs.
func compareFolded(a, b string) int {
	if a == b {
		return 0
	}
	return record.Compare(record.Fold(a), record.Fold(b))
}

// ordered reads a source stream and puts right what is out of order: from the
// first such record on, the rest is kept and sorted, to be joined in a second
// pass.
type ordered struct {
	in      *record.Reader
	foreign Emit // takes records of kinds that have no place in a tree
	warn    func(string)
	rest    *record.Sorter // nil while the stream is in order
	last    string         // the path of the last record that was
}

// records returns the source up to the first record that is out of order.
func (o *ordered) records() iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		for r := range o.in.All() {
			if r.Foreign() {
				if err := o.foreign(r); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			if o.rest == nil && record.Compare(o.last, r.Path) > 0 {
				if o.warn != nil {
					o.warn("the input is out of order from " + r.Path + " on; sorting it")
				}
				o.rest = new(record.Sorter)
			}
			if o.rest != nil {
				if err := o.rest.Add(r); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			o.last = strings.Clone(r.Path)
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (o *ordered) close() {
	if o.rest != nil {
		o.rest.Close()
	}
}

// joinRest plans the sorted rest of a source that was out of order, and takes
// it off the candidates for deletion.
func (p *plan) joinRest(ctx context.Context, src *ordered, target *record.Sorter) error {
	p.second, p.twins, p.clash = true, twins{}, ""
	if err := p.seen.load(); err != nil {
		return err
	}
	if err := join(ctx, src.rest.Sorted(), &stored{cursor: target.Cursor()}, p, p.opts.PruneIgnored); err != nil {
		return err
	}
	var still stillGone
	gone := newPulled(p.gone.All())
	defer gone.stop()
	if err := join(ctx, src.rest.Sorted(), gone, &still, p.opts.PruneIgnored); err != nil {
		still.spool.Close()
		return err
	}
	p.gone.Close()
	p.gone = still.spool
	return nil
}

// stillGone collects the candidates that the rest of the source does not have
// either.
type stillGone struct{ spool record.Spool }

func (s *stillGone) admit(*record.Record) (bool, error)        { return true, nil }
func (s *stillGone) yield(*record.Record, string) error        { return nil }
func (s *stillGone) shadowed(*record.Record) error             { return nil }
func (s *stillGone) emptyMount(l *record.Record)               { unseen(l) }
func (s *stillGone) sourceOnly(*record.Record) error           { return nil }
func (s *stillGone) both(_, _ *record.Record) error            { return nil }
func (s *stillGone) targetOnly(candidate *record.Record) error { return s.spool.Add(candidate) }
