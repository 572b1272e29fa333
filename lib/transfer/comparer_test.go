package transfer

import (
	"bytes"
	"crypto/md5"
	"os"
	"path/filepath"
	"testing"
)

// Wherever what is written begins to differ from the file, and however it is cut up, the
// MD5 is that of all of it.
func TestComparerSum(t *testing.T) {
	const size = 3*pieceSize + 100
	content := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int{0, 1, pieceSize - 1, pieceSize, 2*pieceSize + 7, size - 1} {
		for _, step := range []int{1000, pieceSize - 1, pieceSize, pieceSize + 1, size} {
			for _, length := range []int{size, size + 5} {
				other := append(bytes.Clone(content), "after"...)[:length]
				other[at] ^= 1
				c := &comparer{with: f}
				for rest := other; len(rest) > 0; rest = rest[min(step, len(rest)):] {
					c.Write(rest[:min(step, len(rest))])
				}
				if want := md5.Sum(other); !c.differs || c.err != nil || c.at != int64(length) || !bytes.Equal(c.sum.Sum(nil), want[:]) || c.collides() {
					t.Errorf("differs at %d, in steps of %d, length %d: %+v", at, step, length, c)
				}
			}
		}
	}
	c := &comparer{with: f}
	c.Write(append(bytes.Clone(content), 'x')) // the file is shorter
	if want := md5.Sum(append(bytes.Clone(content), 'x')); !c.differs || !bytes.Equal(c.sum.Sum(nil), want[:]) {
		t.Errorf("%+v", c)
	}
}
