package diff

import (
	"context"
	"iter"
	"strings"

	"jottatools/lib/record"
)

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
