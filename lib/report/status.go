package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"jottatools/lib/record"
)

// What is known of how often a job runs.
const (
	maxRuns   = 12               // of which the ends are kept
	fewGaps   = 3                // between runs, before anything is usual
	shortGap  = 10 * time.Minute // runs closer together are one, tried several times by hand
	lateAfter = 3                // times the usual gap without a run, the job is overdue
)

// addRun adds the end of a run to those of earlier ones, which it leaves alone.
func addRun(runs []time.Time, ended time.Time) []time.Time {
	if n := len(runs); n > 0 {
		if gap := ended.Sub(runs[n-1]); gap >= 0 && gap < shortGap {
			return runs
		}
	}
	runs = append(slices.Clone(runs), ended)
	return runs[max(0, len(runs)-maxRuns):]
}

// rhythm returns how much time usually lies between two runs, or 0 if too few are known.
func (r *Report) rhythm() time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(r.Runs); i++ {
		gaps = append(gaps, max(shortGap, r.Runs[i].Sub(r.Runs[i-1])))
	}
	if len(gaps) < fewGaps || r.Restore {
		return 0
	}
	slices.Sort(gaps)
	return gaps[(len(gaps)-1)/2]
}

// Overdue says in a line that the job has not run for much longer than usual, or returns
// "". Without a clear rhythm nothing is overdue.
func (r *Report) Overdue(now time.Time) string {
	usual := r.rhythm()
	if usual == 0 || now.Sub(r.Ended)/lateAfter <= usual {
		return ""
	}
	return fmt.Sprintf("OVERDUE: it ran every %s, and has not run for %s; does cron still start it?", span(usual), span(now.Sub(r.Ended)))
}

// TooOld says in a line that the tree was stored whole too long ago, or returns "". With
// no age, nothing is too old.
func (r *Report) TooOld(now time.Time, age time.Duration) string {
	switch {
	case age <= 0 || r.Restore:
		return ""
	case r.LastComplete.IsZero():
		return "TOO OLD: it has never been stored whole"
	case now.Sub(r.LastComplete) > age:
		return fmt.Sprintf("TOO OLD: it was stored whole %s ago, and should be every %s", span(now.Sub(r.LastComplete)), span(age))
	}
	return ""
}

// span shows a duration to people: in its largest unit, or in the one below if it is only
// a few of these.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return record.Count(int64(d.Round(24*time.Hour)/(24*time.Hour)), "day", "days")
	case d >= 2*time.Hour:
		return record.Count(int64(d.Round(time.Hour)/time.Hour), "hour", "hours")
	}
	return record.Count(int64(d.Round(time.Minute)/time.Minute), "minute", "minutes")
}

// Red reports whether a person has to look: the tree is not stored whole, as far as is
// known, a proof has failed, a brake has acted, or the job does not run any more. maxAge
// is how long ago the tree may have been stored whole; 0: any time.
func (r *Report) Red(now time.Time, maxAge time.Duration) bool {
	return !r.Complete || !r.Unfinished.IsZero() || r.Withheld > 0 || !r.Proof.Failed.IsZero() ||
		r.Trouble != Trouble{} || r.Overdue(now) != "" || r.TooOld(now, maxAge) != ""
}

