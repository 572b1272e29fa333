package report

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"jottatools/lib/record"
)

// Run makes the report of a run of its records. Set what is known before the first one
// is added.
type Run struct {
	Report

	Previous      *Report      // of the run before, or nil
	KnownProblems record.Known // that a person does not want to hear of
	HashedAgain   bool         // the files of [Report.Again] were hashed afresh in this run, or all if it could not name all
	MaxDuration   bool         // --max-duration stopped the run, if it did not come to its end

	// Lstat looks for a file of the source; nil: os.Lstat.
	Lstat func(name string) (fs.FileInfo, error)

	// Begun are the entries of LeftBehind that were not left behind after the run before,
	// and MoreBegun how many are not named. They are known once the run is finished.
	Begun     []Entry
	MoreBegun int64

	findings *findings
	damaged  []Entry // what was no finding before
	unlisted unlisted
	lost     []Entry // mounts that cannot be read

	lists struct{ notStored, held, left, known, mounts, damaged, lost listed }
}

// start looks at the report of the run before.
func (r *Run) start() {
	if r.findings != nil {
		return
	}
	var before Proof
	if r.Previous != nil {
		before = r.Previous.Proof
	}
	r.findings = newFindings(&before)
}

// Add counts a record.
func (r *Run) Add(rec *record.Record) {
	if rec.Foreign() {
		return
	}
	r.start()
	if !r.Restore {
		r.findings.backup(rec, r.Dest, r.HashedAgain)
		r.note(rec)
	}
	c := &r.Counts
	switch {
	case rec.Error == nil && rec.Reason == record.ReasonForeign:
		return
	case rec.Reason == record.ReasonHeld && rec.Error == nil:
		if r.addHeld(rec) {
			return
		}
	case rec.Action == record.ActionDelete:
		r.addDeletion(rec)
		return
	case rec.Error == nil && leftOut(rec):
		c.Ignored++
		return
	case rec.Error == nil && rec.Kind == record.KindSymlink && rec.Status == record.StatusDone:
		c.Linked++
		return
	case rec.Error == nil && rec.Action == record.ActionNone && rec.Reason == record.ReasonGone:
		c.Kept++
		return
	case rec.Error == nil && rec.Kind == record.KindSymlink:
		c.Symlinks++
		return
	case rec.Error == nil && rec.Kind == record.KindSpecial:
		c.Special++
		return
	}
	switch rec.Kind {
	case record.KindDir:
		c.Dirs++
	case record.KindFile:
		c.Files++
		c.Bytes += max(rec.Size, 0)
	}
	if t := rec.Transfer; t != nil {
		c.Sent += t.Sent
	}
	r.addFate(rec)
}

// addFate counts what became of an entry that is to be stored.
func (r *Run) addFate(rec *record.Record) {
	c := &r.Counts
	if rec.Kind == record.KindFile && rec.Reason == record.ReasonNew && (rec.Status == record.StatusDone || rec.Status == record.StatusDeduplicated) {
		c.AddedFiles++
	}
	switch {
	case r.KnownProblems.Has(rec):
		c.Known++
		r.lists.known.add(&r.Known, &r.KnownOmitted, newEntry(rec))
	case rec.Error != nil || rec.Status == record.StatusFailed:
		c.Failed++
		r.notStored(rec)
	case rec.Reason == record.ReasonHeld: // in a list of its own
	case rec.Reason == record.ReasonBlocked:
		c.Blocked++
		r.notStored(rec)
	case rec.Reason == record.ReasonChanging:
		c.Changing++
		r.notStored(rec)
	case rec.Reason == record.ReasonNewer:
		c.Kept++
		c.Newer++
		r.notStored(rec)
	case rec.Action == record.ActionNone:
		if rec.Kind == record.KindFile {
			c.Same++
		}
	case rec.Status == record.StatusDone && rec.Action == record.ActionPut:
		c.Uploaded++
	case rec.Status == record.StatusDone && rec.Action == record.ActionGet:
		c.Fetched++
	case rec.Status == record.StatusDeduplicated:
		c.Deduplicated++
	case rec.Status == record.StatusDone && rec.Action == record.ActionTouch:
		c.Touched++
	case rec.Status == record.StatusDone && rec.Action == record.ActionMove:
		c.Moved++
	case rec.Status == record.StatusDone && rec.Action == record.ActionMkdir:
		c.Made++
	default:
		c.Pending++
		r.notStored(rec)
	}
}

