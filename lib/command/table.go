package command

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"jottatools/lib/record"
)

// table shows a stream of records to people, one line an entry.
type table struct {
	env  *Env
	rest []byte // of a line that has not ended yet
}

// Write takes whole and partial lines of NDJSON.
func (t *table) Write(b []byte) (int, error) {
	t.rest = append(t.rest, b...)
	var text strings.Builder
	for {
		line, rest, ok := bytes.Cut(t.rest, []byte{'\n'})
		if !ok {
			break
		}
		t.rest = append(t.rest[:0:0], rest...)
		text.WriteString(row(line))
	}
	var err error
	t.env.draw(func() { _, err = fmt.Fprint(t.env.Stdout, text.String()) })
	return len(b), err
}

// row returns the line that people see for a record; the end record is not
// shown.
func row(line []byte) string {
	var r record.Record
	if err := r.UnmarshalJSON(line); err != nil || r.Kind == record.KindEnd {
		return ""
	}
	size := ""
	if r.Kind == record.KindFile && r.Size >= 0 {
		size = Bytes(r.Size)
	}
	path := r.Path
	switch r.Kind {
	case record.KindDir:
		path += "/"
	case record.KindSymlink:
		path += " -> " + r.Target
	}
	changed := ""
	if r.Action == "" && r.Status == "" && r.Error == nil { // else people look for what becomes of it
		if !r.MTime.IsZero() {
			changed = r.MTime.Local().Format("2006-01-02 15:04")
		}
		changed = fmt.Sprintf("%-16s  ", changed)
	}
	text := fmt.Sprintf("%-12s %10s  %s%s", word(&r), size, changed, path)
	if r.Link != "" && r.Error == nil {
		text = r.Link + "  " + path
	}
	if version := version(&r); version != "" {
		text += "  (" + version + ")"
	}
	if r.Error != nil {
		text += ": " + r.Error.Message
	}
	return record.Printable(text) + "\n"
}

// version says which revision of a file a listing means, and when the entry went
// to the trash, as far as it says.
func version(r *record.Record) string {
	var parts []string
	switch {
	case r.Action != "":
		return "" // people look for what became of it
	case r.Revision > 0 && !r.Uploaded.IsZero():
		parts = append(parts, fmt.Sprintf("revision %d, of %s", r.Revision, record.LocalTime(r.Uploaded)))
	case r.Revision > 0:
		parts = append(parts, fmt.Sprintf("revision %d", r.Revision))
	}
	if !r.Deleted.IsZero() {
		parts = append(parts, "deleted "+record.LocalTime(r.Deleted))
	}
	return strings.Join(parts, "; ")
}

// Bytes returns a number of bytes as people read it, such as "1.5 KiB".
func Bytes(n int64) string {
	return units.CustomSize("%.4g %s", float64(n), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
}

// word says in one word what is known of an entry.
func word(r *record.Record) string {
	switch {
	case r.Error != nil:
		return "failed"
	case r.Ignored:
		return "ignored"
	case r.Status != "":
		return string(r.Status)
	case r.Action != "" && r.Action != record.ActionNone:
		return string(r.Action)
	case r.Reason != "":
		return string(r.Reason)
	case r.MD5 != "":
		return r.MD5[:8]
	}
	return string(r.Kind)
}
