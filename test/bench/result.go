package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what a job came to, as it is kept.
type result struct {
	Job    string        `json:"job"`
	Title  string        `json:"title"`
	Date   string        `json:"date"`
	Unit   string        `json:"unit"`
	Rivals []rivalResult `json:"rivals"`
}

type rivalResult struct {
	Name  string        `json:"name"`
	Units float64       `json:"units"`
	Runs  []measurement `json:"runs"`
}

func newResult(j job, rivals []rival) *result {
	r := &result{Job: j.name, Title: j.title, Unit: j.unit, Date: time.Now().UTC().Format(time.DateOnly)}
	for _, rv := range rivals {
		r.Rivals = append(r.Rivals, rivalResult{Name: rv.name, Units: rv.units})
	}
	return r
}

// save keeps the result.
func (r *result) save(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// print shows the result.
func (r *result) print(out io.Writer) error {
	fmt.Fprintf(out, "%s: %s\n", r.Job, r.Title)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{r.header()}, r.rows()...) {
		fmt.Fprintln(table, "  "+strings.Join(row, "\t"))
	}
	return table.Flush()
}

func (r *result) header() []string {
	header := []string{"", "seconds", r.Unit + "/s", "our speed", "CPU s", "peak MiB"}
	if r.served() {
		header = append(header, "requests", "MB up", "MB down")
	}
	return header
}

// served reports whether a server was asked.
func (r *result) served() bool {
	for _, rv := range r.Rivals {
		if rv.of(func(m measurement) float64 { return float64(m.Requests) }) > 0 {
			return true
		}
	}
	return false
}

// rows returns a line for each rival.
func (r *result) rows() [][]string {
	var rows [][]string
	for i, rv := range r.Rivals {
		least, most := math.Inf(1), 0.0
		for _, m := range rv.Runs {
			least, most = min(least, m.Seconds), max(most, m.Seconds)
		}
		seconds := rv.of(func(m measurement) float64 { return m.Seconds })
		row := []string{rv.Name, fmt.Sprintf("%s (%s–%s)", short(seconds), short(least), short(most)), short(rv.Units / seconds),
			"", short(rv.of(func(m measurement) float64 { return m.CPU })), rv.peaks()}
		if i > 0 {
			row[3] = short(r.ratio(i)) + " ×"
		}
		if r.served() {
			row = append(row, fmt.Sprintf("%.0f", rv.of(func(m measurement) float64 { return float64(m.Requests) })),
				short(rv.of(func(m measurement) float64 { return float64(m.Up) / 1e6 })), short(rv.of(func(m measurement) float64 { return float64(m.Down) / 1e6 })))
		}
		rows = append(rows, row)
	}
	return rows
}

// of returns the median of something over all runs.
func (rv *rivalResult) of(get func(measurement) float64) float64 {
	var values []float64
	for _, m := range rv.Runs {
		values = append(values, get(m))
	}
	return median(values)
}

// ratio returns how many times as fast as the i-th rival ours is: the median over
// the rounds that both took part in.
func (r *result) ratio(i int) float64 {
	ours, other := r.Rivals[0], r.Rivals[i]
	var ratios []float64
	for n := range other.Runs {
		ratios = append(ratios, other.Runs[n].Seconds/other.Units/(ours.Runs[n].Seconds/ours.Units))
	}
	return median(ratios)
}

// peaks returns the median peak memory of each program of a rival.
func (rv *rivalResult) peaks() string {
	var parts []string
	for i, p := range rv.Runs[0].Peaks {
		parts = append(parts, fmt.Sprintf("%s %.0f", p.Program, rv.of(func(m measurement) float64 { return m.Peaks[i].MiB })))
	}
	return strings.Join(parts, ", ")
}

// runs says how often the rivals did the work.
func (r *result) runs() string {
	n := len(r.Rivals[0].Runs)
	text := fmt.Sprintf("%d runs each", n)
	if n == 1 {
		text = "1 run each"
	}
	for _, rv := range r.Rivals {
		if len(rv.Runs) < n {
			text += fmt.Sprintf(", %d of %s", len(rv.Runs), rv.Name)
		}
	}
	return text
}

// short returns x with as many digits as mean anything.
func short(x float64) string {
	switch {
	case x >= 100 || x == 0:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
