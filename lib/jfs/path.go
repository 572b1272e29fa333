package jfs

import (
	"strconv"
	"strings"

	"jottatools/lib/record"
)

// Path is an absolute remote path in local names: "/" is the account,
// "/Jotta" a device, "/Jotta/Archive" a mount point, and what follows are
// folders and a file. It has no empty, "." or ".." part and no slash at its end.
//
// [ParsePath] checks a path that comes from outside. The service ignores letter
// case in paths and shows the spelling that was stored.
type Path string

// ParsePath checks a path given by a user or a record and tidies its slashes.
// The path must lie in a mount point; the error says what it needs.
func ParsePath(s string) (Path, error) {
	const need = "; a remote path is a device and a mount point, then folders, such as /Jotta/Archive/photos"
	switch {
	case s == "":
		return "", badPath("the remote path is empty" + need)
	case s[0] != '/':
		return "", badPath("the remote path " + quoted(s) + " does not start with a slash" + need)
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '/' })
	if len(parts) < 2 {
		return "", badPath("the remote path " + quoted(s) + " needs a device and a mount point, such as /Jotta/Archive/photos")
	}
	for _, part := range parts {
		if part == "." || part == ".." {
			return "", badPath("the remote path " + quoted(s) + " has a part " + strconv.Quote(part) + "; write it without")
		}
		if _, err := WireName(part); err != nil {
			return "", err
		}
	}
	return Path("/" + strings.Join(parts, "/")), nil
}

func badPath(message string) error {
	return &Error{Class: record.ClassNameInvalid, Message: message}
}

// Join returns the path of an entry below p. The relative path rel must be
// well-formed, as those of records are; "" is p itself.
func (p Path) Join(rel string) Path {
	switch {
	case rel == "":
		return p
	case p == "/":
		return "/" + Path(rel)
	}
	return p + "/" + Path(rel)
}

// Depth returns the number of parts: 0 for the account, 1 for a device, 2 for a
// mount point, more for what is in it.
func (p Path) Depth() int {
	if p == "/" || p == "" {
		return 0
	}
	return strings.Count(string(p), "/")
}

// Parent returns the path of the folder that p is in. The account is its own
// parent.
func (p Path) Parent() Path {
	if i := strings.LastIndexByte(string(p), '/'); i > 0 {
		return p[:i]
	}
	return "/"
}

// Name returns the last part, "" for the account.
func (p Path) Name() string {
	return string(p[strings.LastIndexByte(string(p), '/')+1:])
}

// MountPoint returns the path of the mount point that p is in, or p itself if it
// is less deep.
func (p Path) MountPoint() Path {
	slashes := 0
	for i := range len(p) {
		if p[i] == '/' {
			if slashes++; slashes == 3 {
				return p[:i]
			}
		}
	}
	return p
}

// In reports whether p is dir or lies below it, by exact spelling.
func (p Path) In(dir Path) bool {
	return dir == "/" || record.Under(string(p), string(dir))
}

// ReservedName is the name, in any letter case, of the folder at the top of each
// mount point in which these programs keep notes of their own. See [Path.Reserved].
const ReservedName = ".jottatools"

// Reserved reports whether p is the folder [ReservedName] at the top of a mount
// point, or lies in it. Nobody's files are there: no listing, restore, deletion or
// mount of a larger place includes it, and no local tree is stored into it, unless
// the place that was asked for is reserved itself. [Path.Covers] says which is the
// case. Deeper folders of that name are ordinary ones.
func (p Path) Reserved() bool {
	top := p.MountPoint()
	if len(p) <= len(top) || top.Depth() < 2 {
		return false
	}
	name, _, _ := strings.Cut(string(p[len(top)+1:]), "/")
	return len(name) >= len(ReservedName) && record.Fold(name) == ReservedName
}

// Covers reports whether an operation on all that is in p is about the entry at
// other: everything is, but what is reserved only if p is, too. It does not look at
// whether other lies in p.
func (p Path) Covers(other Path) bool { return !other.Reserved() || p.Reserved() }

// parts returns the wire names of the path.
func (p Path) parts() ([]string, error) {
	if p.Depth() == 0 {
		return nil, nil
	}
	parts := strings.Split(string(p[1:]), "/")
	for i, part := range parts {
		wire, err := WireName(part)
		if err != nil {
			return nil, err
		}
		parts[i] = wire
	}
	return parts, nil
}

// wire returns the path in wire names, without any escaping.
func (p Path) wire() (string, error) {
	parts, err := p.parts()
	return "/" + strings.Join(parts, "/"), err
}

// escaped returns the path in wire names, escaped for a URL.
func (p Path) escaped() (string, error) {
	parts, err := p.parts()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		escape(&b, part)
	}
	return b.String(), nil
}

// escape adds one part of a URL path. A plus sign is escaped, since the service
// reads a bare one as a space; what stays bare is what rclone leaves bare
// (docs/protocol.md, sections 3.2 and 13.3).
func escape(b *strings.Builder, part string) {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(part); i++ {
		c := part[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("$&,:;=@-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
}
