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

// AppendTaggedSum adds the digest and path of a file as a line such as BSD's md5 prints,
// and that "cksum --check" reads. Only a name with a newline is escaped, as GNU
// md5sum --tag does: all other names are as they are, so that programs which know no
// escapes find them.
func AppendTaggedSum(b []byte, r *Record) []byte {
	name := r.Path
	if strings.IndexByte(name, '\n') >= 0 {
		name = sumEscapes.Replace(name)
		b = append(b, '\\')
	}
	b = append(b, "MD5 ("...)
	b = append(b, name...)
	b = append(b, ") = "...)
	b = append(b, r.MD5...)
	return append(b, '\n')
}
