package record

import (
	"crypto/md5"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// A packer makes records small for the time that a [Sorter] holds them. What the
// service lists has few fields, and these become a quarter of their line
// (BenchmarkSorter); every other record stays the line that it is.
type packer struct {
	// place is what the remote path of a packed record has before "/" and its path:
	// that of the first record that has one.
	place string
	begun bool // place is set
}

var errDamaged = errors.New("records held back on disk are damaged")

// What a packed record has. The fields follow in this order. The first of the two
// bytes is never that of a line, which is a brace.
const (
	hasSize = 1 << iota
	hasMTime
	hasMD5
	hasRevision
	hasUploaded
	hasDeleted
	isFolder
	isCompleted
	hasRemote
)

// pack adds r, without its path, to b.
func (p *packer) pack(b []byte, r *Record) []byte {
	// A record that has anything else than what is packed differs from this one.
	if *r != (Record{
		Kind: r.Kind, Path: r.Path, Size: r.Size, MTime: r.MTime, MD5: r.MD5, Revision: r.Revision, Uploaded: r.Uploaded,
		Deleted: r.Deleted, State: r.State, Remote: r.Remote, line: r.line,
	}) {
		return r.append(b)
	}
	has, start := 0, len(b)
	b = append(b, 0, 0)
	switch r.Kind {
	case KindFile:
		if r.Size >= 0 {
			has |= hasSize
			b = binary.AppendUvarint(b, uint64(r.Size))
		}
	case KindDir:
		has |= isFolder
	default:
		return r.append(b[:start])
	}
	if !r.MTime.IsZero() {
		has |= hasMTime
		b = appendPackedTime(b, r.MTime)
	}
	if r.MD5 != "" {
		sum, ok := parseMD5(r.MD5)
		if !ok {
			return r.append(b[:start])
		}
		has |= hasMD5
		b = append(b, sum[:]...)
	}
	if r.Revision != 0 {
		has |= hasRevision
		b = binary.AppendVarint(b, r.Revision)
	}
	if !r.Uploaded.IsZero() {
		has |= hasUploaded
		b = appendPackedTime(b, r.Uploaded)
	}
	if !r.Deleted.IsZero() {
		has |= hasDeleted
		b = appendPackedTime(b, r.Deleted)
	}
	switch r.State {
	case "":
	case StateCompleted:
		has |= isCompleted
	default:
		return r.append(b[:start])
	}
	if r.Remote != "" {
		if !p.covers(r) {
			return r.append(b[:start])
		}
		has |= hasRemote
	}
	binary.BigEndian.PutUint16(b[start:], uint16(has))
	return b
}

// covers reports whether the remote path of r follows from its path.
func (p *packer) covers(r *Record) bool {
	place, ok := strings.CutSuffix(r.Remote, r.Path)
	if !ok || !strings.HasSuffix(place, "/") {
		return false
	}
	place = place[:len(place)-1]
	if !p.begun {
		p.begun, p.place = true, strings.Clone(place)
	}
	return place == p.place
}

// unpack returns the record that was packed. It shares no memory with the
// arguments.
func (p *packer) unpack(path, packed string) (*Record, error) {
	if strings.HasPrefix(packed, "{") {
		r := new(Record)
		return r, r.decode(strings.Clone(packed))
	}
	u := unpacker{rest: packed}
	has := int(u.byte())<<8 | int(u.byte())
	r := &Record{Kind: KindFile, Size: SizeUnknown}
	if has&isFolder != 0 {
		r.Kind = KindDir
	}
	if has&hasSize != 0 {
		r.Size = int64(u.uvarint())
	}
	if has&hasMTime != 0 {
		r.MTime = u.time()
	}
	// The texts are cut from one: the MD5, and the remote path, which ends in the path.
	var texts strings.Builder
	texts.Grow(2*md5.Size + len(p.place) + 1 + len(path))
	if has&hasMD5 != 0 {
		for _, c := range []byte(u.take(md5.Size)) {
			texts.WriteByte(hexDigits[c>>4])
			texts.WriteByte(hexDigits[c&15])
		}
	}
	afterMD5 := texts.Len()
	if has&hasRevision != 0 {
		r.Revision = u.varint()
	}
	if has&hasUploaded != 0 {
		r.Uploaded = u.time()
	}
	if has&hasDeleted != 0 {
		r.Deleted = u.time()
	}
	if has&isCompleted != 0 {
		r.State = StateCompleted
	}
	if has&hasRemote != 0 {
		texts.WriteString(p.place)
		texts.WriteByte('/')
	}
	beforePath := texts.Len()
	texts.WriteString(path)
	all := texts.String()
	r.MD5, r.Path = all[:afterMD5], all[beforePath:]
	if has&hasRemote != 0 {
		r.Remote = all[afterMD5:]
	}
	if u.short || u.rest != "" {
		return nil, errDamaged
	}
	return r, nil
}

// unpackBrief takes from a packed record what there is to compare.
func unpackBrief(packed string) (b Brief, ok bool) {
	u := unpacker{rest: packed}
	const must, may = hasSize | hasMTime | hasMD5 | isCompleted, hasRevision | hasUploaded | hasRemote
	if has := int(u.byte())<<8 | int(u.byte()); has&must != must || has&^(must|may) != 0 {
		return b, false
	}
	b.Size, b.MTime = int64(u.uvarint()), u.time()
	copy(b.MD5[:], u.take(md5.Size))
	return b, !u.short
}

const hexDigits = "0123456789abcdef"

// hexValue is the value of each hex digit as records write it, and 0xff for all else.
var hexValue = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte(hexDigits) {
		values[c] = byte(i)
	}
	return values
}()

// parseMD5 returns the bytes of an MD5, if it is written as records write it.
func parseMD5[T string | []byte](s T) (sum [md5.Size]byte, ok bool) {
	if len(s) != 2*md5.Size {
		return sum, false
	}
	wrong := byte(0)
	for i := range sum {
		high, low := hexValue[s[2*i]], hexValue[s[2*i+1]]
		wrong |= high | low
		sum[i] = high<<4 | low
	}
	return sum, wrong <= 0x0f
}

func appendPackedTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

// unpacker takes values off a packed record, and remembers when it ran out.
type unpacker struct {
	rest  string
	short bool
}

func (u *unpacker) take(n int) string {
	if len(u.rest) < n {
		u.short, u.rest = true, ""
		return ""
	}
	taken := u.rest[:n]
	u.rest = u.rest[n:]
	return taken
}

func (u *unpacker) byte() byte {
	if c := u.take(1); c != "" {
		return c[0]
	}
	return 0
}

func (u *unpacker) uvarint() (n uint64) {
	for shift := 0; ; shift += 7 {
		c := u.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (u *unpacker) varint() int64 {
	n := u.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) time() time.Time {
	seconds := u.varint()
	return time.Unix(seconds, int64(u.uvarint())).UTC()
}
