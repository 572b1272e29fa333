package report

import (
	"io"
	"time"
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
}

// Show shows reports, and reports whether a person has to look at one.
func (s Status) Show(to Page, found []Found, now time.Time) (red bool, err error) {
	for i, r := range found {
		red = red || r.Red(now, s.MaxAge)
		switch {
		case s.JSON:
			err = to.PrintJSON(r.Report, "")
		case i > 0:
			if _, err = io.WriteString(to.TextSink(), "\n"); err == nil {
				err = r.WriteStatus(to.TextSink(), now, s.MaxAge)
			}
		default:
			err = r.WriteStatus(to.TextSink(), now, s.MaxAge)
		}
		if err != nil {
			return red, err
		}
	}
	return red, nil
}
