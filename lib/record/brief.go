package record

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"time"
	"unicode/utf8"
)

// Brief is what tells one content of a file from another. It can be had of a line, and
// of what a [Sorter] holds, without taking all of the record apart: two files are
// compared in a sixth of the time (BenchmarkBrief). That is most of what jdiff does.
type Brief struct {
	Size  int64 // bytes
	MTime time.Time
	MD5   [md5.Size]byte
}

// BriefOf returns what there is to compare of a file that is on disk, and its path, from
// its line. It takes only lines that a [Writer] has written of what jwalk and jhash say of
// a file, with nothing that needs an escape; of all others, correct or not, ok is false.
func BriefOf(line []byte) (path []byte, b Brief, ok bool) {
	l := lineReader{rest: line, ok: true}
	l.key(`{"kind":"file","root":"`)
	l.text()
	l.key(`,"path":"`)
	path = l.text()
	l.key(`,"size":`)
	b.Size = l.number()
	l.key(`,"mtime":"`)
	mtime := l.text()
	if l.optional(`,"mode":"`) {
		l.text()
	}
	if l.optional(`,"ino":`) {
		l.number()
	}
	if l.optional(`,"ctime":"`) {
		l.time(mtime)
	}
	if l.optional(`,"btime":"`) {
		l.time(mtime)
	}
	l.key(`,"md5":"`)
	sum := l.text()
	if !l.ok || string(l.rest) != "}" || len(path) == 0 || len(mtime) == 0 {
		return nil, Brief{}, false
	}
	b.MTime, ok = parseUTC(mtime)
	if ok {
		b.MD5, ok = parseMD5(sum)
	}
	if !ok || l.wide && !utf8.Valid(line) || checkPath(path) != nil {
		return nil, Brief{}, false
	}
	return path, b, true
}

// lineReader takes values off a line, until one is not as it should be.
type lineReader struct {
	rest []byte
	ok   bool
	wide bool // there are bytes beyond ASCII
}

func (l *lineReader) optional(key string) bool {
	if !l.ok || len(l.rest) < len(key) || string(l.rest[:len(key)]) != key {
		return false
	}
	l.rest = l.rest[len(key):]
	return true
}

func (l *lineReader) key(key string) { l.ok = l.optional(key) }

// text takes a text up to and with its closing quote.
func (l *lineReader) text() []byte {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	i := 0
	for ; len(l.rest)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(l.rest[i:])
		// As in plainPrefix, save that bytes beyond ASCII are taken.
		if ((x-0x20*ones)|((x^'"'*ones)-ones)|((x^'\\'*ones)-ones)|x)&high != 0 {
			break
		}
	}
	for ; i < len(l.rest); i++ {
		switch kindOf[l.rest[i]] {
		case otherByte:
			l.wide = true
		case quoteByte:
			text := l.rest[:i]
			l.rest = l.rest[i+1:]
			return text
		case backslashByte, controlByte:
			l.ok = false
			return nil
		}
	}
	l.ok = false
	return nil
}

// number takes a whole number that is not negative and surely fits.
func (l *lineReader) number() (n int64) {
	i := 0
	for ; i < len(l.rest) && i < 19; i++ {
		digit := l.rest[i] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + int64(digit)
	}
	if i == 0 || i == 19 || i > 1 && l.rest[0] == '0' {
		l.ok = false
		return 0
	}
	l.rest = l.rest[i:]
	return n
}

// time takes a time, which often is the same as one that has to be read anyway.
func (l *lineReader) time(known []byte) {
	text := l.text()
	if l.ok && !bytes.Equal(text, known) {
		_, l.ok = parseUTC(text)
	}
}

// checkPath is CheckPath for a path in a line.
func checkPath(path []byte) error {
	if path[0] != '/' && path[0] != '.' && path[len(path)-1] != '/' && !bytes.Contains(path, []byte("//")) && !bytes.Contains(path, []byte("/.")) {
		return nil // as nearly always
	}
	return CheckPath(string(path))
}
