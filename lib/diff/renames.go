package diff

import (
	"errors"
	"fmt"
	"iter"

	"jottatools/lib/record"
)

// trackable reports whether an entry has content by which it can be found again.
// Empty files are all alike.
func trackable(r *record.Record) bool {
	return r.Kind == record.KindFile && r.Size > 0 && r.MD5 != "" && (r.State == "" || r.State == record.StateCompleted)
}

// putLater keeps a new file until it is known what is gone.
func (p *plan) putLater(l *record.Record) error {
	l.Action, l.Reason = record.ActionPut, record.ReasonNew
	return p.fresh.Add(l)
}

// putNow proposes what putLater has kept.
func (p *plan) putNow() error { return p.emitAll(p.fresh.Sorted()) }

func (p *plan) emitAll(records iter.Seq2[*record.Record, error]) error {
	for r, err := range records {
		if err == nil {
			err = p.emit(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// match pairs new files with doomed files of the same MD5 and size, each doomed file once.
// The matcher holds the proposals for the new files: moves for the paired ones, puts for
// the others. match also returns the files that remain doomed.
//
// Of several with the same content those are paired that have kept their name,
// and then in tree order. All of it is done by sorting, in constant memory.
func (p *plan) match(doomed *record.Sorter) (moves *matcher, left *record.Sorter, err error) {
	m := &matcher{goneByName: keyed{key: byName}, freshByName: keyed{key: byName}, goneByContent: keyed{key: byContent}, freshByContent: keyed{key: byContent}}
	rest := new(record.Sorter)
	defer func() {
		if err != nil {
			m.close()
			rest.Close()
		}
	}()
	for r, err := range doomed.Sorted() {
		if err == nil && trackable(r) {
			err = m.goneByName.add(r)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	for r, err := range p.fresh.Sorted() {
		switch {
		case err != nil:
		case trackable(r):
			err = m.freshByName.add(r)
		default:
			err = m.plan.Add(r)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if err := m.match(m.goneByName.all(), m.freshByName.all(), m.goneByContent.add, m.freshByContent.add); err != nil {
		return nil, nil, err
	}
	nobody := func(*record.Record) error { return nil }
	if err := m.match(m.goneByContent.all(), m.freshByContent.all(), nobody, m.plan.Add); err != nil {
		return nil, nil, err
	}
	for r, err := range without(doomed.Sorted(), m.moved.Sorted()) {
		if err == nil {
			err = rest.Add(r)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return m, rest, nil
}

// matcher pairs files that are gone with new ones.
type matcher struct {
	goneByName, freshByName, goneByContent, freshByContent keyed

	plan  record.Sorter // the new files, by path
	moved record.Sorter // the files that are gone and have found a new one, by path
}

func (m *matcher) close() {
	for _, k := range []*keyed{&m.goneByName, &m.freshByName, &m.goneByContent, &m.freshByContent} {
		k.sorter.Close()
	}
	m.plan.Close()
	m.moved.Close()
}

// match pairs the records of each group one to one, in order, and hands those that
// are left over to the other two functions.
func (m *matcher) match(gone, fresh iter.Seq2[grouped, error], goneLeft, freshLeft func(*record.Record) error) error {
	nextG, stopG := iter.Pull2(gone)
	defer stopG()
	nextF, stopF := iter.Pull2(fresh)
	defer stopF()
	g, errG, moreG := nextG()
	f, errF, moreF := nextF()
	for moreG || moreF {
		if err := errors.Join(errG, errF); err != nil {
			return err
		}
		order := 0
		switch {
		case !moreG:
			order = 1
		case !moreF:
			order = -1
		default:
			order = record.Compare(g.group, f.group)
		}
		var err error
		switch {
		case order < 0:
			err = goneLeft(g.Record)
		case order > 0:
			err = freshLeft(f.Record)
		default:
			err = m.pair(g.Record, f.Record)
		}
		if err != nil {
			return err
		}
		if order <= 0 {
			g, errG, moreG = nextG()
		}
		if order >= 0 {
			f, errF, moreF = nextF()
		}
	}
	return nil
}

func (m *matcher) pair(gone, fresh *record.Record) error {
	fresh.Action, fresh.Reason, fresh.From = record.ActionMove, record.ReasonRenamed, gone.Remote
	return errors.Join(m.plan.Add(fresh), m.moved.Add(gone))
}

// keyed sorts records by the group that key puts them in, and each group by path.
type keyed struct {
	key    func(*record.Record) string
	sorter record.Sorter
}

// grouped is a record and what makes it one of a group.
type grouped struct {
	*record.Record
	group string
}

func (k *keyed) add(r *record.Record) error {
	// The true path rides in a field that files do not use.
	r.Target, r.Path = r.Path, k.key(r)+"/"+r.Path
	return k.sorter.Add(r)
}

func (k *keyed) all() iter.Seq2[grouped, error] {
	return func(yield func(grouped, error) bool) {
		for r, err := range k.sorter.Sorted() {
			if err != nil {
				yield(grouped{}, err)
				return
			}
			r.Path, r.Target = r.Target, ""
			if !yield(grouped{r, k.key(r)}, nil) {
				return
			}
		}
	}
}

// byContent and byName are the groups in which renamed files are looked for.
func byContent(r *record.Record) string { return fmt.Sprintf("%s.%d", r.MD5, r.Size) }
func byName(r *record.Record) string    { return byContent(r) + "/" + record.Fold(name(r.Path)) }
