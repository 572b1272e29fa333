package walk

import "strings"

// wildmatch reports whether the whole of name matches the pattern, as git does
// in ignore files: '*' and '?' and sets match no slash, and "**" between slashes
// matches any number of folders. It works on bytes, as git does.
//
// The time it takes grows with the pattern and the square of the name at most,
// whatever the pattern: ignore files are found in the tree, and so may be
// anybody's.
func wildmatch(pattern, name string) bool {
	// Where to go on after a mismatch: behind the last '*' or "**" of the
	// pattern, with that having taken one byte or one folder more. Those before
	// it need no second try: what the last one leaves is all that matters.
	star, deep := retry{name: -1}, retry{name: -1}
	p, n := 0, 0
	for {
		if p == len(pattern) && n == len(name) {
			return true
		}
		if p < len(pattern) && pattern[p] == '*' {
			end := p
			for end < len(pattern) && pattern[end] == '*' {
				end++
			}
			rest := pattern[end:]
			if end-p > 1 && (p == 0 || pattern[p-1] == '/') && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, `\/`)) {
				if rest == "" {
					return true
				}
				star = retry{name: -1}
				if rest[0] == '/' { // "**/" may stand for nothing
					p, deep = end+1, retry{end + 1, n}
					continue
				}
				deep = retry{end + 2, n}
			} else {
				p, star = end, retry{end, n}
				continue
			}
		} else if p < len(pattern) && n < len(name) {
			width, ok := matchByte(pattern[p:], name[n])
			if width == 0 {
				return false // malformed: it matches nothing
			}
			if ok {
				if name[n] == '/' {
					star = retry{name: -1} // it cannot reach beyond its folder
				}
				p, n = p+width, n+1
				continue
			}
		}
		if star.name >= 0 && star.name < len(name) && name[star.name] != '/' {
			star.name++
			p, n = star.pattern, star.name
			continue
		}
		star = retry{name: -1}
		if deep.name < 0 {
			return false
		}
		slash := strings.IndexByte(name[deep.name:], '/')
		if slash < 0 {
			return false
		}
		deep.name += slash + 1
		p, n = deep.pattern, deep.name
	}
}

type retry struct{ pattern, name int } // offsets; a name of -1 means there is none

// matchByte matches the first element of the pattern, which is not a '*', with
// the byte c. It returns the element's width in bytes, or 0 if it is malformed.
func matchByte(pattern string, c byte) (width int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, c != '/'
	case '[':
		return matchSet(pattern, c)
	case '\\':
		if len(pattern) == 1 {
			return 0, false
		}
		return 2, pattern[1] == c
	}
	return 1, pattern[0] == c
}

// matchSet matches c with the set in brackets that the pattern begins with.
func matchSet(pattern string, c byte) (width int, ok bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	var previous byte // what a range would begin with; 0 after a range or class
	for first := true; ; first = false {
		if i >= len(pattern) {
			return 0, false
		}
		b := pattern[i]
		switch {
		case b == ']' && !first:
			return i + 1, ok != negated && c != '/'
		case b == '-' && previous != 0 && i+1 < len(pattern) && pattern[i+1] != ']':
			if i++; pattern[i] == '\\' {
				i++
			}
			if i >= len(pattern) {
				return 0, false
			}
			ok = ok || previous <= c && c <= pattern[i]
			b = 0
		case strings.HasPrefix(pattern[i:], "[:"):
			end := strings.IndexByte(pattern[i+2:], ']')
			if end < 0 {
				return 0, false
			}
			if class := pattern[i+2 : i+2+end]; strings.HasSuffix(class, ":") {
				in, known := classes[class[:len(class)-1]]
				if !known {
					return 0, false
				}
				ok = ok || in(c)
				i += 2 + end
				b = 0
				break
			}
			ok = ok || c == '['
		case b == '\\':
			if i++; i >= len(pattern) {
				return 0, false
			}
			b = pattern[i]
			fallthrough
		default:
			ok = ok || c == b
		}
		previous = b
		i++
	}
}

// classes are the named sets of bytes, as in the C locale.
var classes = map[string]func(c byte) bool{
	"alnum":  func(c byte) bool { return isAlpha(c) || isDigit(c) },
	"alpha":  isAlpha,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  isDigit,
	"graph":  isGraph,
	"lower":  isLower,
	"print":  func(c byte) bool { return c == ' ' || isGraph(c) },
	"punct":  func(c byte) bool { return isGraph(c) && !isAlpha(c) && !isDigit(c) },
	"space":  func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }, // git's own
	"upper":  isUpper,
	"xdigit": func(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' },
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isUpper(c) || isLower(c) }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isGraph(c byte) bool { return ' ' < c && c < 0x7f }
