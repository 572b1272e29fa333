package diff

import (
	"fmt"

	"jottatools/lib/record"
)

// territory is where other jobs store, beneath the folder that this one stores in. What
// is there is theirs: it is neither deleted, moved away nor overwritten.
type territory struct{ folders []string } // folded paths

// newTerritory returns nil if there is none, which costs nothing to ask.
func newTerritory(folders []string) *territory {
	if len(folders) == 0 {
		return nil
	}
	t := new(territory)
	for _, f := range folders {
		t.folders = append(t.folders, record.Fold(f))
	}
	return t
}

// of returns the folder of another job that path is, or is beneath, as far as path
// spells it; "" if there is none.
func (t *territory) of(path string) string {
	if t == nil {
		return ""
	}
	folded := record.Fold(path)
	for _, f := range t.folders {
		if record.Under(folded, f) {
			return f
		}
	}
	return ""
}

// within reports whether a folder of another job is beneath path.
func (t *territory) within(path string) bool {
	if t == nil {
		return false
	}
	folded := record.Fold(path)
	for _, f := range t.folders {
		if record.Under(f, folded) {
			return true
		}
	}
	return false
}

// spare counts an entry of another job, and reports the folder once.
func (p *plan) spare(r *record.Record, top string) error {
	p.foreign++
	if p.opts.Foreign != nil {
		p.opts.Foreign(1)
	}
	if p.second || p.toldOf[top] {
		return nil
	}
	if p.toldOf == nil {
		p.toldOf = map[string]bool{}
	}
	p.toldOf[top] = true
	// The path as the target spells it: folding keeps the number of parts.
	path := firstParts(r.Path, parts(top))
	return p.emit(&record.Record{
		Kind: record.KindDir, Path: path, Size: record.SizeUnknown, Remote: p.opts.Dest + "/" + path,
		Action: record.ActionNone, Reason: record.ReasonForeign, Status: record.StatusSkipped,
	})
}

// trespass reports an entry whose place on the target is another job's.
func (p *plan) trespass(l *record.Record) error {
	top := l.Path
	if folder := p.spared.of(l.Path); folder != "" {
		top = firstParts(l.Path, parts(folder))
	}
	top = p.opts.Dest + "/" + top
	l.Action = record.ActionNone
	l.Error = &record.Error{Class: record.ClassForbidden, Message: fmt.Sprintf("it is not stored, since another job stores in %s; leave it out here, or give one of the two another DEST", top)}
	return p.emit(l)
}

func parts(path string) (n int) {
	n = 1
	for i := range len(path) {
		if path[i] == '/' {
			n++
		}
	}
	return n
}

// firstParts returns the first n parts of a path.
func firstParts(path string, n int) string {
	for i := range len(path) {
		if path[i] == '/' {
			if n--; n == 0 {
				return path[:i]
			}
		}
	}
	return path
}
