// Package chunks keeps parts of contents on local disk, up to a limit, and gives
// up first what has not been used for longest.
//
// Contents are named by MD5 and size, as the service names them, so what is kept
// under a name never becomes wrong: a file that changes has another name. Each
// content is cut into blocks, and a segment of blocks is one file, which holds a
// checksum of each block it has. A block whose checksum is wrong, because of a power
// cut or a broken disk, is as good as missing. The cache survives its process. It
// fetches nothing; that is the business of package readahead.
package chunks

import (
	"container/list"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// BlockSize is the unit in which content is kept, in bytes: what one small read
	// costs on the line, so not much, and not so little that checksums and requests
	// cost more than the content.
	BlockSize = 64 << 10
	// segmentBlocks is how many blocks a file of the cache holds, and goes with.
	segmentBlocks = 1024
	segmentSize   = segmentBlocks * BlockSize
	// MinLimit is the least that a cache can do with: some segments in use.
	MinLimit = 4 * segmentSize
)

// ID names a content.
type ID struct {
	MD5  string // 32 lower-case hex digits
	Size int64  // bytes
}

// Cache is a folder of segments. Only one process may have it open. It is safe for
// concurrent use.
type Cache struct {
	dir   string
	limit int64
	scan  sync.WaitGroup // the search for what is there

	mu       sync.Mutex // guards what follows
	contents map[ID]*Content
	kept     map[segmentName]*list.Element // of used
	used     *list.List                    // *usage, the last used first
	bytes    int64                         // of all
	closed   bool
}

type segmentName struct {
	id     ID
	number int64
}

// usage is what the cache knows of a segment.
type usage struct {
	name  segmentName
	bytes int64
}

// Open returns the cache in dir, which is made if it is not there. It grows to
// about limit bytes; what is there already is looked for in the background.
func Open(dir string, limit int64) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, limit: max(limit, MinLimit), contents: map[ID]*Content{}, kept: map[segmentName]*list.Element{}, used: list.New()}
	c.scan.Go(c.find)
	return c, nil
}

// Close waits for what runs in the background. Contents that are open must be
// closed before.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.scan.Wait()
}

// Used returns how many bytes the cache holds.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// Limit returns how many bytes it may hold.
func (c *Cache) Limit() int64 { return c.limit }

func (c *Cache) file(name segmentName) string {
	return filepath.Join(c.dir, name.id.MD5[:2], fmt.Sprintf("%s-%d.%d", name.id.MD5, name.id.Size, name.number))
}

// parseName is the reverse of file, for the last part.
func parseName(s string) (segmentName, bool) {
	sum, rest, ok1 := strings.Cut(s, "-")
	size, number, ok2 := strings.Cut(rest, ".")
	n := segmentName{id: ID{MD5: sum}}
	var err1, err2 error
	n.id.Size, err1 = strconv.ParseInt(size, 10, 64)
	n.number, err2 = strconv.ParseInt(number, 10, 64)
	return n, ok1 && ok2 && err1 == nil && err2 == nil && n.id.valid() && n.number >= 0 && n.number*segmentSize < n.id.Size
}

func (id ID) valid() bool {
	b, err := hex.DecodeString(id.MD5)
	return err == nil && len(b) == 16 && id.Size > 0
}

// find adds what earlier processes left, the last used of them first.
func (c *Cache) find() {
	type left struct {
		usage
		at time.Time
	}
	var all []left
	filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not there
		}
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		if closed {
			return fs.SkipAll
		}
		name, ok := parseName(d.Name())
		if !ok || c.file(name) != path {
			os.Remove(path) // nothing of ours
			return nil
		}
		if fi, err := d.Info(); err == nil {
			all = append(all, left{usage{name, diskUsage(fi)}, fi.ModTime()})
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(all, func(a, b left) int { return b.at.Compare(a.at) })
	for _, l := range all {
		if c.kept[l.name] == nil { // else it has been used by now
			c.kept[l.name] = c.used.PushBack(&l.usage)
			c.bytes += l.bytes
		}
	}
	c.evict()
}

// grew notes that a segment is in use, and that it holds more by some bytes. The
// mu of the content is not held.
func (c *Cache) grew(name segmentName, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.kept[name]; e != nil {
		c.used.MoveToFront(e)
		e.Value.(*usage).bytes += bytes
	} else {
		c.kept[name] = c.used.PushFront(&usage{name, bytes})
	}
	c.bytes += bytes
	c.evict()
}

// evict removes what has not been used for longest until the rest is within the
// limit. The mu is held.
func (c *Cache) evict() {
	for e := c.used.Back(); e != nil && c.bytes > c.limit; {
		u := e.Value.(*usage)
		next := e.Prev()
		content := c.contents[u.name.id]
		switch {
		case content == nil:
			os.Remove(c.file(u.name))
		case !content.giveUp(u.name.number):
			e = next
			continue
		}
		c.used.Remove(e)
		delete(c.kept, u.name)
		c.bytes -= u.bytes
		e = next
	}
}

// Content returns the content called id, of which the cache may have anything or
// nothing. Close it after use.
func (c *Cache) Content(id ID) (*Content, error) {
	if !id.valid() {
		return nil, fmt.Errorf("content %q of %d bytes: not a name of a content", id.MD5, id.Size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	content := c.contents[id]
	if content == nil {
		content = &Content{cache: c, id: id, segments: map[int64]*segment{}}
		c.contents[id] = content
	}
	content.users++
	return content, nil
}

// Adopt takes the file called name, which holds the whole content, into the cache.
// The file is renamed, unless the content is too large for that or known already:
// then it stays where it is. Sums are those of its blocks, from a [Summer].
func (c *Cache) Adopt(id ID, name string, sums []uint32) error {
	if !id.valid() || id.Size > segmentSize || len(sums) != int(blocksOf(id.Size)) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	segment := segmentName{id: id}
	if c.contents[id] != nil || c.kept[segment] != nil {
		return nil
	}
	if err := writeSums(name, id.Size, sums); err != nil {
		return err
	}
	to := c.file(segment)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(name, to); err != nil {
		return err // another file system
	}
	bytes := roundUp(id.Size)
	c.kept[segment] = c.used.PushFront(&usage{segment, bytes})
	c.bytes += bytes
	c.evict()
	return nil
}
