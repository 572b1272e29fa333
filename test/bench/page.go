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

This page compares the time of our programs with that of their alternatives. ` + "`scripts/bench`" + ` measures everything and writes this page;
[test/bench](../test/bench/main.go) explains how, and how to add a job.

The rivals of a job take turns, ours first, so that other load on the machine affects all of them equally. Compare ratios, not
seconds. The tables show medians, and the extremes in brackets. "Our speed" says how many times as fast ours was as that rival: the
median over the rounds in which both took part. Memory is the peak resident memory of each process. Requests and bytes are as counted
by the server. If a job has a server, it is ` + "`jserve`" + ` on
the same machine, and all programs reach it through its proxy, encrypted, as they would reach the service. rclone is version 1.60.1
of Debian 12, with as many transfers and checkers as our programs have jobs, unless a job says otherwise.

The numbers come from a virtual machine with two cores of an AMD EPYC, 24 GB of memory and Linux 6.18, on which nothing else ran. The
seconds of processor time ("CPU s") are the sum over all programs of a rival. Programs that took minutes ran once.
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
