package jserve

import (
	"net/url"
	"strings"

	"jottatools/lib/jserve/store"
)

// jfsPath returns the path of a /jfs request below the account, having checked
// that the account is the one signed in.
func (c *call) jfsPath() (store.Path, error) {
	p, err := splitURLPath(strings.TrimPrefix(c.r.URL.EscapedPath(), "/jfs"))
	if err != nil {
		return nil, err
	}
	if len(p) == 0 {
		return nil, errNoUserInURL
	}
	if !c.user.isCalled(p[0]) {
		return nil, errBadCredentials
	}
	return p[1:], nil
}

// isCalled tells whether a path segment names the account.
func (a *account) isCalled(seg store.Segment) bool {
	for _, name := range []string{seg.Name, seg.Alt} {
		if name != "" && (store.Fold(name) == store.Fold(a.name) || a.email != "" && store.Fold(name) == store.Fold(a.email)) {
			return true
		}
	}
	return false
}

// splitURLPath splits and decodes the escaped path of a URL. Doubled slashes
// and one at the end do not count; a raw + is a space, or else itself. Source:
// docs/protocol.md, section 3.2.
func splitURLPath(escaped string) (store.Path, error) {
	var p store.Path
	for part := range strings.SplitSeq(escaped, "/") {
		if part == "" {
			continue
		}
		literal, err := url.PathUnescape(part)
		if err != nil {
			return nil, invalid("malformed escape in path")
		}
		seg := store.Segment{Name: literal}
		if strings.Contains(part, "+") {
			// Only the raw ones are spaces, not those that came as %2B.
			spaced, err := url.PathUnescape(strings.ReplaceAll(part, "+", "%20"))
			if err != nil {
				return nil, invalid("malformed escape in path")
			}
			seg = store.Segment{Name: spaced, Alt: literal}
		}
		if err := checkSegment(seg.Name); err != nil {
			return nil, err
		}
		p = append(p, seg)
	}
	return p, nil
}

// splitPlainPath splits a path that is not escaped, as in allocate's JSON and
// in the targets of mv and cp.
func splitPlainPath(path string) (store.Path, error) {
	var p store.Path
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		if err := checkSegment(part); err != nil {
			return nil, err
		}
		p = append(p, store.Segment{Name: part})
	}
	return p, nil
}

// checkSegment refuses what no path can hold, whether or not it exists. Other
// names that the service does not take are simply not found on look-up.
func checkSegment(name string) error {
	switch {
	case name == "." || name == "..":
		return invalid("path contains %q", name)
	case strings.ContainsAny(name, "/\x00"):
		return invalid("slash or NUL in a name")
	case strings.Contains(name, "%"):
		return errPercent
	}
	return nil
}

// targetPath reads the value of mv, mvDir and cp: an absolute path with the account.
func (c *call) targetPath(value string) (store.Path, error) {
	if !strings.HasPrefix(value, "/") {
		return nil, invalid("target %q is not an absolute path", value)
	}
	p, err := splitPlainPath(value)
	if err != nil {
		return nil, err
	}
	if len(p) == 0 || !c.user.isCalled(p[0]) {
		return nil, invalid("target %q does not begin with the user name", value)
	}
	return p[1:], nil
}

// allocatePath reads the path of an allocate request: /jfs/<device>/…, or
// relative to the built-in device. Source: docs/protocol.md, section 8.1.
func allocatePath(path string) (store.Path, error) {
	rest, absolute := strings.CutPrefix(path, "/jfs/")
	p, err := splitPlainPath(rest)
	if err == errPercent {
		return nil, invalid("name contains %%")
	}
	if err != nil {
		return nil, err
	}
	if !absolute {
		p = append(store.NewPath(store.BuiltinDevice), p...)
	}
	if len(p) < 3 {
		return nil, invalid("path %q names no file", path)
	}
	return p, nil
}

// fullPath is a path as error texts show it.
func (c *call) fullPath(p store.Path) string { return "/" + c.user.name + p.String() }
