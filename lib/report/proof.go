package report

import (
	"fmt"
	"time"

	"jottatools/lib/record"
)

// Proof says when a tree was last proven to be on the service as it is on disk:
// by digests, and by reading it back.
type Proof struct {
	// Compared is when every file was last hashed afresh and had the MD5 that the
	// service has.
	Compared time.Time `json:"compared,omitzero"`

	// Slices is into how many slices the tree is cut to be read back, and Read says
	// when each of them last came back as it is on disk. Tried says when each was last
	// read to its end, whatever that showed.
	Slices int               `json:"slices,omitempty"`
	Read   map[int]time.Time `json:"read,omitempty"`
	Tried  map[int]time.Time `json:"tried,omitempty"`

	// Unproven are the findings that are open, at most 1,000 of them, and Failed is when
	// the last one was made; zero if none is open. Omitted counts those not listed, and
	// OmittedRead those of them that reading back has shown, the last at OmittedAt.
	Failed      time.Time `json:"failed,omitzero"`
	Unproven    []Entry   `json:"unproven,omitempty"`
	Omitted     int64     `json:"unproven_omitted,omitempty"`
	OmittedRead int64     `json:"unproven_omitted_read,omitempty"`
	OmittedAt   time.Time `json:"unproven_omitted_at,omitzero"`
}

// MaxSlices is how many slices a tree is cut into at most.
const MaxSlices = 10_000

// Due returns a slice that was never read back, or the one read back longest ago. If the
// tree is already divided into slices, it stays so; otherwise it is divided into of
// slices, at least one. A slice with findings counts as read back.
func (p *Proof) Due(of int) record.Slice {
	if p.Slices >= 1 && p.Slices <= MaxSlices {
		of = p.Slices
	}
	due, oldest := 1, time.Time{}
	for n := 1; n <= of; n++ {
		last := p.Read[n]
		if t := p.Tried[n]; t.After(last) {
			last = t
		}
		if n == 1 || last.Before(oldest) {
			due, oldest = n, last
		}
	}
	return record.Slice{N: due, Of: of}
}

// Check is an attempt to prove a tree, or a slice of it. Set what is known before the
// first record is added.
type Check struct {
	Slice  *record.Slice // what was read back; nil: all is compared by digest
	Report *Report       // of the last run, or an empty one; Finish notes in it what the check came to

	Files, Bytes int64 // that are proven
	Changing     int64 // that changed meanwhile, and are among the unproven

	// Unproven is what this attempt could not prove, found before or not.
	Unproven []Entry
	Omitted  int64

	findings *findings
	fresh    []Entry // what was no finding before
	unlisted unlisted
	pending  []*record.Record // that had not had their turn, if the stream ends early

	listed, freshListed, pendingListed listed
	pendingOmitted                     int64
	all                                int64 // files of the stream
	errors                             int64 // records that carry an error
	passing                            int64 // of those, the ones that say nothing of an entry
	inSlice                            int64 // entries that keep the slice from being proven
}

func (c *Check) start() {
	if c.findings != nil {
		return
	}
	c.findings = newFindings(&c.Report.Proof)
}

// Add judges a record that comes from jdiff or jverify.
func (c *Check) Add(rec *record.Record) {
	if rec.Foreign() || rec.Action == record.ActionDelete {
		return
	}
	c.start()
	x := c.findings.look(rec)
	if rec.Kind == record.KindFile {
		c.all++
	}
	inSlice := c.Slice == nil || c.Slice.Contains(rec.Path)
	switch {
	case rec.Error != nil:
		c.errors++
		inSlice = inSlice || rec.Kind != record.KindFile // what is in a folder may be of any slice
	case rec.Kind != record.KindFile || leftOut(rec):
		if rec.Action == record.ActionNone || rec.Action == "" {
			if x != nil && c.Slice == nil {
				x.closed = x.By == ByDigest
			}
			return
		}
	case !inSlice:
		return
	case c.Slice == nil && (rec.Reason == record.ReasonSame || rec.Reason == record.ReasonTouched):
		c.proven(rec)
		if x != nil {
			x.closed = x.By == ByDigest
		}
		return
	case rec.Status == record.StatusVerified:
		c.proven(rec)
		if x != nil {
			x.closed = true
		}
		return
	case rec.Reason == record.ReasonSame && rec.Status == "":
		c.hold(rec)
		return
	case rec.Reason == record.ReasonChanging:
		c.Changing++
	}
	if inSlice {
		c.inSlice++
	}
	c.find(rec, x)
}

func (c *Check) proven(rec *record.Record) {
	c.Files++
	c.Bytes += max(rec.Size, 0)
}

// hold keeps a file of the slice that was not read back. If the stream ends early, that
// says nothing.
func (c *Check) hold(rec *record.Record) {
	size := listed(len(rec.Raw()) + len(rec.Path))
	if len(c.pending) >= maxListed || len(c.pending) > 0 && c.pendingListed+size > maxListedBytes {
		c.pendingOmitted++
		return
	}
	c.pendingListed += size
	c.pending = append(c.pending, rec)
}

