package digest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"jottatools/lib/record"
)

// cache is the digests of the last run, being joined, and those of this one,
// being collected.
//
// The digests of a run are written beside FILE, to FILE.partial, and to
// FILE.partial2 once records have turned out to be out of order. A run that saw
// its whole input puts them in the place of FILE. After any other run they are
// merged with FILE, so that nothing that was hashed is lost: at its end, or, if
// it was killed, at the start of the next one. As long as a run meets just what
// FILE holds, entry by entry, nothing is written.
//
// FILE.lock keeps a second run from writing at the same time.
type cache struct {
	path string
	opts Options
	lock *flock.Flock // nil: FILE is only read
	old  *entryReader // nil: there is nothing to read
	// parts are what this run has collected, each in order. Only the last is
	// being written.
	parts   []*entryWriter
	collect bool  // digests are being collected
	same    int64 // while there are no parts: so many entries of FILE are what the run has met
}

var partSuffixes = []string{".partial", ".partial2"}

// openCache never fails: without a cache everything is hashed. It returns nil if
// there is nothing to be done with the file.
func openCache(opts Options) *cache {
	c := &cache{path: opts.Cache, opts: opts}
	if target, err := filepath.EvalSymlinks(c.path); err == nil {
		c.path = target // renaming must not replace the link
	}
	if !c.openOld() {
		return nil
	}
	switch locked, err := c.tryLock(); {
	case err != nil:
		c.opts.Warn("cache %s will not be updated: %v", c.path, err)
		return c
	case !locked:
		c.opts.Info("cache %s: another jhash is updating it; using it as it is", c.path)
		return c
	}
	if err := c.recover(); err != nil {
		c.opts.Warn("cache %s will not be updated: merge what an interrupted run left: %v", c.path, err)
		c.unlock()
		c.openOld() // merging has closed it
		return c
	}
	c.collect = true
	return c
}

// openOld opens FILE, if there is one, and reports whether FILE may be used.
func (c *cache) openOld() bool {
	c.closeOld()
	old, err := openEntries(c.path, c.opts.Info)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.opts.Warn("cache %s is not used: %v", c.path, err)
		return false
	}
	c.old = old
	return true
}

func (c *cache) closeOld() {
	if c.old != nil {
		c.old.close()
		c.old = nil
	}
}

// tryLock takes the lock unless another process has it.
func (c *cache) tryLock() (bool, error) {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return false, err
	}
	lock := flock.New(c.path+".lock", flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if locked {
		c.lock = lock
	}
	return locked, err
}

