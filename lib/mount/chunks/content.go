package chunks

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ErrMissing says that the cache does not have all of what was asked for.
var ErrMissing = errors.New("not in the cache")

// ErrDamaged says that a content is not what its MD5 says.
var ErrDamaged = errors.New("the content is not what its MD5 says")

// Content is one content, open. It is safe for concurrent use.
type Content struct {
	cache *Cache
	id    ID
	users int // guarded by the cache's mu

	mu       sync.Mutex // guards what follows; not held while content is read or written
	segments map[int64]*segment
}

// segment is one file of the cache, open: its blocks, then their sums, then the
// mark that the whole content has been found right.
type segment struct {
	name  segmentName
	inUse sync.RWMutex // held while the file is read or written; locked to give it up
	file  *os.File

	mu      sync.Mutex // guards what follows
	sums    []uint32   // of each block; 0: missing
	checked []bool     // the block has been compared with its sum
	missing int        // blocks
}

// verifiedMark stands behind the sums of segment 0 of a content that was checked.
const verifiedMark = 0x0b5e55ed

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum returns the checksum of a block, never 0.
func sum(block []byte) uint32 {
	if s := crc32.Checksum(block, castagnoli); s != 0 {
		return s
	}
	return 1
}

func blocksOf(size int64) int64 { return (size + BlockSize - 1) / BlockSize }

func roundUp(size int64) int64 { return blocksOf(size) * BlockSize }

// ID returns the name of the content.
func (c *Content) ID() ID { return c.id }

// Blocks returns how many blocks the content has.
func (c *Content) Blocks() int64 { return blocksOf(c.id.Size) }

// blockLen returns the length of a block; the last one is shorter.
func (c *Content) blockLen(n int64) int { return int(min(BlockSize, c.id.Size-n*BlockSize)) }

// segmentLen returns how many bytes of content a segment holds.
func (c *Content) segmentLen(number int64) int64 {
	return min(segmentSize, c.id.Size-number*segmentSize)
}

// Close ends the use of the content.
func (c *Content) Close() {
	c.cache.mu.Lock()
	defer c.cache.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	delete(c.cache.contents, c.id)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now() // when they were last used
	for n, s := range c.segments {
		s.file.Close() // nobody is left who could use it
		os.Chtimes(c.cache.file(s.name), now, now)
		delete(c.segments, n)
		if e := c.cache.kept[s.name]; e != nil {
			c.cache.used.MoveToFront(e)
		}
	}
}

// giveUp closes and removes a segment, unless it is in use this very moment. The
// cache's mu is held.
func (c *Content) giveUp(number int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.segments[number]; s != nil {
		if !s.inUse.TryLock() {
			return false
		}
		defer s.inUse.Unlock()
		s.file.Close()
		delete(c.segments, number)
	}
	os.Remove(c.cache.file(segmentName{c.id, number}))
	return true
}

// use returns the segment, which stays open until it is given back with
// s.inUse.RUnlock. Without create, there is none if there is no file.
func (c *Content) use(number int64, create bool) (*segment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.segments[number]
	if s == nil {
		var err error
		if s, err = c.open(number, create); err != nil {
			return nil, err
		}
		c.segments[number] = s
	}
	s.inUse.RLock()
	return s, nil
}

func (c *Content) open(number int64, create bool) (*segment, error) {
	name := segmentName{c.id, number}
	path := c.cache.file(name)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return nil, ErrMissing
		}
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	blocks := blocksOf(c.segmentLen(number))
	s := &segment{name: name, file: file, sums: make([]uint32, blocks), checked: make([]bool, blocks), missing: int(blocks)}
	tail := make([]byte, 4*blocks)
	n, _ := file.ReadAt(tail, c.segmentLen(number)) // what cannot be read is missing
	for i := range s.sums[:n/4] {
		s.sums[i] = binary.LittleEndian.Uint32(tail[4*i:])
		if s.sums[i] != 0 {
			s.missing--
		}
	}
	return s, nil
}

// Has reports whether the cache has a block. It may turn out to be damaged.
func (c *Content) Has(block int64) bool {
	s, err := c.use(block/segmentBlocks, false)
	if err != nil {
		return false
	}
	defer s.inUse.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sums[block%segmentBlocks] != 0
}

// Complete reports whether the cache has all blocks.
func (c *Content) Complete() bool {
	for n := int64(0); n*segmentSize < c.id.Size; n++ {
		s, err := c.use(n, false)
		if err != nil {
			return false
		}
		s.mu.Lock()
		missing := s.missing
		s.mu.Unlock()
		s.inUse.RUnlock()
		if missing > 0 {
			return false
		}
	}
	return true
}

