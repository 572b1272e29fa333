package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const intro = `# Benchmarks

How long our programs take for a job, beside what people would use instead. ` + "`scripts/bench`" + ` measures it all and makes this page;
[test/bench](../test/bench/main.go) says how, and how to add a job.

The rivals of a job take turns, ours first, so that whatever else the machine does hits all alike: ratios mean something, seconds
do not. Shown are medians, and in brackets the extremes; "our speed" is how many times as fast ours was as that rival, the median
over the rounds that both took part in. Memory is the most that was resident, of each process. Requests and bytes are as the server counted them. Where there is a server it is ` + "`jserve`" + ` on
the same machine, and everybody reaches it through its proxy, encrypted, as they would reach the service. rclone is the one of
Debian 12 (1.60.1), with as many transfers and checkers as our programs have jobs, unless a job says otherwise.

The numbers here are of a virtual machine with two cores of an AMD EPYC, 24 GB of memory, Linux 6.18, on which nothing else ran. The
seconds of processor time ("CPU s") are those of all programs of a rival together. What took minutes was run once.
`

// writePage makes the page from all results.
func writePage(results, page string) error {
	text, err := renderPage(results)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o644)
}

func renderPage(results string) (string, error) {
	var summary, details strings.Builder
	for _, j := range jobs() {
		data, err := os.ReadFile(filepath.Join(results, j.name+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not measured yet
		}
		var r result
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			return "", err
		}
		summarise(&summary, j, &r)
		describe(&details, j, &r)
	}
	head := "\n| job | goal | our speed |\n| --- | --- | --- |\n"
	return intro + head + summary.String() + details.String(), nil
}

// summarise adds the row of a job.
func summarise(b *strings.Builder, j job, r *result) {
	var ratios []string
	for i, rv := range r.Rivals[1:] {
		ratios = append(ratios, fmt.Sprintf("%s: %s ×", cell(rv.Name), short(r.ratio(i+1))))
	}
	anchor := strings.ReplaceAll(strings.ToLower(strings.Map(anchorRune, j.title)), " ", "-")
	fmt.Fprintf(b, "| [%s](#%s) | %s | %s |\n", j.title, anchor, j.goal, strings.Join(ratios, "<br>"))
}

// anchorRune leaves out what headings lose in their anchors.
func anchorRune(r rune) rune {
	if strings.ContainsRune(",.()/%:|", r) {
		return -1
	}
	return r
}

// describe adds the section of a job.
func describe(b *strings.Builder, j job, r *result) {
	fmt.Fprintf(b, "\n## %s\n\n", j.title)
	row := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + cell(c) + " ")
		}
		b.WriteString("|\n")
	}
	header := r.header()
	row(header)
	b.WriteString(strings.Repeat("| --- ", len(header)) + "|\n")
	for _, cells := range r.rows() {
		row(cells)
	}
	fmt.Fprintf(b, "\nMeasured %s, %s (`scripts/bench --only %s`).", r.Date, r.runs(), j.name)
	if j.goal != "" {
		fmt.Fprintf(b, " Goal: %s.", j.goal)
	}
	b.WriteString("\n")
	if j.note != "" {
		fmt.Fprintf(b, "\n%s\n", j.note)
	}
}

// cell makes text fit into a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
