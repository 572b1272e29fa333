// Package digest adds the MD5 of each file to its record, keeping the order of
// the records, and checks files against digests that records already have.
//
// Files are read concurrently, but never more than a fixed number at once, so
// memory does not grow with the stream. Each worker reads several files and hashes them
// together (package md5lanes). With a cache file, unchanged files need not be read
// again; it is read and written as a stream, in step with the records.
//
// The package finds no files of its own: it reads those that records name.
package digest

import (
	"context"
	"iter"
	"runtime"
	"slices"

	"jottatools/lib/record"
)

// Options say how [Records] works. The zero value hashes without a cache.
type Options struct {
	// Jobs is how many files are read at the same time; 0 stands for two for each
	// processor. Up to md5lanes.Width times as many are open.
	Jobs int

	// Cache names the file that keeps digests from run to run, "" for none. One
	// file serves one tree. It holds the records of the last run that have a
	// digest, in tree order, compressed with zstd.
	//
	// A digest is reused only while path, size, mtime, ctime and inode number in
	// the record are those in the cache; the file itself is then not even looked
	// at, since its record tells how the walk found it a moment ago. A file that is
	// read is compared with its entry, see guard.go.
	//
	// Whatever happens to the cache never fails a run.
	Cache string

	// Fresh has every file read. Unlike a run without a cache, it compares what it
	// reads with the cache, and writes a new one.
	Fresh bool
	// Again has these files read, whatever the cache says.
	Again Paths
	// IgnoreCTime and IgnoreInode reuse a digest though the ctime or the inode number
	// is another. A ctime that has changed then does not prove that somebody wrote to
	// the file; one that is the same still proves that nobody did.
	IgnoreCTime, IgnoreInode bool
	// Accept, if set, says whose new content is taken though size and mtime are those
	// of another content. It may be called concurrently.
	Accept func(path string) bool

	// Check compares files with the MD5 their records have instead of adding
	// one. Such records leave with status done or failed.
	Check bool

	// Begin, if set, is called before the first file is read, if any is.
	Begin func()
	// Reading, if set, hears the path of a file when it is opened.
	Reading func(path string)
	// Progress, if set, hears of files finished and bytes read. Bytes are
	// negative when a file has to be read again. It may be called concurrently,
	// as may Reading, Warn and Info.
	Progress func(files, bytes int64)
	// Warn, if set, gets messages that people should always see.
	Warn func(format string, args ...any)
	// Info, if set, gets messages for those who want to know more.
	Info func(format string, args ...any)
}

// Output takes records in order. *record.Writer is one.
type Output interface {
	Write(*record.Record) error // a record that was changed here
	Pass(*record.Record) error  // a record as it was read
}

// lineOutput is an Output that takes records of files which nobody has taken apart, as
// lines.
type lineOutput interface{ PassLine([]byte) error }

// Records reads records, adds what is missing and writes them to out, in the
// order they came.
//
// It hashes records of files that have no MD5 yet, no error and no status, are
// not ignored and have no action but put. All others pass unchanged; so do
// records of files that are only on the service (remote, without root). Paths of
// records without root are relative to the working directory.
//
// With a cache, records must be in tree order to be joined with it. If they are
// not, out gets the rest sorted, and Warn is told.
//
// What goes wrong with one file stays in its record. A file that keeps changing
// while it is read, or is gone, leaves with status skipped and reason changing;
// that is no failure. One that cannot be read leaves with status failed, reason
// unreadable and an error. So does, with the class corrupt, one whose content has changed
// without a trace of anybody writing to it, and, with the class collision, one that has the
// MD5 and size of another file but not its content (see collisions.go). If a file is no
// longer what its record says, the record is brought up to date with what was hashed. A
// record is marked fresh if its file was read and the cache had no entry of the same size
// and mtime to compare it with.
//
// The error is that of out, that of holding back records on disk, one of the class
// vanished if the folder that the files are in is gone, or the context's cause. In the
// last two cases records may be missing from out. The caller judges what the input was
// worth, with [record.Reader.Whole].
func Records(ctx context.Context, out Output, in *record.Reader, opts Options) error {
	return records(ctx, out, in, opts, newHasher(opts))
}

