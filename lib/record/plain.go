package record

import (
	"math/bits"
	"unicode/utf8"
)

// byteKind says what a byte is within a JSON string.
type byteKind uint8

const (
	plainByte     byteKind = iota // printable ASCII that stands for itself
	otherByte                     // DEL, or part of a character beyond ASCII
	quoteByte                     // the end
	backslashByte                 // an escape
	controlByte                   // not allowed
)

var kindOf = func() (kinds [256]byteKind) {
	for c := range kinds {
		switch {
		case c < 0x20:
			kinds[c] = controlByte
		case c >= 0x7f:
			kinds[c] = otherByte
		}
	}
	kinds['"'], kinds['\\'] = quoteByte, backslashByte
	return kinds
}()

// plainPrefix returns how many bytes at the start of s are plain. It looks at
// eight at a time, since strings are most of what a record is made of: with one at
// a time, reading and writing a record take half as long again (BenchmarkDecode).
func plainPrefix(s string) int {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		x := eight(s[i:])
		// In each byte the high bit becomes set if it is below 0x20, a quote, a
		// backslash, or above 0x7e. What a byte that is not plain borrows from or
		// carries into the next ones does not matter, as only the first counts.
		special := ((x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones) | (x + ones) | x) & high
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(s) && kindOf[s[i]] == plainByte {
		i++
	}
	return i
}

// eight returns the first eight bytes of s as a number, by one load.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// appendString adds s as a JSON string. Control characters are escaped, and so
// is everything that is not UTF-8, as U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for {
		n := plainPrefix(s)
		b = append(b, s[:n]...)
		if s = s[n:]; s == "" {
			return append(b, '"')
		}
		c := s[0]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s)
			b = utf8.AppendRune(b, r)
			s = s[n:]
			continue
		}
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		s = s[1:]
	}
}