func (r *Run) addDeletion(rec *record.Record) {
	c := &r.Counts
	if rec.Status != record.StatusDone || rec.Error != nil {
		c.DeletionsLeft++
	}
	switch {
	case rec.Error != nil || rec.Status == record.StatusFailed:
		c.Failed++
		r.notStored(rec)
	case rec.Status == record.StatusDone:
		c.Deleted++
		if rec.Kind == record.KindFile {
			c.DeletedFiles++
		}
	}
}

// addHeld counts what a brake has held back: the deletion of what is not in the source
// any more, or that a file of the source replaces what is stored.
func (r *Run) addHeld(rec *record.Record) (deletion bool) {
	e := newEntry(rec)
	if e.Action = record.ActionPut; rec.Root == "" {
		e.Action, deletion = record.ActionDelete, true
		r.Withheld++
	} else {
		r.HeldChanges++
	}
	r.lists.held.add(&r.Held, &r.HeldOmitted, e)
	return deletion
}

func (r *Run) notStored(rec *record.Record) {
	r.lists.notStored.add(&r.NotStored, &r.Omitted, newEntry(rec))
}

// note keeps what a person, or the next run, has to know of an entry besides its fate.
func (r *Run) note(rec *record.Record) {
	switch {
	case rec.Mount && rec.Error != nil:
		var more int64 // mounts beyond those that can be listed are not kept anyway
		r.lists.lost.add(&r.lost, &more, Entry{Path: strings.Clone(rec.Path)})
	case rec.Mount && !leftOut(rec):
		r.lists.mounts.add(&r.Mounts, &r.MountsOmitted, Entry{Path: strings.Clone(rec.Path)})
	}
	// A later run takes the young files.
	if rec.Error == nil && (rec.Kept && rec.Reason != record.ReasonYoung || rec.Reason == record.ReasonElsewhere || rec.Reason == record.ReasonForeign) {
		r.lists.left.add(&r.LeftBehind, &r.LeftBehindOmitted, newEntry(rec))
	}
	if damage(rec) && r.findings.at[rec.Path] == nil {
		e := newEntry(rec)
		e.By = ByDigest
		r.lists.damaged.add(&r.damaged, &r.unlisted.digests, e)
	}
}

// Finish closes the report. in is the stream, read to its end.
func (r *Run) Finish(in *record.Reader, now time.Time) {
	r.start()
	r.Version, r.Ended = 1, now.UTC()
	end, whole := in.End(), in.Whole()
	r.Counts.Files += end.Same.Files
	r.Counts.Dirs += end.Same.Dirs
	r.Counts.Bytes += end.Same.Bytes
	r.Counts.Same += end.Same.Files
	if whole != nil {
		r.Incomplete = whole.Error()
	}
	r.Withheld = max(r.Withheld, end.Withheld)
	r.Spared = end.Spared
	r.Complete = r.clean(in) && len(r.NotStored) == 0 && r.HeldChanges == 0 && !r.NothingStored()
	stopped := errors.Is(whole, record.ErrIncomplete) || errors.Is(whole, record.ErrStopped)
	if r.MaxDuration && !r.Complete && (stopped || whole == nil && r.Counts.Pending > 0) {
		r.OutOfTime, r.Incomplete = true, "it was stopped by --max-duration"
	}
	r.carryOn(in)
	switch before := r.Previous; {
	case len(end.Scope) > 0 && !r.Restore && before != nil && !before.Scoped:
		r.addTo(before, end.Scope)
	case r.Complete:
		r.Scoped, r.LastComplete = len(end.Scope) > 0, r.Ended
	}
}

// addTo keeps what the report of a run over all of the source says of what this run, over
// a part of it, has not seen.
func (r *Run) addTo(before *Report, scope []string) {
	r.Complete = r.Complete && before.Complete
	r.Withheld = max(r.Withheld, before.Withheld)
	r.HeldChanges = max(r.HeldChanges, before.HeldChanges)
	for _, e := range before.Held {
		if !contains(r.Held, e.Path) {
			r.lists.held.add(&r.Held, &r.HeldOmitted, e)
		}
	}
	for _, e := range before.NotStored {
		covered := slices.ContainsFunc(scope, func(path string) bool { return record.Under(e.Path, path) })
		if !covered && !contains(r.NotStored, e.Path) {
			r.lists.notStored.add(&r.NotStored, &r.Omitted, e)
		}
	}
}

