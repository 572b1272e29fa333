package record

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"strings"
)

// Known is a list of entries whose problems a person knows, and does not want to hear of
// every night. The zero value knows nothing.
type Known struct{ patterns []knownPattern }

type knownPattern struct {
	text string
	name bool // it is held against the last part of a path, too
}

// ReadKnown reads a list: one path beneath the source a line, or a pattern of
// [path.Match]. As in .gitignore, a line without a slash means a name in any folder, one
// that begins with a slash does not, and a folder stands for everything beneath it. Blank
// lines and those that begin with # mean nothing.
func ReadKnown(r io.Reader) (Known, error) {
	var k Known
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.Trim(line, "/")
		if _, err := path.Match(text, ""); err != nil || text == "" {
			return Known{}, fmt.Errorf("line %d: %q is neither a path nor a pattern", n, clip(line))
		}
		k.patterns = append(k.patterns, knownPattern{text, !strings.Contains(strings.TrimSuffix(line, "/"), "/")})
	}
	return k, lines.Err()
}

// Has reports whether the problem of r is known: a pattern matches its path or a folder
// above it, and the problem lies in the entry itself, in its name above all, so that no
// other run will take it. Anything that may pass, or may be a loss, is never known:
// trouble with the service, the account or the disk, damage, missing permissions.
func (k Known) Has(r *Record) bool {
	return len(k.patterns) > 0 && r.Error != nil && lasting(r) && k.matches(r.Path)
}

func lasting(r *Record) bool {
	switch r.Error.Class {
	case ClassCaseConflict, ClassKindConflict, ClassNameInvalid, ClassNameTooLong:
		return true
	case ClassCorrupt:
		return false
	}
	// What has no content loses none.
	return r.Reason == ReasonUnreadable && (r.Kind == KindSpecial || r.Kind == KindFile && r.Size == 0)
}

func (k Known) matches(p string) bool {
	for _, pattern := range k.patterns {
		for above := p; above != "."; above = path.Dir(above) {
			if pattern.match(above) || pattern.name && pattern.match(path.Base(above)) {
				return true
			}
		}
	}
	return false
}

func (p knownPattern) match(s string) bool {
	ok, _ := path.Match(p.text, s)
	return ok || p.text == s
}
