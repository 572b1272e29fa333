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

// joiner walks source and target in step. Entries pair when their paths are equal but for
// case, as they are to the service. What the target has beneath an entry that the source
// lists without showing what is in it (ignored, unreadable, a symbolic link) is nobody's:
// it is not reported.
type joiner struct {
	src           *lookahead
	target        targetReader
	d             decider
	ignoredIsGone bool

	l, r      *record.Record // what comes next on either side; nil at the end
	shadowed  twins          // of the target: names that our folding takes for one
	veil      string         // the last source entry that hides what is beneath it, folded
	contested string         // folded path that several source entries claim, with none spelled as on the target
}

func join(ctx context.Context, source iter.Seq2[*record.Record, error], target targetReader, d decider, ignoredIsGone bool) error {
	j := &joiner{src: newLookahead(source), target: target, d: d, ignoredIsGone: ignoredIsGone}
	defer j.src.stop()
	err := j.advance(ctx)
	for err == nil && (j.l != nil || j.r != nil) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err = j.step(ctx)
	}
	return err
}

// step deals with what comes first on either side.
func (j *joiner) step(ctx context.Context) error {
	switch order := j.order(); {
	case order > 0:
		if err := j.targetOnly(); err != nil {
			return err
		}
		return j.advanceTarget()
	case order < 0:
		j.hide()
		if err := j.d.sourceOnly(j.l); err != nil {
			return err
		}
		return j.advanceSource()
	}
	lost, err := j.cede()
	switch {
	case err != nil:
		return err
	case lost:
		return j.advanceSource()
	}
	if j.l.Mount && j.l.Kind == record.KindDir && j.r.Kind == record.KindDir {
		return j.mountPoint()
	}
	j.hide()
	if err := j.d.both(j.l, j.r); err != nil {
		return err
	}
	return j.advance(ctx)
}

// order says which side comes first: below zero the source, above it the target.
func (j *joiner) order() int {
	switch {
	case j.l == nil:
		return 1
	case j.r == nil:
		return -1
	}
	return compareFolded(j.l.Path, j.r.Path)
}

// advance goes on to the next pair, when both sides are done with.
func (j *joiner) advance(ctx context.Context) error {
	if err := j.target.skim(ctx, j.src, &j.shadowed); err != nil {
		return err
	}
	if err := j.advanceTarget(); err != nil {
		return err
	}
	return j.advanceSource()
}

// advanceTarget goes on to the next record of the target that our folding can tell from
// the one before.
func (j *joiner) advanceTarget() (err error) {
	for {
		if j.r, err = j.target.next(); j.r == nil || err != nil {
			return err
		}
		if _, double := j.shadowed.find(j.r.Path); !double {
			return nil
		}
		if err := j.d.shadowed(j.r); err != nil {
			return err
		}
	}
}

// advanceSource goes on to the next record of the source that takes part.
func (j *joiner) advanceSource() (err error) {
	for {
		if j.l, err = j.src.next(); j.l == nil || err != nil {
			return err
		}
		if admitted, err := j.d.admit(j.l); admitted || err != nil {
			return err
		}
	}
}

// hide notes what is beneath the source's entry as unseen, if the source does not show it.
func (j *joiner) hide() {
	if hides(j.l, j.ignoredIsGone) {
		j.veil = record.Fold(j.l.Path)
	}
}

// targetOnly reports an entry that the source lacks, unless the source hides it.
func (j *joiner) targetOnly() error {
	if j.veil != "" && record.Under(record.Fold(j.r.Path), j.veil) {
		return nil
	}
	return j.d.targetOnly(j.r)
}

// mountPoint deals with a folder of both sides in which something is mounted. The source
// may have no file beneath it where the target has something.
func (j *joiner) mountPoint() error {
	l, r := j.l, j.r
	empty, err := j.src.noFileBeneath(l.Path)
	if err != nil {
		return err
	}
	if err := j.advanceTarget(); err != nil {
		return err
	}
	if empty && j.r != nil && record.Under(record.Fold(j.r.Path), record.Fold(r.Path)) {
		j.d.emptyMount(l)
	}
	j.hide()
	if err := j.d.both(l, r); err != nil {
		return err
	}
	return j.advanceSource()
}

// cede reports whether the source's entry has lost its place to a twin. It may if the
// target has another spelling, which belongs to the twin that is spelled alike, if there
// is one. Which of several others was stored is not known, so none of them takes its
// place. It never belongs to an entry that is not stored, if there is another one.
func (j *joiner) cede() (lost bool, err error) {
	if name(j.l.Path) == name(j.r.Path) && !neverStored(j.l) {
		return false, nil
	}
	winner, disputed, err := j.winner()
	if winner == "" || err != nil {
		return false, err
	}
	if disputed {
		j.contested = record.Fold(j.l.Path)
	}
	for l := j.l; ; { // what is beneath it yields, too
		if err := j.d.yield(l, winner); err != nil {
			return false, err
		}
		if !j.src.holds() {
			return true, nil
		}
		if l, err = j.src.next(); err != nil {
			return false, err
		}
	}
}

// winner looks behind the source's entry for a twin that has the better claim to the
// place of both on the target: one spelled as the target has it, or one that is stored if
// the entry is not. It returns "" if there is none. The place is disputed if both are
// spelled otherwise, or it was before.
func (j *joiner) winner() (path string, disputed bool, err error) {
	l, spelling := j.l, name(j.r.Path)
	twin, err := j.src.peekBehind(l.Path)
	if err != nil {
		return "", false, err
	}
	stored := twin != nil && !neverStored(twin) && dir(twin.Path) == dir(l.Path) && record.Fold(twin.Path) == record.Fold(l.Path)
	switch {
	case !neverStored(l) && j.contested != "" && record.Fold(l.Path) == j.contested:
		return dir(l.Path) + spelling, true, nil
	case !stored:
		return "", false, nil
	}
	return twin.Path, !neverStored(l) && name(twin.Path) != spelling, nil
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
