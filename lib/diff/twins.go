package diff

import (
	"strings"

	"jottatools/lib/record"
)

// twins finds entries whose paths differ at most by case, in a stream in tree
// order. It remembers one path.
type twins struct {
	last  string // the last path that was no twin
	stuck string // a twin; what lies beneath it cannot be stored either
	of    string // what stuck is a twin of
}

// none reports whether path surely collides with none. A second question about the same
// path would be one about a twin.
func (t *twins) none(path string) bool {
	return !(t.stuck != "" && record.Under(path, t.stuck)) && record.DifferBeyondCase(t.last, path)
}

// find returns the path that the given one collides with. The first in tree
// order is the one that stays.
func (t *twins) find(path string) (other string, found bool) {
	if t.stuck != "" && record.Under(path, t.stuck) {
		return t.of, true
	}
	last := t.last
	if last == path {
		return last, true
	}
	if record.DifferBeyondCase(last, path) { // as nearly always
		t.last = path
		return "", false
	}
	for at := 0; ; {
		a, _, moreA := strings.Cut(last[at:], "/")
		b, _, moreB := strings.Cut(path[at:], "/")
		if a != b {
			if record.Fold(a) != record.Fold(b) {
				break
			}
			t.stuck, t.of = path[:at+len(b)], last[:at+len(a)]
			return t.of, true
		}
		if !moreA || !moreB {
			break
		}
		at += len(a) + 1
	}
	t.last = path
	return "", false
}