// WriteStatus answers when the tree was last stored whole, and what was not. maxAge is as
// for Red.
func (r *Report) WriteStatus(w io.Writer, now time.Time, maxAge time.Duration) error {
	b := &page{}
	b.line("%s -> %s", r.Source, r.Dest)
	if r.Account != (Account{}) {
		b.line("  %s: %s", r.choose("to", "from"), r.Account.String())
	}
	b.line("  last %s whole: %s", r.choose("stored", "restored"), r.lastComplete())
	for _, alarm := range []string{r.TooOld(now, maxAge), r.Overdue(now)} {
		if alarm != "" {
			b.line("  %s", alarm)
		}
	}
	if r.Trouble != (Trouble{}) {
		b.line("  A run could not even begin on %s: %s", record.LocalTime(r.Trouble.At), r.Trouble.Text)
	}
	if !r.Restore {
		r.Proof.status(b, r.NotStored)
	}
	if !r.Ended.IsZero() { // more than a proof has been tried
		r.lastRun(b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lastRun says what the last run came to.
func (r *Report) lastRun(b *page) {
	state := "complete"
	if !r.Complete {
		state = "NOT complete"
	}
	b.line("  last run: %s, %s", record.LocalTime(r.Ended), state)
	if !r.Unfinished.IsZero() {
		b.line("  a run that began %s has not come to its end", record.LocalTime(r.Unfinished))
	}
	for line := range strings.SplitSeq(r.Summary(), "\n") {
		b.line("  %s", line)
	}
	if r.NothingStored() {
		b.line("  %s", r.nothingStored())
	}
	r.heldBack(b)
	switch {
	case r.OutOfTime:
		b.line("  stopped by --max-duration; the next run goes on")
	case strings.HasPrefix(r.Incomplete, record.ErrStopped.Error()):
		b.line("  %s", r.Incomplete)
	case r.Incomplete != "":
		b.line("  the run did not see the whole tree: %s", r.Incomplete)
	}
	if len(r.NotStored) > 0 {
		b.line("  not %s:", r.choose("stored", "restored"))
	}
	for _, e := range r.NotStored {
		why := e.Message
		if why == "" {
			why = explain(e.Reason)
		}
		b.line("    %s: %s", e.Path, why)
	}
	b.more(r.Omitted)
	if len(r.Known) > 0 {
		b.line("  not %s, as is known (--known):", r.choose("stored", "restored"))
	}
	for _, e := range r.Known {
		b.line("    %s: %s", e.Path, e.Message)
	}
	b.more(r.KnownOmitted)
	r.leftBehind(b)
}

// heldBack says what a brake held back.
func (r *Report) heldBack(b *page) {
	var deletions, changes []Entry
	for _, e := range r.Held {
		if e.Action == record.ActionDelete {
			deletions = append(deletions, e)
		} else {
			changes = append(changes, e)
		}
	}
	if r.Withheld > 0 {
		b.line("  %s withheld by a brake; nothing was deleted:", record.Count(r.Withheld, "deletion was", "deletions were"))
		b.paths(deletions)
		if len(deletions) > 0 {
			b.more(r.Withheld - int64(len(deletions)))
		}
		if r.Incomplete == "" && r.Counts.Failed == 0 && r.Counts.Files > 0 { // else it is not the limit that held them back
			b.line("    if this is right, run it once with --max-delete 100%%, or --adopt if another job is in the way")
		}
	}
	if r.HeldChanges > 0 {
		b.line("  %s held back by a brake; what is stored is as it was:", record.Count(r.HeldChanges, "change was", "changes were"))
		b.paths(changes)
		b.more(r.HeldChanges - int64(len(changes)))
		b.line("    if this is right, run it once with --max-change 100%%")
	}
}

// leftBehind lists what is left out while the service has it, by reason.
func (r *Report) leftBehind(b *page) {
	if r.Spared > 0 {
		b.line("  %s beneath %s, and left alone", record.Count(r.Spared, "entry was stored by another job", "entries were stored by other jobs"), r.Dest)
	}
	var reasons []record.Reason
	by := map[record.Reason][]Entry{}
	for _, e := range r.LeftBehind {
		if by[e.Reason] == nil {
			reasons = append(reasons, e.Reason)
		}
		by[e.Reason] = append(by[e.Reason], e)
	}
	for _, reason := range reasons {
		b.line("  %s:", whyLeft(reason))
		b.paths(by[reason])
	}
	b.more(r.LeftBehindOmitted)
}

// whyLeft explains why entries are left behind.
func whyLeft(reason record.Reason) string {
	const stays = "; what is stored of it stays as it is"
	switch reason {
	case record.ReasonSymlink, record.ReasonDangling:
		return "left out, since a symbolic link has taken its place" + stays
	case record.ReasonSpecial:
		return "left out, since a FIFO, socket or device has taken its place" + stays
	case record.ReasonLarge:
		return "left out, since it is larger than --max-size" + stays
	case record.ReasonElsewhere:
		return "left out, since it is on another file system (--one-file-system)"
	case record.ReasonForeign:
		return "left alone, since another job stores there"
	}
	return "left out by a rule" + stays
}

// LeftOut says in a line why the entry is left behind.
func (e Entry) LeftOut() string { return whyLeft(e.Reason) }

// status answers when the tree was last proven. What is named as not stored needs no
// second line.
func (p *Proof) status(b *page, notStored []Entry) {
	proven := false
	if !p.Compared.IsZero() {
		b.line("  last proven by MD5: %s", record.LocalTime(p.Compared))
		proven = true
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
		b.line("  read back and compared: %s, since %s", how, record.LocalTime(oldest))
		proven = true
	}
	if !proven {
		b.line("  last proven: never; jottasync --verify does so")
	}
	named := map[string]bool{}
	for _, e := range notStored {
		named[e.Path] = true
	}
	var left []Entry
	for _, e := range p.Unproven {
		if !named[e.Path] {
			left = append(left, e)
		}
	}
	if p.Failed.IsZero() || len(left)+int(min(p.Omitted, 1)) == 0 {
		return
	}
	b.line("  NOT proven on %s:", record.LocalTime(p.Failed))
	for _, e := range left {
		since := ""
		if t := record.LocalTime(e.Since); !e.Since.IsZero() && t != record.LocalTime(p.Failed) {
			since = " (since " + t + ")"
		}
		b.line("    %s: %s%s", e.Path, e.Why(), since)
	}
	b.more(p.Omitted)
}

// page is text of which each line is one on a terminal.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) {
	p.WriteString(record.Printable(fmt.Sprintf(format, args...)))
	p.WriteByte('\n')
}

func (p *page) paths(entries []Entry) {
	for _, e := range entries {
		p.line("    %s", e.Path)
	}
}

func (p *page) more(n int64) {
	if n > 0 {
		p.line("    and %d more", n)
	}
}