// clean reports whether the stream is whole, and no entry has an error that is not known.
func (r *Run) clean(in *record.Reader) bool {
	if in.Clean() == nil {
		return true
	}
	n := in.End().Errors
	return in.Whole() == nil && n >= 0 && n <= r.Counts.Known && r.Counts.Failed == 0
}

// NothingStored reports that the run was whole and found nothing to store, since
// everything is left out.
func (r *Report) NothingStored() bool {
	return !r.Restore && r.Incomplete == "" && r.Counts.Files == 0 && r.Counts.Ignored > 0
}

// carryOn takes over from the report of the run before what still holds.
func (r *Run) carryOn(in *record.Reader) {
	before := r.Previous
	if before == nil {
		before = &Report{}
	}
	whole := in.Whole() == nil
	r.LastComplete, r.Proof = before.LastComplete, before.Proof
	r.Runs = before.Runs
	if err := in.Whole(); errors.Is(err, record.ErrTruncated) || errors.Is(err, record.ErrStopped) {
		r.Trouble = before.Trouble
	} else {
		r.Runs = addRun(r.Runs, r.Ended)
	}
	if r.Restore {
		return
	}
	r.begin(before, whole)
	if !whole {
		r.Mounts, r.MountsOmitted = before.Mounts, before.MountsOmitted
	}
	for _, e := range r.lost { // one that cannot be read has not been taken away
		if contains(before.Mounts, e.Path) && !contains(r.Mounts, e.Path) {
			r.lists.mounts.add(&r.Mounts, &r.MountsOmitted, e)
		}
	}
	r.prove(before, whole && len(in.End().Scope) == 0)
}

// begin finds out which entries are left behind from now on.
func (r *Run) begin(before *Report, whole bool) {
	known := make(map[string]bool, len(before.LeftBehind))
	for _, e := range before.LeftBehind {
		known[string(e.Reason)+"\x00"+e.Path] = true
	}
	have := make(map[string]bool, len(r.LeftBehind))
	for _, e := range r.LeftBehind {
		have[e.Path] = true
		if !known[string(e.Reason)+"\x00"+e.Path] {
			r.Begun = append(r.Begun, e)
		}
	}
	r.MoreBegun = max(0, r.LeftBehindOmitted-before.LeftBehindOmitted)
	if before.LeftBehindOmitted > 0 { // any of these may have been among those not named
		more := int64(len(r.LeftBehind)) + r.LeftBehindOmitted - int64(len(before.LeftBehind)) - before.LeftBehindOmitted
		r.Begun, r.MoreBegun = nil, max(0, more)
	}
	if whole {
		return
	}
	for _, e := range before.LeftBehind { // this run may not have come to it
		if !have[e.Path] {
			r.lists.left.add(&r.LeftBehind, &r.LeftBehindOmitted, e)
		}
	}
	r.LeftBehindOmitted = max(r.LeftBehindOmitted, before.LeftBehindOmitted)
}

// prove settles the findings: what the stream does not have is as it is on disk.
func (r *Run) prove(before *Report, sawAll bool) {
	d := disk{source: r.Source, lstat: r.Lstat, before: before.Mounts}
	// A source that looks empty, or so much smaller that a brake has acted, may be another.
	trusted := r.Counts.Files > 0 && r.Withheld == 0
	for _, x := range r.findings.open {
		if !sawAll || x.closed || x.seen || x.hidden {
			continue
		}
		switch gone, there := d.isGone(x); {
		case gone:
			x.closed = trusted
		case there:
			x.closed = x.By == ByDigest && r.HashedAgain
		}
	}
	p := &r.Proof
	unlisted := p.unlisted()
	if sawAll && r.HashedAgain {
		unlisted.digests = 0
	}
	if len(r.damaged) > 0 {
		p.Failed = r.Ended
	}
	p.settle(r.findings.rest(), r.damaged, r.Ended, unlisted, r.unlisted)
}

func contains(entries []Entry, path string) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Path == path })
}

// Again returns the paths of all open findings: these are to be hashed afresh by the next
// run. If all is false there are more, so that everything is.
func (r *Report) Again() (paths []string, all bool) {
	seen := map[string]bool{}
	for i, list := range [][]Entry{r.Proof.Unproven, r.NotStored} {
		for _, e := range list {
			if i == 1 && e.Class != record.ClassCorrupt || seen[e.Path] || record.CheckPath(e.Path) != nil || e.Path == "" {
				continue
			}
			seen[e.Path] = true
			paths = append(paths, e.Path)
		}
	}
	return paths, r.Proof.Omitted == 0
}
