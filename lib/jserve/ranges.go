package jserve

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// errRange is a byte range that cannot be served.
var errRange = errors.New("range not satisfiable")

// parseRange reads the Range header of a download of size bytes. whole means
// that everything is sent with status 200: no header, another unit, several
// ranges, or an empty file asked for from its start. Source: docs/protocol.md, section 6.6.
func parseRange(header string, size int64) (start, length int64, whole bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return 0, size, true, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, 0, false, errRange
	}
	if first == "" { // the last n bytes
		n, ok := parseOffset(last)
		if !ok || n == 0 || size == 0 {
			return 0, 0, false, errRange
		}
		n = min(n, size)
		return size - n, n, false, nil
	}
	start, ok = parseOffset(first)
	if !ok {
		return 0, 0, false, errRange
	}
	end := int64(math.MaxInt64)
	if last != "" {
		if end, ok = parseOffset(last); !ok || end < start {
			return 0, 0, false, errRange
		}
	}
	if size == 0 && start == 0 {
		return 0, 0, true, nil
	}
	if start >= size {
		return 0, 0, false, errRange
	}
	end = min(end, size-1)
	return start, end - start + 1, false, nil
}

// parseUploadRange reads where an uploaded body belongs. The end is ignored:
// clients do not agree on it (docs/protocol.md, section 8.2).
func parseUploadRange(header string) (start int64, err error) {
	if header == "" {
		return 0, nil
	}
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return 0, errRange
	}
	first, _, ok := strings.Cut(spec, "-")
	if !ok {
		return 0, errRange
	}
	start, ok = parseOffset(first)
	if !ok || start == math.MaxInt64 {
		return 0, errRange
	}
	return start, nil
}

// parseOffset reads digits only; numbers beyond 63 bits count as the largest.
func parseOffset(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}