// ReadAt reads p from offset on; both must lie in the content. The error is
// ErrMissing if a part is not there.
func (c *Content) ReadAt(p []byte, offset int64) error {
	for len(p) > 0 {
		number, inSegment := offset/segmentSize, offset%segmentSize
		n := int(min(int64(len(p)), segmentSize-inSegment))
		if err := c.readSegment(number, p[:n], inSegment); err != nil {
			return err
		}
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

func (c *Content) readSegment(number int64, p []byte, offset int64) error {
	s, err := c.use(number, false)
	if err != nil {
		return err
	}
	defer s.inUse.RUnlock()
	for b := offset / BlockSize; b*BlockSize < offset+int64(len(p)); b++ {
		s.mu.Lock()
		want, checked := s.sums[b], s.checked[b]
		s.mu.Unlock()
		switch {
		case want == 0:
			return ErrMissing
		case !checked:
			if err := c.checkBlock(s, b, want); err != nil {
				return err
			}
		}
	}
	_, err = s.file.ReadAt(p, offset)
	return err
}

// checkBlock compares a block with its sum, once for each time the segment is
// opened, and forgets it if it is another.
func (c *Content) checkBlock(s *segment, b int64, want uint32) error {
	block := buffers.Get().(*[BlockSize]byte)
	defer buffers.Put(block)
	data := block[:c.blockLen(s.name.number*segmentBlocks+b)]
	_, err := s.file.ReadAt(data, b*BlockSize)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && sum(data) == want {
		s.checked[b] = true
		return nil
	}
	if s.sums[b] == want {
		s.sums[b] = 0
		s.missing++
	}
	return ErrMissing
}

var buffers = sync.Pool{New: func() any { return new([BlockSize]byte) }}

// WriteBlock keeps a block, which must have its full length.
func (c *Content) WriteBlock(block int64, data []byte) error {
	if len(data) != c.blockLen(block) {
		return errors.New("a block of the wrong length")
	}
	number, b := block/segmentBlocks, block%segmentBlocks
	s, err := c.use(number, true)
	if err != nil {
		return err
	}
	grown, err := c.writeBlock(s, b, data)
	s.inUse.RUnlock()
	if grown {
		c.cache.grew(s.name, BlockSize)
	}
	return err
}

func (c *Content) writeBlock(s *segment, b int64, data []byte) (grown bool, err error) {
	s.mu.Lock()
	have := s.sums[b] != 0
	s.mu.Unlock()
	if have {
		return false, nil
	}
	if _, err := s.file.WriteAt(data, b*BlockSize); err != nil {
		return false, err
	}
	check := sum(data)
	if _, err := s.file.WriteAt(binary.LittleEndian.AppendUint32(nil, check), c.segmentLen(s.name.number)+4*b); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sums[b] == 0 {
		s.sums[b], s.checked[b] = check, true
		s.missing--
		grown = true
	}
	return grown, nil
}

// Verified reports whether Verify has found the content right before.
func (c *Content) Verified() bool {
	s, err := c.use(0, false)
	if err != nil {
		return false
	}
	defer s.inUse.RUnlock()
	var mark [4]byte
	_, err = s.file.ReadAt(mark[:], c.segmentLen(0)+4*int64(len(s.sums)))
	return err == nil && binary.LittleEndian.Uint32(mark[:]) == verifiedMark
}

// Verify compares the whole content with its MD5. The error is ErrDamaged if it is
// another, and then the cache has nothing of it any more; ErrMissing if it is not
// complete; or the context's cause.
func (c *Content) Verify(ctx context.Context) error {
	hash := md5.New()
	block := buffers.Get().(*[BlockSize]byte)
	defer buffers.Put(block)
	for n := range c.Blocks() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		data := block[:c.blockLen(n)]
		if err := c.ReadAt(data, n*BlockSize); err != nil {
			return err
		}
		hash.Write(data)
	}
	if hex.EncodeToString(hash.Sum(nil)) != c.id.MD5 {
		c.drop()
		return ErrDamaged
	}
	s, err := c.use(0, false)
	if err != nil {
		return err
	}
	defer s.inUse.RUnlock()
	_, err = s.file.WriteAt(binary.LittleEndian.AppendUint32(nil, verifiedMark), c.segmentLen(0)+4*int64(len(s.sums)))
	return err
}

// drop forgets all blocks.
func (c *Content) drop() {
	for n := int64(0); n*segmentSize < c.id.Size; n++ {
		s, err := c.use(n, false)
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.missing = len(s.sums)
		clear(s.sums)
		clear(s.checked)
		s.mu.Unlock()
		s.file.Truncate(0)
		s.inUse.RUnlock()
	}
}

// writeSums makes a file with a whole content of one segment a verified segment.
func writeSums(name string, size int64, sums []uint32) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	var tail []byte
	for _, s := range append(slices.Clip(sums), verifiedMark) {
		tail = binary.LittleEndian.AppendUint32(tail, s)
	}
	_, err = file.WriteAt(tail, size)
	return errors.Join(err, file.Close())
}

// Summer finds the checksums of the blocks of what is written to it.
type Summer struct {
	sums  []uint32
	block []byte
}

// Write never fails.
func (s *Summer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), BlockSize-len(s.block))
		s.block = append(s.block, p[:take]...)
		p = p[take:]
		if len(s.block) == BlockSize {
			s.sums, s.block = append(s.sums, sum(s.block)), s.block[:0]
		}
	}
	return n, nil
}

// Sums returns the sums of all blocks, after the last Write.
func (s *Summer) Sums() []uint32 {
	if len(s.block) > 0 {
		s.sums, s.block = append(s.sums, sum(s.block)), nil
	}
	return s.sums
}
