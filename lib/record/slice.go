package record

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Slice is a part of a tree: of its paths, each is in one of Of slices, which are
// about equal in number and numbered from 1. Which one depends on the path alone.
type Slice struct{ N, Of int }

// maxSlices bounds how many slices there may be: one a day, for years.
const maxSlices = 10_000

// ParseSlice reads a slice such as "3/30".
func ParseSlice(s string) (Slice, error) {
	first, second, _ := strings.Cut(s, "/")
	n, errN := strconv.ParseUint(first, 10, 31)
	of, errOf := strconv.ParseUint(second, 10, 31)
	if errN != nil || errOf != nil || n < 1 || n > of || of > maxSlices {
		return Slice{}, fmt.Errorf("a slice is written like 3/30, from 1/30 to 30/30, of at most %d; not %q", maxSlices, s)
	}
	return Slice{int(n), int(of)}, nil
}

// String returns the slice as ParseSlice reads it.
func (s Slice) String() string { return fmt.Sprintf("%d/%d", s.N, s.Of) }

// Contains reports whether path is in the slice.
func (s Slice) Contains(path string) bool {
	h := fnv.New64a()
	h.Write([]byte(path))
	return h.Sum64()%uint64(s.Of) == uint64(s.N-1)
}
