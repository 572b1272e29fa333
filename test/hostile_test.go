package test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// repeated reads as its text, over and over, n bytes of it.
func repeated(text string, n int64) io.Reader {
	return io.LimitReader(repeater{strings.Repeat(text, 1+64<<10/len(text))}, n)
}

type repeater struct{ text string }

func (r repeater) Read(p []byte) (int, error) { return copy(p, r.text), nil }

// peakMemory returns the most memory that a process has had, in KiB; 0 where the
// system does not say. (What it says of a process that has ended includes what its
// parent had when it began.)
func peakMemory(pid int) (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, value, ok := strings.Cut(string(status), "VmHWM:"); ok {
		fmt.Sscan(value, &kib)
	}
	return kib
}

// TestLongLines: a line that no record can be is named, costs no memory, and keeps
// nothing else from going its way; the stream is not whole then.
func TestLongLines(t *testing.T) {
	const long, fits = 100 << 20, 1<<20 - 200
	const mostMemory = 200 << 10 // KiB, with the race detector, which takes several times what a program does
	w := newSignalWorld(t)
	for _, line := range []struct {
		name string
		text func() io.Reader
		want string // in the message
	}{
		{"100 MB of nothing", func() io.Reader { return repeated("x", long) }, "line 1: the line is longer than 1048576 bytes"},
		{"path of 100 MB", func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"kind":"file","path":"`), repeated("a/", long), strings.NewReader(`a"}`))
		}, "line 1: the line is longer than 1048576 bytes"},
		{"number of a megabyte", func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"kind":"file","path":"a","size":`), repeated("9", fits), strings.NewReader(`}`))
		}, `line 1: "size" is not a whole number: 999`},
		{"half a million levels of JSON", func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"kind":"file","path":"a","x":`), repeated("[", fits/2), repeated("]", fits/2), strings.NewReader(`}`))
		}, "line 1: the line is nested more than 100 levels deep"},
	} {
		for _, args := range filters {
			t.Run(args[0]+"/"+line.name, func(t *testing.T) {
				p := w.start(t, args)
				used := make(chan int, 1)
				go func() {
					io.Copy(p.stdin, line.text())
					fmt.Fprintf(p.stdin, "\n%s", linkRecord(1)+`{"kind":"end","v":1,"stage":"test","records":1,"bytes":0,"errors":0,"complete":true}`+"\n")
					used <- peakMemory(p.cmd.Process.Pid) // all but what a pipe holds has been read
					p.stdin.Close()
				}()
				out := p.ends(t, 3, "false")
				if args[0] != "jreport" && !strings.Contains(out, "link00000001") {
					t.Errorf("the record after it is lost:\n%s", out)
				}
				if !strings.Contains(p.stderr.String(), line.want) {
					t.Errorf("messages %.300q, want %q", p.stderr.String(), line.want)
				}
				if used := <-used; used > mostMemory {
					t.Errorf("it used %d KiB of memory, want at most %d", used, mostMemory)
				}
			})
		}
	}
}

// TestLongRecords: no filter keeps records by their number alone: those that are as
// long as can be take no more memory than others.
func TestLongRecords(t *testing.T) {
	const records, long = 150, 1<<20 - 200
	const mostMemory = 120 << 10 // KiB, with the race detector
	w := newSignalWorld(t)
	for _, args := range filters {
		t.Run(args[0], func(t *testing.T) {
			p := w.start(t, args)
			used := make(chan int, 1)
			go func() {
				for i := range records {
					fmt.Fprintf(p.stdin, `{"kind":"file","root":"/nowhere","path":"f%04d","size":1,"mtime":"2026-01-02T03:04:05Z","x":"`, i)
					io.Copy(p.stdin, repeated("x", long))
					io.WriteString(p.stdin, `"}`+"\n")
				}
				used <- peakMemory(p.cmd.Process.Pid)
				p.stdin.Close()
			}()
			io.Copy(io.Discard, p.output)
			p.wait()
			if used := <-used; used > mostMemory {
				t.Errorf("it used %d KiB of memory, want at most %d", used, mostMemory)
			}
		})
	}
}

// number returns the number that a variable of the environment holds; fallback if it
// holds none.
func number(variable string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return fallback
}

// TestOneFolder: no filter takes more memory for more entries, though all of them are in
// one folder: JOTTA_ENTRIES of them, by hand.
func TestOneFolder(t *testing.T) {
	entries := number("JOTTA_ENTRIES", 100_000)
	const mostGrowth = 12 << 10 // KiB
	w := newSignalWorld(t)
	for _, args := range filters {
		t.Run(args[0], func(t *testing.T) {
			p := w.start(t, args)
			used := make(chan [2]int, 1)
			go func() {
				var peaks [2]int
				in := bufio.NewWriter(p.stdin)
				for i := range entries {
					io.WriteString(in, linkRecord(i))
					if i == entries/4 { // more than a pipe holds, so that the program has read some
						peaks[0] = peakMemory(p.cmd.Process.Pid)
					}
				}
				in.Flush()
				peaks[1] = peakMemory(p.cmd.Process.Pid)
				fmt.Fprintf(p.stdin, `{"kind":"end","v":1,"stage":"test","records":%d,"bytes":0,"errors":0,"complete":true}`+"\n", entries)
				used <- peaks
				p.stdin.Close()
			}()
			io.Copy(io.Discard, p.output)
			if state, stderr := p.wait(); state.ExitCode() != 0 {
				t.Errorf("it exits with %d and says %.300q", state.ExitCode(), stderr)
			}
			if peaks := <-used; peaks[1]-peaks[0] > mostGrowth {
				t.Errorf("it used %d KiB for a quarter of %d entries and %d for all, want at most %d more", peaks[0], entries, peaks[1], mostGrowth)
			}
		})
	}
}
