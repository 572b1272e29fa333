package auth

import "strings"

// netrcEntry is what a netrc file says of one machine.
type netrcEntry struct {
	found           bool
	login, password string
	readable        string // by whom besides its owner, if anybody
}

// parseNetrc returns the first entry for machine. It reads what curl reads:
// words between white space, words in double quotes with backslash escapes,
// comments after a # that starts a word, and macdef, which ends at a blank line.
// The default entry is left alone: it is meant for other services. What makes no
// sense is passed over.
func parseNetrc(data, machine string) netrcEntry {
	var entry netrcEntry
	in := false // the entry that is read is the wanted one
	words := netrcWords{rest: strings.TrimPrefix(data, "\ufeff")}
	for {
		word, ok := words.next()
		if !ok {
			return entry
		}
		switch word {
		case "machine", "default":
			if in {
				return entry
			}
			if word == "machine" {
				name, _ := words.value()
				in = strings.EqualFold(name, machine)
				entry.found = in
			}
		case "login", "password", "account":
			value, _ := words.value()
			switch {
			case !in || word == "account":
			case word == "login":
				entry.login = value
			default:
				entry.password = value
			}
		case "macdef":
			words.skipMacro()
		}
	}
}

// netrcWords takes a netrc file apart.
type netrcWords struct{ rest string }

const netrcSpace = " \t\r\n\v\f"

// next returns the next word that is not in a comment.
func (w *netrcWords) next() (string, bool) {
	for {
		w.rest = strings.TrimLeft(w.rest, netrcSpace)
		if !strings.HasPrefix(w.rest, "#") {
			return w.value()
		}
		_, w.rest, _ = strings.Cut(w.rest, "\n")
	}
}

// value returns the next word, which may start with a #: passwords do.
func (w *netrcWords) value() (string, bool) {
	w.rest = strings.TrimLeft(w.rest, netrcSpace)
	switch {
	case w.rest == "":
		return "", false
	case w.rest[0] == '"':
		return w.quoted(), true
	}
	end := strings.IndexAny(w.rest, netrcSpace)
	if end < 0 {
		end = len(w.rest)
	}
	word := w.rest[:end]
	w.rest = w.rest[end:]
	return word, true
}

// quoted reads a word in double quotes. One without its second quote ends with
// the file.
func (w *netrcWords) quoted() string {
	var b strings.Builder
	for i := 1; i < len(w.rest); i++ {
		c := w.rest[i]
		switch {
		case c == '"':
			w.rest = w.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(w.rest):
			i++
			switch c = w.rest[i]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
		}
		b.WriteByte(c)
	}
	w.rest = ""
	return b.String()
}

// skipMacro goes past the next blank line.
func (w *netrcWords) skipMacro() {
	for {
		line, rest, more := strings.Cut(w.rest, "\n")
		w.rest = rest
		if !more || strings.Trim(line, netrcSpace) == "" {
			return
		}
	}
}