// find notes what could not be proven. x is an open finding about it, or nil.
func (c *Check) find(rec *record.Record, x *finding) {
	e := newEntry(rec)
	e.By = ByDigest
	if c.Slice != nil && rec.Reason == record.ReasonSame {
		e.By = ByRead
	}
	c.listed.add(&c.Unproven, &c.Omitted, e)
	switch {
	case rec.Error != nil && passing(rec.Error):
		c.passing++
	case x != nil:
		x.update(e)
	default:
		omitted := int64(0)
		c.freshListed.add(&c.fresh, &omitted, e)
		c.unlisted.count(e.By, omitted)
	}
}

// Finish notes in the report what the check came to. in is its stream, read to its end.
// It returns in a line what was not proven this time, or "".
func (c *Check) Finish(in *record.Reader, now time.Time) (problem string) {
	c.start()
	now = now.UTC()
	whole := in.Whole() == nil && in.LeftOut() == nil
	if whole {
		for _, rec := range c.pending {
			c.find(rec, c.findings.at[rec.Path])
		}
		c.Omitted += c.pendingOmitted
		c.unlisted.reads += c.pendingOmitted
		c.inSlice += int64(len(c.pending)) + c.pendingOmitted
	}
	n := int64(len(c.Unproven)) + c.Omitted
	unseen := in.Whole() == nil && (in.End().Errors < 0 || in.End().Errors > c.errors)
	p := &c.Report.Proof
	if whole {
		c.passed(p, now, unseen)
	}
	c.settle(p, now, whole && !unseen && len(in.End().Scope) == 0)
	switch {
	case n > 0:
		return record.Count(n, "entry is not proven to be stored as it is on disk", "entries are not proven to be stored as they are on disk")
	case !whole || unseen:
		return "nothing is proven, for the run did not see the whole tree"
	}
	return ""
}

// passed notes what a run that saw the whole tree has read to its end.
func (c *Check) passed(p *Proof, now time.Time, unseen bool) {
	if c.Slice == nil {
		if len(c.Unproven) == 0 && !unseen {
			p.Compared = now
		}
		return
	}
	proven := c.inSlice == 0 && !unseen
	if p.Slices != c.Slice.Of {
		if !proven && p.Slices != 0 {
			return // what was read before counts for more
		}
		p.Slices, p.Read, p.Tried = c.Slice.Of, nil, nil
	}
	if c.passing == 0 && !unseen {
		set(&p.Tried, c.Slice.N, now)
	}
	if proven {
		set(&p.Read, c.Slice.N, now)
	}
}

func set(m *map[int]time.Time, n int, t time.Time) {
	if *m == nil {
		*m = map[int]time.Time{}
	}
	(*m)[n] = t
}

// settle keeps the findings that are open.
func (c *Check) settle(p *Proof, now time.Time, saw bool) {
	clean := saw && c.errors == 0 && c.all > 0
	for _, x := range c.findings.open {
		if clean && !x.seen && !x.hidden && x.stillMounted(c.Report.Mounts) {
			x.closed = true // the stream lists everything
		}
	}
	before := p.unlisted()
	if saw && c.Slice == nil {
		before.digests = 0 // they have been compared anew
	}
	if before.reads > 0 && p.allTriedSince(p.OmittedAt) {
		before.reads = 0 // likewise
	}
	if n := int64(len(c.Unproven)) + c.Omitted; n > c.passing {
		p.Failed = now
	}
	p.settle(c.findings.rest(), c.fresh, now, before, c.unlisted)
}

// allTriedSince reports whether each slice has been read to its end since then.
func (p *Proof) allTriedSince(then time.Time) bool {
	for n := 1; n <= min(p.Slices, MaxSlices); n++ {
		if !p.Tried[n].After(then) {
			return false
		}
	}
	return p.Slices > 0
}

// OnlyChanging reports that all that was not proven changed meanwhile, which is
// nobody's failure.
func (c *Check) OnlyChanging() bool {
	return c.Changing > 0 && c.Changing == int64(len(c.Unproven))+c.Omitted
}

// Summary returns in a line what was proven.
func (c *Check) Summary() string {
	how := "compared by MD5"
	if c.Slice != nil {
		how = fmt.Sprintf("read back, slice %v", c.Slice)
	}
	return fmt.Sprintf("%s, %s: proven, %s", record.Count(c.Files, "file", "files"), bytes(c.Bytes), how)
}

// Why says in a line why an entry is not proven.
func (e Entry) Why() string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Reason == record.ReasonNew:
		return "it is not stored yet"
	case e.Reason == record.ReasonChanged:
		return "what is stored is not what is on disk"
	case e.Reason == record.ReasonIncomplete:
		return "what is stored is not complete"
	case e.Reason == record.ReasonSame:
		return "the run ended before its turn"
	case e.Reason == record.ReasonTouched:
		return "its time on the service is another; store it once more"
	}
	return explain(e.Reason)
}
