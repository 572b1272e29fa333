package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"jottatools/lib/record"
)

// Proof says when a tree was last proven to be on the service as it is on disk:
// by digests, and by reading it back.
type Proof struct {
	// Compared is when every file was last hashed afresh and had the MD5 that the
	// service has.
	Compared time.Time `json:"compared,omitzero"`

	// Slices is into how many slices the tree is cut to be read back, and Read
	// says when each of them last came back as it is on disk.
	Slices int               `json:"slices,omitempty"`
	Read   map[int]time.Time `json:"read,omitempty"`

	// Failed is when a proof did not succeed that has not been repeated with
	// success, and Unproven what was wrong: at most 1,000 entries of it.
	Failed   time.Time `json:"failed,omitzero"`
	Unproven []Entry   `json:"unproven,omitempty"`
	Omitted  int64     `json:"unproven_omitted,omitempty"`
}

// Check is an attempt to prove a tree, or a slice of it.
type Check struct {
	Slice *record.Slice // what was read back; nil: all is compared by digest

	Files, Bytes int64 // that are proven
	Unproven     []Entry
	Omitted      int64
	Changing     int64 // that changed meanwhile, and are among the unproven

	listed listed
}

// Add judges a record that comes from jdiff or jverify.
func (c *Check) Add(rec *record.Record) {
	switch {
	case rec.Foreign(), rec.Action == record.ActionDelete:
		return
	case rec.Error != nil:
	case rec.Kind != record.KindFile || rec.Ignored:
		if rec.Action == record.ActionNone || rec.Action == "" {
			return
		}
	case c.Slice != nil && !c.Slice.Contains(rec.Path):
		return
	case c.Slice == nil && (rec.Reason == record.ReasonSame || rec.Reason == record.ReasonTouched), rec.Status == record.StatusVerified:
		c.Files++
		c.Bytes += max(rec.Size, 0)
		return
	case rec.Reason == record.ReasonChanging:
		c.Changing++
	}
	c.listed.add(&c.Unproven, &c.Omitted, rec)
}

// Finish notes in r, the report of the last run or an empty one, what the check
// came to. in is its stream, read to its end. It returns in a line what was not
// proven, or "".
func (c *Check) Finish(r *Report, in *record.Reader, now time.Time) (problem string) {
	p := &r.Proof
	r.Unfinished = time.Time{} // that is not kept in the report
	now = now.UTC()
	if in.Whole() != nil { // what had not had its turn says nothing
		c.Unproven = slices.DeleteFunc(c.Unproven, func(e Entry) bool { return e.Reason == record.ReasonSame && e.Class == "" })
	}
	n := int64(len(c.Unproven)) + c.Omitted
	switch {
	case n == 0 && (in.Clean() != nil || in.LeftOut() != nil):
		return "nothing is proven, for the run did not see the whole tree"
	case n > 0:
		p.Failed, p.Unproven, p.Omitted = now, c.Unproven, c.Omitted
		return record.Count(n, "entry is not proven to be stored as it is on disk", "entries are not proven to be stored as they are on disk")
	}
	p.Failed, p.Unproven, p.Omitted = time.Time{}, nil, 0
	if c.Slice == nil {
		p.Compared = now
		return ""
	}
	if p.Slices != c.Slice.Of {
		p.Slices, p.Read = c.Slice.Of, nil
	}
	if p.Read == nil {
		p.Read = map[int]time.Time{}
	}
	p.Read[c.Slice.N] = now
	return ""
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

// status answers when the tree was last proven.
func (p *Proof) status() string {
	var b strings.Builder
	if !p.Compared.IsZero() {
		fmt.Fprintf(&b, "  last proven by MD5: %s\n", local(p.Compared))
	}
	if len(p.Read) > 0 {
		oldest := time.Time{}
		for _, t := range p.Read {
			if oldest.IsZero() || t.Before(oldest) {
				oldest = t
			}
		}
		how := fmt.Sprintf("%d of %d slices", len(p.Read), p.Slices)
		if len(p.Read) == p.Slices {
			how = "all of it"
		}
		fmt.Fprintf(&b, "  read back and compared: %s, since %s\n", how, local(oldest))
	}
	if b.Len() == 0 {
		b.WriteString("  last proven: never; jottasync --verify does so\n")
	}
	if !p.Failed.IsZero() {
		fmt.Fprintf(&b, "  NOT proven on %s:\n", local(p.Failed))
		for _, e := range p.Unproven {
			fmt.Fprintf(&b, "    %s: %s\n", record.Printable(e.Path), record.Printable(e.Why()))
		}
		if p.Omitted > 0 {
			fmt.Fprintf(&b, "    and %d more\n", p.Omitted)
		}
	}
	return b.String()
}
