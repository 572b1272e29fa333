package record

import "strings"

var sumEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// AppendSum adds the digest and path of a file as a line that GNU md5sum prints,
// and that "md5sum -c" reads.
func AppendSum(b []byte, r *Record) []byte {
	name := sumEscapes.Replace(r.Path)
	if name != r.Path {
		b = append(b, '\\') // tells md5sum that the name is escaped
	}
	b = append(b, r.MD5...)
	b = append(b, ' ', ' ')
	b = append(b, name...)
	return append(b, '\n')
}
