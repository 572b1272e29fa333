// Package diff plans how to make one tree like another.
//
// It joins two streams of records in tree order, the source's and the target's,
// and gives each entry an action with a reason. It changes nothing: its output
// is a plan, which can be read, saved and carried out later.
//
// The join runs in constant memory. Deletions are treated separately: they wait, on
// disk if there are many, until the source is known to be whole, and then have to pass
// the brakes of [Options].
package diff

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Emit takes the records of the plan, in the order they are to be written.
type Emit func(*record.Record) error

// ErrWithheld is wrapped by the error that says why deletions were not
// proposed. The rest of the plan stands.
var ErrWithheld = errors.New("deletions withheld")

// Plan joins source with target and hands the plan to emit: the source's
// records with action and reason, then the deletions. With TrackRenames, new files
// come after all that is not new, as puts or moves. A move takes the old name away, so
// none is proposed where no deletion would be.
//
// Files that would be overwritten come after all that streams, if MaxChange is set, and
// before new ones.
//
// A returned [*WithheldError] means that only deletions or overwriting are missing; a
// [*BrakeError] among its causes, that a brake held them. What a brake has held is in
// the plan, with action none, status skipped and [record.ReasonHeld]. Every other error means that
// the plan stops short.
func Plan(ctx context.Context, source *record.Reader, target *record.Sorter, emit Emit, opts Options) error {
	p := &plan{opts: opts, emit: emit, spared: newTerritory(opts.Spared)}
	defer p.close()
	if opts.Begin != nil && !opts.Past.Known {
		files, err := countFiles(target, p.spared)
		if err != nil {
			return err
		}
		opts.Begin(files)
	}
	src := &ordered{in: source, foreign: emit, warn: opts.Warn}
	defer src.close()

	if err := join(ctx, src.records(), p.skimming(src, target), p, opts.PruneIgnored); err != nil {
		return err
	}
	if opts.Stored != nil {
		opts.Stored(p.stored)
	}
	if src.rest != nil {
		if err := p.joinRest(ctx, src, target); err != nil {
			return err
		}
	}
	return p.finish(ctx, source)
}

// plan is what planning remembers: nothing that grows, except on disk.
type plan struct {
	opts     Options
	emit     Emit
	twins    twins
	seen     seen // what the first pass met, in case there is a second
	second   bool // the sorted rest of a source that was out of order
	spared   *territory
	files    int64
	stored   int64           // entries of the target
	onTarget int64           // those that are files
	lost     int64           // files that are gone; with Prune only the candidates in gone count
	foreign  int64           // entries of other jobs that the source does not have
	toldOf   map[string]bool // folders of other jobs that were reported
	unsaved  int64           // files that the target has no version of, and that this run cannot send
	clash    string          // source path that cannot be stored as its kind; all beneath it is stuck too
	gone     record.Spool    // candidates for deletion, in tree order
	unpaired record.Sorter   // loose keys of source entries that the target lacks
	fresh    record.Sorter   // with TrackRenames: new files, until it is known what is gone
	changed  record.Spool    // with MaxChange: files to overwrite, until it is known how many
}

func (p *plan) close() {
	p.gone.Close()
	p.unpaired.Close()
	p.fresh.Close()
	p.changed.Close()
	p.seen.close()
}

// admit looks at a source record before the join. It returns false for one
// that must not take part in it, after reporting it.
func (p *plan) admit(l *record.Record) (bool, error) {
	if p.opts.Dest != "" {
		l.Remote = p.opts.Dest + "/" + l.Path
	}
	if l.Kind == record.KindFile && !l.Ignored {
		p.files++
	}
	if neverStored(l) {
		return true, nil
	}
	other, double := p.twins.find(l.Path)
	if !double && p.second {
		double, other = p.seen.has(l.Path), "another entry"
	}
	if double {
		return false, p.twin(l, other)
	}
	p.seen.add(l.Path)
	return true, nil
}

// yield reports a source record whose place on the target belongs to its twin.
func (p *plan) yield(loser *record.Record, winner string) error {
	if neverStored(loser) {
		return p.leave(loser)
	}
	p.twins = twins{last: strings.TrimSuffix(dir(winner), "/")}
	if loser.Remote == "" && p.opts.Dest != "" {
		loser.Remote = p.opts.Dest + "/" + loser.Path
	}
	return p.twin(loser, winner)
}

// twin reports a source record that cannot be stored because of another one.
// What the target has in its place, and beneath, is never gone.
func (p *plan) twin(l *record.Record, other string) error {
	if l.Error == nil {
		l.Error = &record.Error{Class: record.ClassCaseConflict, Message: fmt.Sprintf("its name and that of %s differ at most by case, and the service can hold only one of them; rename one", other)}
	}
	l.Action = record.ActionNone
	if p.opts.Prune {
		if err := p.present(l.Path, true); err != nil {
			return err
		}
	}
	return p.emit(l)
}