func records(ctx context.Context, out Output, in *record.Reader, opts Options, h *hasher) error {
	opts = opts.complete()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{ctx: ctx, cancel: cancel, out: out, opts: opts, hasher: h}
	r.lines, _ = out.(lineOutput)
	if opts.Cache != "" {
		r.cache = openCache(opts)
	}
	r.collisions = &collisions{warn: opts.Warn, roots: &h.roots, limit: maxSlots}
	defer r.collisions.close()
	if r.cache != nil && !opts.Fresh {
		r.collisions.cache = r.cache.path
	}
	h.stop = cancel
	defer h.roots.Close()
	h.settle = r.cache != nil && r.cache.collect
	r.startQueue()
	err := r.all(in)
	r.queue.close()
	if err == nil {
		err = context.Cause(ctx)
	}
	if r.cache != nil {
		r.cache.close(err == nil && in.Whole() == nil)
	}
	r.opts.Info("%s read, %d known from the cache", record.Count(r.toRead, "file", "files"), r.known)
	return err
}

func (o Options) complete() Options {
	if o.Jobs <= 0 {
		o.Jobs = 2 * runtime.NumCPU()
	}
	if o.Accept == nil {
		o.Accept = func(string) bool { return false }
	}
	if o.Begin == nil {
		o.Begin = func() {}
	}
	if o.Reading == nil {
		o.Reading = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	if o.Info == nil {
		o.Info = func(string, ...any) {}
	}
	return o
}

// run is one call of Records. One goroutine, the feeder, reads records and
// hands them to the queue, whose workers write them in order.
type run struct {
	ctx        context.Context // ends when the caller says so or out fails
	cancel     context.CancelCauseFunc
	out        Output
	lines      lineOutput // out, if it takes lines
	opts       Options
	hasher     *hasher
	cache      *cache // nil without one
	collisions *collisions

	queue *queue

	passed        []byte // the last line that passKnown has passed, until a record has been compared with it
	toRead, known int64  // files to read, and those whose digest the cache had
}

// result is a record on its way out.
type result struct {
	rec     *record.Record
	changed bool           // rec is no longer as read
	entry   *record.Record // what the cache should remember, or nil
	aborted bool           // the run ended before the file was read
	read    bool           // rec has the MD5 of its file, which was read
	print   uint64         // fingerprint of the content, if read; 0: not known

	// Instead of all that: the line that the cache has for a file that is as it was in the
	// last run, and which of its entries that is.
	known  []byte
	number int64
}

// size returns how many bytes the record has.
func (r *result) size() int {
	if r.rec == nil {
		return len(r.known)
	}
	return len(r.rec.Raw())
}

func (r *run) startQueue() {
	r.queue = newQueue(r.opts.Jobs, func(q *queue) { newWorker(r.ctx, r.hasher, q).run() }, r.write)
}

// all feeds the whole input. With a cache, what comes after the first record
// that is out of order is fed once it is sorted.
func (r *run) all(in *record.Reader) error {
	last := ""
	for r.ctx.Err() == nil {
		if r.passKnown(in) {
			continue
		}
		rec, ok := in.Next()
		if !ok || r.ctx.Err() != nil {
			return nil
		}
		if r.cache != nil && rec.Path != "" {
			if len(r.passed) > 0 {
				last, r.passed = pathOf(r.passed), r.passed[:0]
			}
			if record.Compare(rec.Path, last) < 0 {
				r.opts.Warn("the records are out of order: %q came after %q; sorting the rest, as the cache needs it", rec.Path, last)
				return r.sorted(rec, in.All())
			}
			last = rec.Path
		}
		r.feed(rec)
	}
	return nil
}

// passKnown passes the next record on without taking it apart, if the cache has it line
// for line. It is in order then: so is the cache, which is asked about each record.
func (r *run) passKnown(in *record.Reader) bool {
	if r.cache == nil || r.lines == nil || r.opts.Fresh {
		return false
	}
	line, ok := in.PeekLine()
	if !ok || r.opts.Again.mayHave(line) {
		return false
	}
	entry, number, ok := r.cache.take(line)
	if !ok {
		return false
	}
	r.passed = append(r.passed[:0], line...)
	in.SkipLine()
	r.known++
	res := result{known: entry, number: number}
	if !r.queue.empty() {
		res.known = slices.Clone(entry)
	}
	r.queue.pass(res)
	return true
}

func (r *run) sorted(first *record.Record, rest iter.Seq[*record.Record]) error {
	var sorter record.Sorter
	defer sorter.Close()
	if err := sorter.Add(first); err != nil {
		return err
	}
	for rec := range rest {
		if err := sorter.Add(rec); err != nil {
			return err
		}
	}
	r.queue.drain() // nothing may be on its way to the cache while it changes over
	r.cache.restart()
	for rec, err := range sorter.Sorted() {
		if err != nil {
			return err
		}
		if r.ctx.Err() != nil {
			return nil
		}
		r.feed(rec)
	}
	return nil
}

// feed decides what a record needs and sends it on its way.
func (r *run) feed(rec *record.Record) {
	switch {
	case r.opts.Check && checkable(rec):
		r.read(&item{result: result{rec: rec}, check: true})
	case !r.opts.Check && hashable(rec):
		it := &item{result: result{rec: rec}}
		if r.cache != nil {
			r.cache.seek(rec)
			again := r.opts.Fresh || r.opts.Again.has(rec.Path)
			if !again && r.lines != nil {
				if entry, number, ok := r.cache.take([]byte(rec.Raw())); ok {
					r.known++
					r.queue.pass(result{known: slices.Clone(entry), number: number})
					return
				}
			}
			it.past = r.cache.find(rec)
			if !again && r.opts.holds(it.past, rec) {
				r.known++
				rec.MD5, rec.Fresh = it.past.MD5, false
				r.queue.pass(result{rec: rec, changed: true, entry: entryOf(rec)})
				return
			}
		}
		r.read(it)
	default:
		if r.cache != nil {
			r.cache.seek(rec)
		}
		r.queue.pass(result{rec: rec})
	}
}

// holds reports whether an entry of the cache, which may be nil, still tells the MD5 of
// the file that a record describes.
func (o *Options) holds(entry, rec *record.Record) bool {
	return entry != nil && entry.Error == nil && entry.Size >= 0 && entry.Size == rec.Size && entry.MTime.Equal(rec.MTime) &&
		(o.IgnoreInode || entry.Ino == rec.Ino) && (o.IgnoreCTime || entry.CTime.Equal(rec.CTime))
}

// read has the file of a record read.
func (r *run) read(it *item) {
	if r.toRead == 0 {
		r.opts.Begin()
	}
	r.toRead++
	r.hasher.roots.Note(it.rec.Root)
	r.queue.put(it)
}

func hashable(r *record.Record) bool {
	return r.Kind == record.KindFile && r.MD5 == "" && !r.Ignored && r.Error == nil && r.Status == "" &&
		(r.Action == "" || r.Action == record.ActionPut) && (r.Root != "" || r.Remote == "")
}

func checkable(r *record.Record) bool {
	return r.Kind == record.KindFile && r.MD5 != "" && !r.Ignored && r.Error == nil && r.Action != record.ActionDelete
}

// write lets a record out and remembers its digest. It is called by one
// goroutine at a time.
func (r *run) write(res result) {
	if res.aborted {
		return
	}
	if res.known != nil {
		r.cache.keep(res.known, res.number)
		if err := r.lines.PassLine(res.known); err != nil {
			r.cancel(err)
		}
		return
	}
	if res.read {
		if err := r.collisions.check(r.ctx, res.rec, res.print); err != nil {
			res.rec.MD5, res.rec.Fresh, res.entry = "", false, nil
			res.rec.Status, res.rec.Reason, res.rec.Error = record.StatusFailed, record.ReasonUnreadable, err
		}
	}
	if res.entry != nil && r.cache != nil {
		r.cache.add(res.entry)
	}
	write := r.out.Pass
	if res.changed {
		write = r.out.Write
	}
	if err := write(res.rec); err != nil {
		r.cancel(err)
	}
}
