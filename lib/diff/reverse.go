package diff

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"jottatools/lib/record"
)

// Reverse plans the way back: it compares a local tree with the listing of what is
// stored and hands emit, in tree order, what is to be fetched so that the local tree
// becomes like it: get, mkdir and touch, and none for what is the same. What only
// the local side has, or a rule leaves out there, stays as it is, with action none.
//
// Entries that the service has have its size, MD5 and time, and the spelling of the
// local side where there is one. Only the scope of the local stream is planned. If same is
// not nil, it hears of what is the same on both sides instead of emit.
func Reverse(ctx context.Context, local *record.Reader, stored *record.Sorter, emit Emit, same func(record.Same)) error {
	var sorted record.Sorter
	defer sorted.Close()
	for r := range local.All() {
		add := sorted.Add
		if r.Foreign() {
			add = emit
		}
		if err := add(r); err != nil {
			return err
		}
	}
	b := &wayBack{emit: emit, same: same, scope: newScope(local.End().Scope)}
	target := newPulled(all(stored.Sorted(), b.emit))
	defer target.stop()
	return join(ctx, sorted.Sorted(), target, b, false)
}

// all hands on what can be compared. What the service lists with an error goes to
// emit.
func all(stored iter.Seq2[*record.Record, error], emit Emit) iter.Seq2[*record.Record, error] {
	return func(yield func(*record.Record, error) bool) {
		for r, err := range stored {
			if err == nil && r.Error != nil {
				r.Error = &record.Error{Class: r.Error.Class, Message: r.Error.Message} // to be told
				if err = emit(r); err == nil {
					continue
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// wayBack decides what is to be fetched. To join, the local side is the source and
// the service the target.
type wayBack struct {
	emit  Emit
	same  func(record.Same) // may be nil
	scope scope
	twins twins
	spelt []spelling // folders on the way that the two sides spell differently
}

// spelling is a folder's path on the service and the local one.
type spelling struct{ stored, local string }

func (b *wayBack) admit(l *record.Record) (bool, error) {
	if _, double := b.twins.find(l.Path); double {
		return false, b.alone(l)
	}
	return true, nil
}

func (b *wayBack) yield(loser *record.Record, winner string) error {
	b.twins = twins{last: strings.TrimSuffix(dir(winner), "/")}
	return b.alone(loser)
}

func (b *wayBack) sourceOnly(l *record.Record) error { return b.alone(l) }

// alone reports an entry that only the local side has.
func (b *wayBack) alone(l *record.Record) error {
	l.Action = record.ActionNone
	if l.Reason == "" {
		l.Reason = record.ReasonGone
	}
	return b.emit(l)
}

// shadowed reports an entry of the service whose name differs from the one before
// it by case only, as we fold it, and that can stand for no local one.
func (b *wayBack) shadowed(r *record.Record) error {
	r.Error = &record.Error{Class: record.ClassCaseConflict, Message: "another entry has the same name but for its case; fetch it by itself with jget"}
	return b.emit(r)
}

// emptyMount: what is to be fetched goes into the file system that is mounted.
func (b *wayBack) emptyMount(*record.Record) {}

// targetOnly proposes to fetch what only the service has.
func (b *wayBack) targetOnly(r *record.Record) error {
	if !b.scope.covers(r.Path) {
		return nil
	}
	r.Path = b.local(r.Path)
	r.Action, r.Reason = record.ActionGet, record.ReasonNew
	if r.Kind == record.KindDir {
		r.Action = record.ActionMkdir
	}
	return b.emit(r)
}

// local returns the path that an entry of the service gets.
func (b *wayBack) local(path string) string {
	for len(b.spelt) > 0 {
		last := b.spelt[len(b.spelt)-1]
		if record.Under(path, last.stored) {
			return last.local + path[len(last.stored):]
		}
		b.spelt = b.spelt[:len(b.spelt)-1]
	}
	return path
}

func (b *wayBack) both(l, r *record.Record) error {
	stored := r.Path
	r.Path = l.Path
	switch {
	case l.Error != nil, l.Ignored, l.Status != "" || l.Reason == record.ReasonChanging:
		l.Action, l.Remote = record.ActionNone, r.Remote
		if l.Ignored && l.Reason == "" {
			l.Reason = record.ReasonIgnored
		}
		return b.emit(l)
	case l.Kind != r.Kind:
		r.Action = record.ActionNone
		r.Error = &record.Error{Class: record.ClassKindConflict, Message: fmt.Sprintf("a local %s is in its place; move it away first", kindName(l.Kind))}
		return b.emit(r)
	case r.Kind == record.KindDir:
		if stored != l.Path {
			b.local(stored) // takes off the folders that it is not in
			b.spelt = append(b.spelt, spelling{stored, l.Path})
		}
		r.Action, r.Reason = record.ActionNone, record.ReasonSame
	default:
		r.Action, r.Reason = fetch(l, r)
	}
	if b.same != nil && r.Reason == record.ReasonSame {
		var same record.Same
		same.Add(r)
		b.same(same)
		return nil
	}
	return b.emit(r)
}

// fetch decides about a file that both sides have.
func fetch(l, r *record.Record) (record.Action, record.Reason) {
	switch {
	case l.Size != r.Size || l.MD5 != r.MD5 && l.MD5 != "" && r.MD5 != "":
		return record.ActionGet, record.ReasonChanged
	case sameTime(l.MTime, r.MTime):
		return record.ActionNone, record.ReasonSame
	case l.MD5 == "" || r.MD5 == "":
		return record.ActionGet, record.ReasonChanged
	}
	return record.ActionTouch, record.ReasonTouched
}

func kindName(k record.Kind) string {
	switch k {
	case record.KindDir:
		return "folder"
	case record.KindSymlink:
		return "symbolic link"
	case record.KindSpecial:
		return "FIFO, socket or device"
	}
	return "file"
}
