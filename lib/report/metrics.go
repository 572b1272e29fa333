package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// metric is one of those that [Metrics] writes, with its value for a report; ok is false
// if it has none.
type metric struct {
	name, help string
	value      func(r *Report, now time.Time) (v float64, ok bool)
}

func stamp(t time.Time) (float64, bool) {
	return float64(t.UnixMilli()) / 1000, !t.IsZero()
}

func flag(on bool) (float64, bool) {
	if on {
		return 1, true
	}
	return 0, true
}

var metrics = []metric{
	{"last_complete_timestamp_seconds", "When the last run ended that stored everything.", func(r *Report, _ time.Time) (float64, bool) { return stamp(r.LastComplete) }},
	{"last_run_timestamp_seconds", "When the last run ended.", func(r *Report, _ time.Time) (float64, bool) { return stamp(r.Ended) }},
	{"last_run_duration_seconds", "How long the last run took.", func(r *Report, _ time.Time) (float64, bool) {
		return r.Ended.Sub(r.Started).Seconds(), !r.Ended.IsZero()
	}},
	{"last_run_complete", "1 if the last run stored everything.", func(r *Report, _ time.Time) (float64, bool) { return flag(r.Complete) }},
	{"well", "1 if jottasync status finds nothing to look at.", func(r *Report, now time.Time) (float64, bool) { return flag(!r.Red(now, 0)) }},
	{"last_proof_timestamp_seconds", "When the tree was last compared with what is stored, as a whole by MD5 or a slice byte for byte.", func(r *Report, _ time.Time) (float64, bool) {
		last := r.Proof.Compared
		for _, t := range r.Proof.Read {
			if t.After(last) {
				last = t
			}
		}
		return stamp(last)
	}},
	{"files", "Files in the tree.", func(r *Report, _ time.Time) (float64, bool) { return float64(r.Counts.Files), true }},
	{"bytes", "Bytes in these files.", func(r *Report, _ time.Time) (float64, bool) { return float64(r.Counts.Bytes), true }},
	{"sent_bytes", "Bytes that the last run sent.", func(r *Report, _ time.Time) (float64, bool) { return float64(r.Counts.Sent), true }},
	{"withheld_deletions", "Deletions that a brake holds back.", func(r *Report, _ time.Time) (float64, bool) { return float64(r.Withheld), true }},
	{"held_changes", "Changes that a brake holds back.", func(r *Report, _ time.Time) (float64, bool) { return float64(r.HeldChanges), true }},
}

// Metrics returns what reports say in the text format of Prometheus, as its node exporter
// takes it from a file. Each report is a job, told from others by the labels source and
// dest; one of a restore has restore="1" besides.
func Metrics(reports []*Report, now time.Time) string {
	var b strings.Builder
	for _, m := range metrics {
		name := "jottasync_" + m.name
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, m.help, name)
		for _, r := range reports {
			if v, ok := m.value(r, now); ok {
				fmt.Fprintf(&b, "%s{%s} %s\n", name, r.labels(), number(v))
			}
		}
	}
	const name = "jottasync_not_stored"
	fmt.Fprintf(&b, "# HELP %s Entries that are not stored, by the class of the error or the reason.\n# TYPE %s gauge\n", name, name)
	for _, r := range reports {
		by := map[string]int64{}
		for _, e := range r.NotStored {
			class := string(e.Class)
			if class == "" {
				class = string(e.Reason)
			}
			by[class]++
		}
		if r.Omitted > 0 {
			by["not_listed"] = r.Omitted
		}
		for _, class := range slices.Sorted(maps.Keys(by)) {
			fmt.Fprintf(&b, "%s{%s,class=\"%s\"} %d\n", name, r.labels(), label(class), by[class])
		}
	}
	return b.String()
}

// number returns a value without an exponent, which people would have to read.
func number(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}

func (r *Report) labels() string {
	text := fmt.Sprintf(`source="%s",dest="%s"`, label(r.Source), label(r.Dest))
	if r.Restore {
		text += `,restore="1"`
	}
	return text
}

// label returns the value of a label: in UTF-8, with backslash, quote and line end escaped.
func label(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\ufffd"))
}
