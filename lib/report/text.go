package report

import (
	"fmt"
	"io"
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
// doing: files that were changing, and places that had to be cleared first.
func (r *Report) Problems() (text string, failed bool) {
	if r.Complete {
		return "", false
	}
	c := &r.Counts
	var parts []string
	if n := c.Failed + c.Pending; n > 0 {
		parts = append(parts, record.Count(n, "entry", "entries")+" not "+r.choose("stored", "restored"))
	}
	if r.Incomplete != "" {
		parts = append(parts, "the run did not see the whole tree")
	}
	failed = len(parts) > 0
	if c.Newer > 0 {
		parts, failed = append(parts, record.Count(c.Newer, "newer local file", "newer local files")+" left as on disk"), true
	}
	if n := c.Changing + c.Blocked; n > 0 {
		parts = append(parts, record.Count(n, "entry", "entries")+" left to the next run")
	}
	if len(parts) == 0 {
		parts, failed = append(parts, "some entries could not be read"), true
	}
	return strings.Join(parts, "; ") + "; last " + r.choose("stored", "restored") + " whole: " + r.lastComplete(), failed
}

func (r *Report) lastComplete() string {
	if r.LastComplete.IsZero() {
		return "never"
	}
	return local(r.LastComplete)
}

// local shows a time to people.
func local(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// WriteStatus answers when the tree was last stored whole, and what was not.
func (r *Report) WriteStatus(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s -> %s\n", record.Printable(r.Source), record.Printable(r.Dest))
	if r.Account != (Account{}) {
		fmt.Fprintf(&b, "  %s: %s\n", r.choose("to", "from"), record.Printable(r.Account.String()))
	}
	fmt.Fprintf(&b, "  last %s whole: %s\n", r.choose("stored", "restored"), r.lastComplete())
	if !r.Restore {
		b.WriteString(r.Proof.status())
	}
	if r.Ended.IsZero() { // nothing but a proof has been tried
		_, err := io.WriteString(w, b.String())
		return err
	}
	state := "complete"
	if !r.Complete {
		state = "NOT complete"
	}
	fmt.Fprintf(&b, "  last run: %s, %s\n", local(r.Ended), state)
	if !r.Unfinished.IsZero() {
		fmt.Fprintf(&b, "  a run that began %s has not come to its end\n", local(r.Unfinished))
	}
	for line := range strings.SplitSeq(r.Summary(), "\n") {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	if r.Withheld > 0 {
		fmt.Fprintf(&b, "  %s withheld by a brake; nothing was deleted\n", record.Count(r.Withheld, "deletion was", "deletions were"))
	}
	if r.Incomplete != "" {
		fmt.Fprintf(&b, "  the run did not see the whole tree: %s\n", record.Printable(r.Incomplete))
	}
	if len(r.NotStored) > 0 {
		fmt.Fprintf(&b, "  not %s:\n", r.choose("stored", "restored"))
	}
	for _, e := range r.NotStored {
		why := e.Message
		if why == "" {
			why = explain(e.Reason)
		}
		fmt.Fprintf(&b, "    %s: %s\n", record.Printable(e.Path), record.Printable(why))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "    and %d more\n", r.Omitted)
	}
	_, err := io.WriteString(w, b.String())
	return err
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
