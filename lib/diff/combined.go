package diff

import (
	"bufio"
	"strings"

	"jottatools/lib/record"
)

// The symbols of the combined format: what rclone's check --combined prints, so
// that scripts can read both.
const (
	symbolSame       = "= "
	symbolDiffers    = "* "
	symbolSourceOnly = "+ "
	symbolTargetOnly = "- "
	symbolError      = "! "
)

// Combined returns an Emit that writes one line an entry: a symbol and the
// path. Entries that are not compared (ignored, symbolic links, special files)
// have no line. A newline in a name is written as \n, and a backslash as \\.
func Combined(w *bufio.Writer) Emit {
	return func(r *record.Record) error {
		symbol := symbolOf(r)
		if symbol == "" {
			return nil
		}
		_, err := w.WriteString(symbol + lineEscaper.Replace(r.Path) + "\n")
		return err
	}
}

var lineEscaper = strings.NewReplacer("\\", `\\`, "\n", `\n`)

func symbolOf(r *record.Record) string {
	switch {
	case r.Error != nil:
		return symbolError
	case r.Reason == record.ReasonSame:
		return symbolSame
	case r.Reason == record.ReasonGone:
		return symbolTargetOnly
	case r.Reason == record.ReasonNew:
		return symbolSourceOnly
	case r.Reason == record.ReasonBlocked, r.Action == record.ActionPut, r.Action == record.ActionGet, r.Action == record.ActionTouch:
		return symbolDiffers
	}
	return ""
}
