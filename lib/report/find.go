package report

import (
	"errors"
	"io"
	"time"

	"jottatools/lib/record"
)

// Choice says which reports are meant: those of a source and of a destination; empty
// stands for any.
type Choice struct{ Source, Dest string }

// Found is a report and the file that it is in.
type Found struct {
	*Report
	Name string
}

// Find returns those of the reports in files that are meant. The error wraps [ErrNoReport]
// if one of the files is no report, and fs.ErrNotExist if one is not there.
func Find(names []string, choice Choice) ([]Found, error) {
	var found []Found
	for _, name := range names {
		r, err := Load(name)
		if err != nil {
			return nil, err
		}
		if r == nil || choice.Source != "" && r.Source != choice.Source || choice.Dest != "" && r.Dest != choice.Dest {
			continue
		}
		found = append(found, Found{r, name})
	}
	return found, nil
}

// Page is what reports are shown on.
type Page interface {
	TextSink() io.Writer
	PrintJSON(v any, indent string) error
}

// Status says how reports are shown.
type Status struct {
	MaxAge time.Duration // as for [Report.Red]
	JSON   bool
	Note   func(Found) string // a line more about the job, or ""; may be nil
}

// Show shows reports. Bad is an error if there are none, or a person has to look at one; then
// its text is empty, since the report says why.
func (s Status) Show(to Page, found []Found, now time.Time) (bad, err error) {
	if len(found) == 0 {
		return errors.New("nothing is known of that; it has never been stored from here"), nil
	}
	for i, r := range found {
		if r.Red(now, s.MaxAge) {
			bad = errors.New("")
		}
		if s.JSON {
			err = to.PrintJSON(r.Report, "")
		} else {
			err = s.write(to.TextSink(), r, i > 0, now)
		}
		if err != nil {
			return nil, err
		}
	}
	return bad, nil
}

func (s Status) write(w io.Writer, r Found, apart bool, now time.Time) error {
	if apart {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	if err := r.WriteStatus(w, now, s.MaxAge); err != nil || s.Note == nil {
		return err
	}
	if note := s.Note(r); note != "" {
		_, err := io.WriteString(w, record.Printable(note)+"\n")
		return err
	}
	return nil
}
