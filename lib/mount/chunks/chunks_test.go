package chunks

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// random returns n bytes and the name of that content.
func random(seed uint64, n int) ([]byte, ID) {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	sum := md5.Sum(b)
	return b, ID{hex.EncodeToString(sum[:]), int64(n)}
}

func open(t *testing.T, dir string, limit int64) *Cache {
	t.Helper()
	c, err := Open(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func content(t *testing.T, c *Cache, id ID) *Content {
	t.Helper()
	k, err := c.Content(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fill writes blocks of b.
func fill(t *testing.T, k *Content, b []byte, blocks ...int64) {
	t.Helper()
	for _, n := range blocks {
		if err := k.WriteBlock(n, b[n*BlockSize:min(int64(len(b)), (n+1)*BlockSize)]); err != nil {
			t.Fatal(err)
		}
	}
}

func allBlocks(k *Content) (all []int64) {
	for n := range k.Blocks() {
		all = append(all, n)
	}
	return all
}

func TestSizesAroundTheBlock(t *testing.T) {
	for _, size := range []int{1, BlockSize - 1, BlockSize, BlockSize + 1, 3 * BlockSize, segmentSize - 1, segmentSize + 1} {
		dir := t.TempDir()
		b, id := random(1, size)
		c := open(t, dir, MinLimit)
		k := content(t, c, id)
		if k.Complete() || k.Has(0) || !errors.Is(k.ReadAt(make([]byte, 1), 0), ErrMissing) {
			t.Errorf("%d bytes: an empty cache has something", size)
		}
		fill(t, k, b, allBlocks(k)...)
		if !k.Complete() {
			t.Errorf("%d bytes: not complete", size)
		}
		if err := k.Verify(t.Context()); err != nil || !k.Verified() {
			t.Errorf("%d bytes: %v, verified %v", size, err, k.Verified())
		}
		k.Close()
		// The next process finds it.
		again := content(t, open(t, dir, MinLimit), id)
		got := make([]byte, size)
		if err := again.ReadAt(got, 0); err != nil || !bytes.Equal(got, b) || !again.Complete() || !again.Verified() {
			t.Errorf("%d bytes: read again: %v, complete %v, verified %v", size, err, again.Complete(), again.Verified())
		}
		again.Close()
	}
}

func TestParts(t *testing.T) {
	b, id := random(2, 4*BlockSize)
	k := content(t, open(t, t.TempDir(), MinLimit), id)
	defer k.Close()
	fill(t, k, b, 1, 2)
	p := make([]byte, BlockSize)
	if err := k.ReadAt(p, BlockSize+BlockSize/2); err != nil || !bytes.Equal(p, b[BlockSize+BlockSize/2:][:BlockSize]) {
		t.Errorf("across two blocks: %v", err)
	}
	if err := k.ReadAt(p, BlockSize/2); !errors.Is(err, ErrMissing) {
		t.Errorf("into a missing block: %v", err)
	}
	if err := k.WriteBlock(0, p[:10]); err == nil {
		t.Error("a short block was taken")
	}
	if err := k.Verify(t.Context()); !errors.Is(err, ErrMissing) {
		t.Errorf("verify: %v", err)
	}
}

// TestDamageIsMissing: what the disk has changed is fetched again.
func TestDamageIsMissing(t *testing.T) {
	b, id := random(3, 3*BlockSize)
	dir := t.TempDir()
	c := open(t, dir, MinLimit)
	k := content(t, c, id)
	fill(t, k, b, 0, 1, 2)
	k.Close()
	name := c.file(segmentName{id: id})
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[BlockSize+5] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	k = content(t, c, id)
	defer k.Close()
	p := make([]byte, BlockSize)
	if err := k.ReadAt(p, BlockSize); !errors.Is(err, ErrMissing) {
		t.Errorf("damaged block: %v", err)
	}
	if err := k.ReadAt(p, 2*BlockSize); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	if k.Complete() || k.Has(1) {
		t.Error("the damaged block still counts")
	}
	fill(t, k, b, 1)
	if err := k.Verify(t.Context()); err != nil {
		t.Errorf("after it was fetched again: %v", err)
	}
}

// TestCutFile: a file that is shorter than it should be lacks blocks.
func TestCutFile(t *testing.T) {
	b, id := random(4, 3*BlockSize)
	for _, size := range []int64{0, 1, BlockSize, 3 * BlockSize, 3*BlockSize + 5} {
		c := open(t, t.TempDir(), MinLimit)
		k := content(t, c, id)
		fill(t, k, b, 0, 1, 2)
		k.Close()
		if err := os.Truncate(c.file(segmentName{id: id}), size); err != nil {
			t.Fatal(err)
		}
		k = content(t, c, id)
		got := make([]byte, len(b))
		if err := k.ReadAt(got, 0); !errors.Is(err, ErrMissing) {
			t.Errorf("cut to %d: %v", size, err)
		}
		fill(t, k, b, 0, 1, 2)
		if err := k.ReadAt(got, 0); err != nil || !bytes.Equal(got, b) {
			t.Errorf("cut to %d and filled again: %v", size, err)
		}
		k.Close()
	}
}

func TestWrongContentIsDropped(t *testing.T) {
	b, _ := random(5, 2*BlockSize)
	_, other := random(6, 2*BlockSize)
	k := content(t, open(t, t.TempDir(), MinLimit), other)
	defer k.Close()
	fill(t, k, b, 0, 1)
	if err := k.Verify(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("verify: %v", err)
	}
	if k.Has(0) || k.Complete() || k.Verified() {
		t.Error("something of it is left")
	}
}

func TestEviction(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, MinLimit)
	c.scan.Wait()
	const each, room = 4 * BlockSize, 10
	c.limit = room * each
	var ids []ID
	for i := range uint64(room + 2) {
		b, id := random(10+i, each)
		ids = append(ids, id)
		k := content(t, c, id)
		fill(t, k, b, allBlocks(k)...)
		k.Close()
		if i == 2 {
			first := content(t, c, ids[0]) // used again, so that the second is the oldest
			first.ReadAt(make([]byte, 1), 0)
			first.Close()
		}
	}
	if c.Used() != c.limit {
		t.Errorf("%d bytes are kept, the limit is %d", c.Used(), c.limit)
	}
	var onDisk int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if fi, err := d.Info(); err == nil && !d.IsDir() {
			onDisk += diskUsage(fi)
		}
		return err
	})
	if onDisk > c.limit+room*BlockSize {
		t.Errorf("%d bytes on disk", onDisk)
	}
	for i, id := range ids {
		k := content(t, c, id)
		if got, want := k.Complete(), i != 1 && i != 2; got != want {
			t.Errorf("content %d is there: %v, want %v", i, got, want)
		}
		k.Close()
	}
	// A later process knows what there is.
	again := open(t, dir, MinLimit)
	again.scan.Wait()
	if again.Used() != onDisk {
		t.Errorf("found %d bytes, want %d", again.Used(), onDisk)
	}
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, MinLimit)
	for _, size := range []int{1, BlockSize, BlockSize + 1, 5*BlockSize + 77} {
		b, id := random(uint64(size), size)
		name := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var sums Summer
		sums.Write(b[:size/2])
		sums.Write(b[size/2:])
		if err := c.Adopt(id, name, sums.Sums()); err != nil {
			t.Fatal(err)
		}
		k := content(t, c, id)
		got := make([]byte, size)
		if err := k.ReadAt(got, 0); err != nil || !bytes.Equal(got, b) || !k.Complete() || !k.Verified() {
			t.Errorf("%d bytes: %v, complete %v, verified %v", size, err, k.Complete(), k.Verified())
		}
		k.Close()
	}
}

func TestForeignFilesGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x", "00/x", "00/00000000000000000000000000000000-1.0", "ab/00000000000000000000000000000000-1.0", "00/00000000000000000000000000000000-1.7"} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700)
		os.WriteFile(filepath.Join(dir, name), nil, 0o600)
	}
	c := open(t, dir, MinLimit)
	c.scan.Wait()
	var left []string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}

// TestManyAtOnce: readers, writers and eviction do not get into each other's way.
func TestManyAtOnce(t *testing.T) {
	c := open(t, t.TempDir(), MinLimit)
	c.mu.Lock()
	c.limit = 20 * BlockSize
	c.mu.Unlock()
	var all sync.WaitGroup
	for i := range uint64(8) {
		b, id := random(20+i%3, 16*BlockSize)
		all.Go(func() {
			for range 20 {
				k := content(t, c, id)
				got := make([]byte, BlockSize)
				for n := range k.Blocks() {
					fill(t, k, b, n)
					if err := k.ReadAt(got, n*BlockSize); err == nil && !bytes.Equal(got, b[n*BlockSize:][:BlockSize]) {
						t.Errorf("block %d is another", n)
					} else if err != nil && !errors.Is(err, ErrMissing) {
						t.Errorf("block %d: %v", n, err)
					}
				}
				k.Close()
			}
		})
	}
	all.Wait()
}

func FuzzParseName(f *testing.F) {
	f.Add("d41d8cd98f00b204e9800998ecf8427e-12.0")
	c := &Cache{dir: "d"}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if !ok {
			return
		}
		if again, ok := parseName(filepath.Base(c.file(n))); !ok || again != n {
			t.Errorf("%q becomes %v, then %v", s, n, again)
		}
	})
}
