package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"

	"jottatools/lib/record"
)

// Summary returns in a line or two what the run came to.
func (r *Report) Summary() string {
	c := &r.Counts
	var did []string
	for _, part := range []struct {
		n         int64
		one, many string
	}{
		{c.Uploaded, "uploaded", "uploaded"}, {c.Fetched, "fetched", "fetched"},
		{c.Linked, "symbolic link made", "symbolic links made"}, {c.Deduplicated, "already on the service", "already on the service"},
		{c.Touched, "touched", "touched"}, {c.Moved, "moved", "moved"}, {c.Made, "folder made", "folders made"},
		{c.Deleted, "deleted", "deleted"}, {c.Same, "unchanged", "unchanged"}, {c.Kept, "local one kept", "local ones kept"},
		{c.Known, "known problem", "known problems"},
	} {
		if part.n > 0 {
			did = append(did, record.Count(part.n, part.one, part.many))
		}
	}
	text := record.Count(c.Files, "file", "files") + ", " + bytes(c.Bytes)
	if len(did) > 0 {
		text += ": " + strings.Join(did, ", ")
	}
	text += fmt.Sprintf("; %s %s", bytes(c.Sent), r.choose("sent", "fetched"))
	if !r.Started.IsZero() {
		text += fmt.Sprintf(" in %s", r.Ended.Sub(r.Started).Round(100*time.Millisecond))
	}
	if left := r.leftOut(); left != "" {
		text += "\n" + left
	}
	return text
}

// leftOut says what is not backed up by its nature or by a rule.
func (r *Report) leftOut() string {
	c := &r.Counts
	var parts []string
	for _, part := range []struct {
		n         int64
		one, many string
	}{{c.Ignored, "ignored", "ignored"}, {c.Symlinks, "symbolic link", "symbolic links"}, {c.Special, "special file", "special files"}} {
		if part.n > 0 {
			parts = append(parts, record.Count(part.n, part.one, part.many))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "left out: " + strings.Join(parts, ", ")
}

// Problems returns in a line what keeps the tree from being stored whole, or
// "". Failed is false if it is only what the next run takes without anyone's
// doing: files that were changing, places that had to be cleared first, and what was
// left when --max-duration stopped the run.
func (r *Report) Problems() (text string, failed bool) {
	if r.Complete {
		return "", false
	}
	c := &r.Counts
	var parts []string
	lost := c.Failed
	if !r.OutOfTime {
		lost += c.Pending
	}
	if lost > 0 {
		parts = append(parts, record.Count(lost, "entry", "entries")+" not "+r.choose("stored", "restored"))
	}
	if r.Incomplete != "" && !r.OutOfTime {
		parts = append(parts, "the run did not see the whole tree")
	}
	if r.NothingStored() {
		parts = append(parts, r.nothingStored())
	}
	if r.HeldChanges > 0 {
		parts = append(parts, record.Count(r.HeldChanges, "change was", "changes were")+" held back by a brake")
	}
	if c.Newer > 0 {
		parts = append(parts, record.Count(c.Newer, "newer local file", "newer local files")+" left as on disk")
	}
	failed = len(parts) > 0
	if n := c.Changing + c.Blocked; n > 0 {
		parts = append(parts, record.Count(n, "entry", "entries")+" left to the next run")
	}
	if r.OutOfTime {
		parts = append(parts, "stopped by --max-duration before all was stored")
	}
	if len(parts) == 0 {
		parts, failed = append(parts, "some entries could not be read"), true
	}
	return strings.Join(parts, "; ") + "; last " + r.choose("stored", "restored") + " whole: " + r.lastComplete(), failed
}

// nothingStored says that everything is left out.
func (r *Report) nothingStored() string {
	all := record.Count(r.Counts.Ignored, "entry is", "entries are") + " left out by rules"
	if r.Counts.Ignored > 1 {
		all = "all " + all
	}
	if r.Counts.Dirs > 0 {
		return "no file is stored: " + all
	}
	return "nothing is stored: " + all
}

func (r *Report) lastComplete() string {
	if r.LastComplete.IsZero() {
		return "never"
	}
	return record.LocalTime(r.LastComplete)
}

// choose returns the word for a run to the service, or for one from it.
func (r *Report) choose(store, restore string) string {
	if r.Restore {
		return restore
	}
	return store
}

func explain(reason record.Reason) string {
	switch reason {
	case record.ReasonChanging:
		return "it was changing while it was read; the next run takes it"
	case record.ReasonBlocked:
		return "an entry of another kind was in the way; a run with --prune takes it, once that is deleted"
	case record.ReasonNewer:
		return "the local file is newer than what is stored, and was left as it is; --overwrite replaces it"
	case "":
		return "the run ended before its turn"
	}
	return "the run ended before its turn (" + string(reason) + ")"
}

// Line describes what was or would be done about an entry, or "" if nothing.
func Line(r *record.Record) string {
	switch {
	case r.Error == nil && r.Reason == record.ReasonHeld && r.Root == "":
		return "held back: delete " + record.Printable(r.Path)
	case r.Error == nil && r.Reason == record.ReasonHeld:
		return "held back: put " + record.Printable(r.Path)
	case r.Action == "" || r.Action == record.ActionNone:
		return ""
	case r.Error != nil:
		return fmt.Sprintf("%s %s: %s", record.StatusFailed, record.Printable(r.Path), record.Printable(r.Error.Message))
	case r.Status == record.StatusDeduplicated:
		return fmt.Sprintf("%s %s (%s, %s)", r.Action, record.Printable(r.Path), r.Reason, r.Status)
	}
	return fmt.Sprintf("%s %s (%s)", r.Action, record.Printable(r.Path), r.Reason)
}

func bytes(n int64) string {
	return units.CustomSize("%.4g %s", float64(n), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
}