// present notes that the source has an entry that the target lacks, so that no entry
// with a similar name counts as gone. If it hides entries beneath it, these do not
// count as gone either.
func (p *plan) present(path string, hides bool) error {
	return p.unpaired.Add(&record.Record{Kind: record.KindFile, Size: record.SizeUnknown, Path: looseKey(path), Ignored: hides})
}

// sourceOnly decides about an entry that the target lacks.
func (p *plan) sourceOnly(l *record.Record) error {
	if p.opts.Prune {
		if err := p.present(l.Path, hides(l, p.opts.PruneIgnored)); err != nil {
			return err
		}
	}
	switch {
	case leftAlone(l):
		if l.Kind == record.KindFile && l.Reason == record.ReasonChanging {
			p.unsaved++
		}
		return p.leave(l)
	case p.clash != "" && record.Under(l.Path, p.clash):
		return p.conflict(l)
	case p.spared.of(l.Path) != "":
		return p.trespass(l)
	}
	if refused, err := p.refused(l); refused || err != nil {
		return err
	}
	if l.Kind == record.KindDir {
		return p.propose(l, record.ActionMkdir, record.ReasonNew)
	}
	if p.opts.TrackRenames {
		return p.putLater(l)
	}
	return p.propose(l, record.ActionPut, record.ReasonNew)
}

// both decides about an entry that source and target have.
func (p *plan) both(l, r *record.Record) error {
	if l.Remote == "" {
		l.Remote = r.Remote
	}
	switch {
	case l.Ignored && !hides(l, p.opts.PruneIgnored):
		if err := p.targetOnly(r); err != nil {
			return err
		}
		return p.leave(l)
	case l.Reason == record.ReasonDangling:
		l.Error = &record.Error{Class: record.ClassVanished, Message: "the link leads nowhere, and something is stored under its name, which stays; is a disk not mounted?"}
		return p.leave(l)
	case leftAlone(l):
		l.Kept = l.Error == nil && l.Reason != record.ReasonChanging
		return p.leave(l)
	case l.Kind != r.Kind && (p.spared.of(l.Path) != "" || p.spared.within(l.Path)):
		return p.trespass(l)
	case l.Kind != r.Kind:
		p.clash = l.Path
		if p.opts.Prune {
			if err := p.targetOnly(r); err != nil {
				return err
			}
		}
		return p.conflict(l)
	}
	if refused, err := p.refused(l); refused || err != nil {
		return err
	}
	if l.Kind == record.KindDir {
		return p.same(l)
	}
	return p.compare(l, r)
}

// emptyMount looks at a folder that has no file in it, while the target has something.
func (p *plan) emptyMount(l *record.Record) { unseen(l) }

// unseen says of a folder in which a file system is mounted, and which has no file while
// something is stored, that its content is out of sight. An empty file system in the
// place of another one is no reason to delete.
func unseen(l *record.Record) {
	if l.Mount && l.Error == nil && !l.Ignored {
		l.Reason = record.ReasonUnreadable
		l.Error = &record.Error{Class: record.ClassVanished, Message: "the file system that is mounted here has no file, and something is stored from it, which stays; mount the right one, or delete with jrm what is stored"}
	}
}

// compare decides about a file that both sides have.
func (p *plan) compare(l, r *record.Record) error {
	switch {
	case r.State != "" && r.State != record.StateCompleted:
		return p.propose(l, record.ActionPut, record.ReasonIncomplete)
	case p.spared.of(l.Path) != "" && (l.Size != r.Size || l.MD5 != r.MD5 || !sameTime(l.MTime, r.MTime)):
		return p.trespass(l)
	case p.opts.Guard.suspects(l, r):
		return p.emit(damaged(l, r))
	case l.Size != r.Size || l.MD5 != r.MD5 && l.MD5 != "" && r.MD5 != "":
		return p.overwrite(l)
	case p.opts.TrackRenames && p.opts.Withhold == nil && l.MD5 != "" && r.MD5 != "" && path.Base(l.Path) != path.Base(r.Path): // in letter case
		l.From = p.opts.Dest + "/" + r.Path
		return p.propose(l, record.ActionMove, record.ReasonRenamed)
	case sameTime(l.MTime, r.MTime):
		return p.same(l)
	case l.MD5 == "" || r.MD5 == "":
		// Without digests an equal size proves nothing once the times differ.
		return p.overwrite(l)
	}
	return p.propose(l, record.ActionTouch, record.ReasonTouched)
}

// overwrite proposes to store other content in the place of what the target has, once it
// is known that it is not too much.
func (p *plan) overwrite(l *record.Record) error {
	if p.opts.MaxChange == nil {
		return p.propose(l, record.ActionPut, record.ReasonChanged)
	}
	l.Action, l.Reason = record.ActionPut, record.ReasonChanged
	return p.changed.Add(l)
}