// unlock gives the lock back. Its file stays: removing it would let two others
// hold a lock each.
func (c *cache) unlock() {
	if c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

// recover merges what a run left that was killed.
func (c *cache) recover() error {
	found := false
	for _, suffix := range partSuffixes {
		if _, err := os.Lstat(c.path + suffix); err == nil {
			found = true
		}
	}
	if !found {
		return nil
	}
	c.opts.Info("cache %s: taking over what an interrupted run left", c.path)
	if err := c.merge(true); err != nil {
		return err
	}
	if !c.openOld() {
		return errors.New("it cannot be read")
	}
	return nil
}

// find returns the entry that the cache has for a file, or nil. Within a part it must
// be asked in tree order. Only the feeder calls it.
func (c *cache) find(rec *record.Record) *record.Record {
	if c.old == nil {
		return nil
	}
	return c.old.find(rec)
}

// take returns the line that the cache has for a file, if the file is in the given
// line as it was in the last run, and which entry of FILE that is. Like find, it must
// be asked in tree order, and the line holds until either is asked again.
func (c *cache) take(line []byte) (entry []byte, number int64, ok bool) {
	if c.old == nil {
		return nil, 0, false
	}
	number = c.old.count
	entry, ok = c.old.take(line)
	return entry, number, ok
}

// seek goes on to the first entry that does not come before a record.
func (c *cache) seek(rec *record.Record) {
	if c.old != nil && rec.Path != "" {
		c.old.seek(rec.Path)
	}
}

// restart makes find and add begin a new sequence in tree order. Nothing may be
// in the queue.
func (c *cache) restart() {
	if c.old != nil {
		c.openOld()
	}
	if c.part() == nil {
		return
	}
	err := c.parts[0].finish()
	if err == nil {
		err = c.startPart()
	}
	if err != nil {
		c.giveUp(err)
	}
}

// part returns what is being written, and begins it if need be, with the entries
// that are as they were. It is nil if nothing is collected.
func (c *cache) part() *entryWriter {
	if !c.collect {
		return nil
	}
	if len(c.parts) == 0 {
		if err := c.begin(); err != nil {
			c.giveUp(err)
			return nil
		}
	}
	return c.parts[len(c.parts)-1]
}

func (c *cache) begin() error {
	if err := c.startPart(); err != nil || c.same == 0 {
		return err
	}
	old, err := openEntries(c.path, c.opts.Info)
	if err != nil {
		return err
	}
	defer old.close()
	return old.copyTo(c.parts[0], c.same)
}

func (c *cache) startPart() error {
	part, err := createEntries(c.path + partSuffixes[len(c.parts)])
	if err == nil {
		c.parts = append(c.parts, part)
	}
	return err
}

// add collects a digest.
func (c *cache) add(entry *record.Record) {
	if part := c.part(); part != nil {
		if err := part.add(entry); err != nil {
			c.giveUp(err)
		}
	}
}

// keep collects an entry of FILE, of the given number.
func (c *cache) keep(entry []byte, number int64) {
	if len(c.parts) == 0 && number == c.same {
		c.same++
		return
	}
	if part := c.part(); part != nil {
		if err := part.addLine(entry); err != nil {
			c.giveUp(err)
		}
	}
}

// giveUp ends collecting and leaves FILE as it is. It is said once: afterwards
// nothing is collected.
func (c *cache) giveUp(err error) {
	c.opts.Warn("cache %s is not updated: %v; hashing goes on without", c.path, err)
	for _, p := range c.parts {
		p.Writer.Close()
		p.file.Close()
	}
	c.parts, c.collect = nil, false
	c.removeParts()
	c.unlock()
}

// close puts what was collected in the place of FILE if the run saw its whole
// input, and otherwise merges it with FILE.
func (c *cache) close(whole bool) {
	defer c.unlock()
	defer c.closeOld()
	if len(c.parts) == 0 && (!whole || c.same > 0 && c.old.head() == nil && c.old.count == c.same) {
		return // FILE has it all
	}
	if c.part() == nil {
		return
	}
	var count int64
	for _, p := range c.parts {
		count += p.count
	}
	if !whole {
		c.parts[len(c.parts)-1].Incomplete()
	}
	if err := c.parts[len(c.parts)-1].finish(); err != nil {
		c.giveUp(err)
		return
	}
	c.closeOld() // some systems do not replace a file that is open
	var err error
	switch {
	case count == 0:
		// Not a single file: rather a folder that was not mounted than a reason
		// to forget everything.
		c.removeParts()
	case whole && len(c.parts) == 1:
		err = os.Rename(c.path+partSuffixes[0], c.path)
	default:
		err = c.merge(!whole)
	}
	if err != nil {
		c.opts.Warn("cache %s is not updated: %v", c.path, err)
	}
}

// merge makes FILE of the parts, and with old of FILE as well. Where several
// know a path, the latest counts. When it fails, everything is as it was.
func (c *cache) merge(old bool) error {
	c.closeOld()
	names := []string{c.path + partSuffixes[1], c.path + partSuffixes[0]}
	if old {
		names = append(names, c.path)
	}
	if err := mergeEntries(c.path+".merged", names, !old, c.opts.Info); err != nil {
		os.Remove(c.path + ".merged")
		return err
	}
	if err := os.Rename(c.path+".merged", c.path); err != nil {
		return err
	}
	c.removeParts()
	return nil
}

func (c *cache) removeParts() {
	for _, suffix := range partSuffixes {
		os.Remove(c.path + suffix) // if it stays, the next run merges it again, to the same end
	}
}

// mergeEntries writes the entries of the files called names to the file called
// to. The files are in order; for a path that several have, the first counts. Files
// that do not exist are left out.
func mergeEntries(to string, names []string, complete bool, info func(format string, args ...any)) error {
	var sources []*entryReader
	defer func() {
		for _, s := range sources {
			s.close()
		}
	}()
	for _, name := range names {
		s, err := openEntries(name, info)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, errNotCache): // a power failure can leave a file of zeros
			info("cache %s: nothing in it can be used", name)
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		default:
			sources = append(sources, s)
		}
	}
	out, err := createEntries(to)
	if err != nil {
		return err
	}
	if !complete {
		out.Incomplete()
	}
	for err == nil {
		var first *entryReader
		for _, s := range sources {
			if s.head() != nil && (first == nil || record.Compare(s.head().Path, first.head().Path) < 0) {
				first = s
			}
		}
		if first == nil {
			break
		}
		err = out.add(first.head()) // leaves out what it has got already
		first.next()
	}
	if finishErr := out.finish(); err == nil {
		err = finishErr
	}
	return err
}
