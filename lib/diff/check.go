package diff

import (
	"fmt"
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Check is for [Options]: it judges a path by the names in it. Names that hold
// the quotation mark of the mapping, U+201B, may stand for the same file on the
// service as others, and come back as those (docs/protocol.md, section 13.2).
func Check(path string) (listed string, problem *record.Error) {
	names := strings.Split(path, "/")
	for i, name := range names {
		wire, err := jfs.WireName(name)
		if err != nil {
			return path, jfs.RecordError(err)
		}
		if names[i] = jfs.LocalName(wire); names[i] != name && problem == nil {
			problem = &record.Error{Class: record.ClassNameInvalid, Message: fmt.Sprintf("the name %q would come back from the service as %q, since \u201b quotes other characters there; rename it", name, names[i])}
		}
	}
	return strings.Join(names, "/"), problem
}