// sameTime reports whether two times are one as far as the service can tell: it
// keeps whole seconds (docs/protocol.md, section 3.4). An unknown time equals
// every other.
func sameTime(a, b time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return true
	}
	d := a.Sub(b)
	return -time.Second < d && d < time.Second
}

// shadowed leaves alone what cannot be told from another entry.
func (p *plan) shadowed(*record.Record) error { return nil }

// targetOnly takes note of an entry that the source lacks.
func (p *plan) targetOnly(r *record.Record) error {
	if p.second {
		return nil // the first pass has seen to it
	}
	if top := p.spared.of(r.Path); top != "" {
		return p.spare(r, top)
	}
	if p.spared.within(r.Path) {
		return nil // it has to stay for what is beneath
	}
	if r.Kind == record.KindFile {
		p.lost++
	}
	d := *r
	d.Action, d.Reason = record.ActionDelete, record.ReasonGone
	d.Status, d.Error, d.Transfer = "", nil, nil
	if p.opts.Dest != "" {
		d.Remote = p.opts.Dest + "/" + d.Path
	}
	if p.opts.ShowGone {
		d.Action = record.ActionNone
		return p.emit(&d)
	}
	if !p.opts.Prune {
		return nil
	}
	return p.gone.Add(&d)
}

// leftAlone reports whether an entry is listed without being backed up.
func leftAlone(l *record.Record) bool {
	switch {
	case l.Ignored, l.Error != nil, l.Status != "":
		return true
	case l.Kind == record.KindFile:
		return l.Reason == record.ReasonChanging
	}
	return l.Kind != record.KindDir
}

// neverStored reports whether an entry is listed only for information. It does not
// compete with others for its name.
func neverStored(l *record.Record) bool {
	return l.Ignored || l.Kind != record.KindFile && l.Kind != record.KindDir
}

// hides reports whether there may be more beneath an entry than the source
// shows. What circumstances leave out (too young, too large, on another file system) is
// there, and only a rule about names may say that it is not wanted.
func hides(l *record.Record, ignoredIsGone bool) bool {
	byName := l.Ignored && l.Error == nil && (l.Reason == record.ReasonIgnored || l.Reason == "")
	return leftAlone(l) && !(byName && ignoredIsGone)
}

func (p *plan) leave(l *record.Record) error {
	reason := l.Reason
	switch {
	case reason != "":
	case l.Ignored:
		reason = record.ReasonIgnored
	case l.Kind == record.KindSymlink:
		reason = record.ReasonSymlink
	case l.Kind == record.KindSpecial:
		reason = record.ReasonSpecial
	}
	return p.propose(l, record.ActionNone, reason)
}

// same reports an entry that needs nothing.
func (p *plan) same(l *record.Record) error {
	if p.opts.Same != nil && !l.Mount { // where something is mounted has to be known behind
		var same record.Same
		same.Add(l)
		p.opts.Same(same)
		return nil
	}
	return p.propose(l, record.ActionNone, record.ReasonSame)
}

func (p *plan) propose(l *record.Record, action record.Action, reason record.Reason) error {
	l.Action, l.Reason = action, reason
	return p.emit(l)
}

// refused gives l the error that keeps it off the target, if there is one.
func (p *plan) refused(l *record.Record) (bool, error) {
	if dest := jfs.Path(p.opts.Dest); dest.Depth() == 2 && !dest.Covers(dest.Join(l.Path)) {
		l.Action = record.ActionNone
		l.Error = &record.Error{Class: record.ClassNameInvalid, Message: "at the top of a mount point, this name is kept for the notes of these programs; store to a folder in it"}
		return true, p.emit(l)
	}
	if p.opts.Check == nil {
		return false, nil
	}
	listed, problem := p.opts.Check(l.Path)
	if problem == nil {
		return false, nil
	}
	l.Error, l.Action = problem, record.ActionNone
	if p.opts.Prune {
		if err := p.present(listed, true); err != nil {
			return true, err
		}
	}
	return true, p.emit(l)
}

// conflict reports an entry whose place on the target is taken by one of the
// other kind, or that lies beneath such an entry. With Prune, the other one is
// about to be deleted, and the next run stores this one.
func (p *plan) conflict(l *record.Record) error {
	l.Action = record.ActionNone
	if p.opts.Prune {
		l.Reason, l.Status = record.ReasonBlocked, record.StatusSkipped
		return p.emit(l)
	}
	what := "a folder"
	if l.Kind == record.KindDir || l.Path != p.clash {
		what = "a file"
	}
	l.Error = &record.Error{Class: record.ClassKindConflict, Message: fmt.Sprintf("%s called %s is in the way on the service; delete it there, or let --prune do so", what, p.clash)}
	return p.emit(l)
}
