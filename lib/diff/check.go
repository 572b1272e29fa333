package diff

import (
	"strings"

	"jottatools/lib/jfs"
	"jottatools/lib/record"
)

// Check is for [Options]: it judges a path by the names in it, with
// [jfs.CheckName].
func Check(path string) (listed string, problem *record.Error) {
	names := strings.Split(path, "/")
	for i, name := range names {
		listed, err := jfs.CheckName(name)
		switch {
		case err != nil && listed == name:
			return path, jfs.RecordError(err)
		case err != nil && problem == nil:
			problem = jfs.RecordError(err)
		}
		names[i] = listed
	}
	return strings.Join(names, "/"), problem
}
