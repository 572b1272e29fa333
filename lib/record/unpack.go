package record

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// sniff puts a decompressor in front of a compressed stream.
func (r *Reader) sniff() error {
	magic, err := r.source.Peek(4)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case IsZstd(magic):
		z, err := Unzstd(r.source)
		if err != nil {
			return err
		}
		r.unpack = z
		r.source = bufio.NewReaderSize(z, 64<<10)
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r.source)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		r.unpack = z
		r.source = bufio.NewReaderSize(z, 64<<10)
	default:
		return packedOtherwise(r.source)
	}
	return nil
}

// packedError: the stream is packed in a way that is not recognised, so that its lines
// would be noise.
type packedError struct{ by, unpack string }

func (e packedError) Error() string {
	return fmt.Sprintf("the stream is packed with %s; put %s before this command, or pack it with zstd or gzip", e.by, e.unpack)
}

// Unwrap makes it an [ErrTruncated]: nothing of the stream was read.
func (e packedError) Unwrap() error { return ErrTruncated }

// packers are programs that people pack streams with, and what they write first. No
// line of JSON begins so.
var packers = []struct{ start, by, unpack string }{
	{"\xfd7zXZ\x00", "xz", "xz -dc"},
	{"BZh", "bzip2", "bzip2 -dc"},
	{"\x04\x22\x4d\x18", "lz4", "lz4 -dc"},
	{"LZIP", "lzip", "lzip -dc"},
	{"\x1f\x9d", "compress", "uncompress -c"},
	{"PK\x03\x04", "zip", "funzip"},
}

func packedOtherwise(source *bufio.Reader) error {
	for _, p := range packers {
		if start, _ := source.Peek(len(p.start)); string(start) == p.start {
			return packedError{p.by, p.unpack}
		}
	}
	return nil
}

// IsZstd reports whether a stream is packed with zstd, by its first four bytes. It may
// begin with a frame that is to be skipped: pzstd and writers of seekable streams put
// their tables in such. Source: RFC 8878, sections 3.1.1 and 3.1.2.
func IsZstd(start []byte) bool {
	return len(start) >= 4 && (bytes.Equal(start[:4], []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		start[0]&0xf0 == 0x50 && bytes.Equal(start[1:4], []byte{0x2a, 0x4d, 0x18}))
}

// maxWindow is how far back a stream packed with zstd may refer, in bytes: so much
// of it is kept in memory. The levels up to 20 stay within it.
const maxWindow = 32 << 20

// Unzstd returns what a stream packed with zstd holds. Its memory is bounded,
// whatever the stream asks for.
func Unzstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return unzstd{z.IOReadCloser()}, nil
}

type unzstd struct{ io.ReadCloser }

func (u unzstd) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("zstd: it takes more than %d MiB of memory to unpack; pack it without --ultra and --long", maxWindow>>20)
	}
	return n, err
}
