package digest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"jottatools/lib/record"
)

// Paths is a set of paths, relative to the root of the records.
type Paths map[string]struct{}

// maxPaths is how long a list of paths may be, in bytes: it is held in memory.
const maxPaths = 1 << 20

// ReadPaths reads a list of paths from the file called name: the true bytes of each, with
// a NUL after it. The file may be a pipe.
func ReadPaths(name string) (Paths, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPaths+1))
	if err != nil {
		return nil, err
	}
	paths, err := parsePaths(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return paths, nil
}

func parsePaths(list string) (Paths, error) {
	if len(list) > maxPaths {
		return nil, fmt.Errorf("the list of paths is longer than %d bytes; to hash that much anew, use --fresh", maxPaths)
	}
	paths := make(Paths)
	for n := 1; list != ""; n++ {
		path, rest, ended := strings.Cut(list, "\x00")
		if !ended {
			return nil, fmt.Errorf("path %d has no NUL byte after it: the list is cut short, or not separated by NUL bytes", n)
		}
		if err := record.CheckPath(path); err != nil {
			return nil, fmt.Errorf("path %d: %w", n, err)
		}
		paths[path], list = struct{}{}, rest
	}
	return paths, nil
}

func (p Paths) has(path string) bool {
	_, ok := p[path]
	return ok
}

// mayHave reports whether the path in the line of a record is in the set, or may be: a
// path that is not written plainly is not taken apart here.
func (p Paths) mayHave(line []byte) bool {
	if len(p) == 0 {
		return false
	}
	_, rest, ok := bytes.Cut(line, []byte(`,"path":"`)) // in a text, its quotes would be escaped
	path, rest, ended := bytes.Cut(rest, []byte{'"'})
	if !ok || !ended || bytes.IndexByte(path, '\\') >= 0 || bytes.Contains(rest, []byte(`"path_raw"`)) {
		return true
	}
	_, ok = p[string(path)]
	return ok
}
