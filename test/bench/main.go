// Bench measures each program on a generated tree: entries and bytes a second,
// and its peak memory.
//
// Usage:
//
//	scripts/bench [--files N[,N…]] [--jobs N]
//
// The tree comes from a seed, so that two runs measure the same. Each program
// reads what the one before it wrote from a file, so that it is measured alone.
// With several numbers of files it also prints by how much peak memory differs
// between them: it must not grow with the tree.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

func main() {
	files := pflag.IntSlice("files", []int{10_000}, "how many files the tree has; several numbers are compared")
	seed := pflag.Uint64("seed", 1, "what the tree is made from")
	bin := pflag.String("bin", "bin", "where the programs are")
	jobs := pflag.Int("jobs", 6, "parallel uploads")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *files, *seed, *bin, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, sizes []int, seed uint64, bin string, jobs int) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	var all [][]result
	for _, n := range sizes {
		results, err := measure(ctx, n, seed, bin, jobs)
		if err != nil {
			return err
		}
		all = append(all, results)
	}
	if len(all) > 1 {
		compare(sizes, all)
	}
	return nil
}

// result is what one program took.
type result struct {
	name           string
	entries, bytes int64
	took           time.Duration
	peak           int64 // bytes of resident memory
}

// measure runs every program once on a tree of n files.
func measure(ctx context.Context, n int, seed uint64, bin string, jobs int) ([]result, error) {
	dir, err := os.MkdirTemp("", "jottatools-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	size, entries, err := generate(tree, n, seed)
	if err != nil {
		return nil, err
	}
	server, err := serve(ctx, bin, dir)
	if err != nil {
		return nil, err
	}
	defer server.stop()

	fmt.Printf("%d files, %d entries, %.1f MB\n\n", n, entries, float64(size)/1e6)
	fmt.Printf("%-28s %8s %10s %9s %9s\n", "program", "seconds", "entries/s", "MB/s", "peak MiB")
	b := &bench{ctx: ctx, dir: dir, entries: entries, env: server.env}
	at := func(name string) string { return filepath.Join(dir, name) }
	const dest = "/Jotta/Archive/bench"
	prog := func(name string, args ...string) []string { return append([]string{filepath.Join(bin, name)}, args...) }

	b.run("jwalk", "", at("walk"), 0, prog("jwalk", tree))
	b.run("jhash", at("walk"), at("hash"), size, prog("jhash", "--cache", at("cache")))
	b.run("jhash, all in the cache", at("walk"), at("hash"), 0, prog("jhash", "--cache", at("cache")))
	b.run("jdiff, all new", at("hash"), at("new"), 0, prog("jdiff", "--dest", dest))
	b.run("jput, all new", at("new"), at("put"), size, prog("jput", "-j", strconv.Itoa(jobs)))
	b.run("jreport", at("put"), os.DevNull, 0, prog("jreport", "-q"))
	b.run("jdiff, all the same", at("hash"), at("same"), 0, prog("jdiff", "--dest", dest))
	b.run("jput, all the same", at("same"), os.DevNull, 0, prog("jput"))
	b.run("jdiff, nothing left", at("one"), at("gone"), 0, prog("jdiff", "--dest", dest, "--prune", "--max-delete", "100%"))
	b.run("jrm, all", at("gone"), os.DevNull, 0, prog("jrm"))
	if b.err != nil {
		return nil, b.err
	}
	peak := server.stop()
	b.add(result{name: "jserve", peak: peak})
	fmt.Println()
	return b.results, nil
}

type bench struct {
	ctx     context.Context
	dir     string
	entries int64
	env     []string
	results []result
	err     error
}

// run measures a program that reads the file in and writes the file out.
func (b *bench) run(name, in, out string, size int64, argv []string) {
	if b.err != nil {
		return
	}
	if filepath.Base(in) == "one" {
		// What is left of the tree: one file that nobody stored.
		const one = `{"kind":"file","path":"zzz","size":0,"md5":"d41d8cd98f00b204e9800998ecf8427e"}` + "\n" +
			`{"kind":"end","v":1,"stage":"jhash","records":1,"bytes":0,"errors":0,"complete":true}` + "\n"
		if b.err = os.WriteFile(in, []byte(one), 0o600); b.err != nil {
			return
		}
	}
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	cmd.Env = b.env
	var messages bytes.Buffer
	cmd.Stderr = &messages
	var err error
	if in != "" {
		var f *os.File
		if f, err = os.Open(in); err == nil {
			defer f.Close()
			cmd.Stdin = f
		}
	}
	if err == nil {
		var f *os.File
		if f, err = os.Create(out); err == nil {
			defer f.Close()
			cmd.Stdout = f
		}
	}
	if err != nil {
		b.err = err
		return
	}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.err = fmt.Errorf("%s: %w\n%s", name, err, &messages)
		return
	}
	b.add(result{name: name, entries: b.entries, bytes: size, took: time.Since(start), peak: peakOf(cmd.ProcessState)})
}

func (b *bench) add(r result) {
	b.results = append(b.results, r)
	per := func(n int64, unit float64) string {
		if n == 0 || r.took == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f", float64(n)/unit/r.took.Seconds())
	}
	took := "-"
	if r.took > 0 {
		took = fmt.Sprintf("%.2f", r.took.Seconds())
	}
	fmt.Printf("%-28s %8s %10s %9s %9.1f\n", r.name, took, per(r.entries, 1), per(r.bytes, 1e6), float64(r.peak)/(1<<20))
}

// peakOf returns the peak resident memory of a process that has ended.
func peakOf(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(usage.Maxrss) * 1024 // Linux counts in KiB
}

// compare prints how peak memory grows from the first tree to each other one.
func compare(sizes []int, all [][]result) {
	fmt.Printf("%-28s", "peak MiB at")
	for _, n := range sizes {
		fmt.Printf(" %9d", n)
	}
	fmt.Println("   most/least")
	for i, first := range all[0] {
		fmt.Printf("%-28s", first.name)
		least, most := first.peak, first.peak
		for _, results := range all {
			fmt.Printf(" %9.1f", float64(results[i].peak)/(1<<20))
			least, most = min(least, results[i].peak), max(most, results[i].peak)
		}
		fmt.Printf("   %9.2f\n", float64(most)/float64(max(least, 1)))
	}
}

// server is a jserve with a store of its own.
type server struct {
	cmd *exec.Cmd
	env []string
}

func serve(ctx context.Context, bin, dir string) (*server, error) {
	ready := filepath.Join(dir, "ready")
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "jserve"), "--data", filepath.Join(dir, "store"), "--listen", "127.0.0.1:0", "--user", "bench", "--ready-file", ready)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "JSERVE_PASSWORD=bench")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if address, err := os.ReadFile(ready); err == nil {
			s.env = append(os.Environ(), "JOTTA_ENDPOINT=http://"+strings.TrimSpace(string(address)), "JOTTACLOUD_USERNAME=bench", "JOTTACLOUD_PASSWORD=bench")
			return s, nil
		}
		<-tick.C
	}
	s.stop()
	return nil, errors.New("jserve did not start")
}

// stop ends the server and returns its peak memory. It may be called twice.
func (s *server) stop() int64 {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	}
	return peakOf(s.cmd.ProcessState)
}

// years is how many folders the top of a tree has, however large it is.
const years = 10

// generate makes a tree of n files, 9 KB each on average, a hundred to a folder,
// and returns how many bytes and entries it has.
func generate(root string, n int, seed uint64) (size, entries int64, err error) {
	random := rand.New(rand.NewPCG(seed, seed))
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = byte(random.Uint32())
	}
	folder := ""
	for i := range n {
		if i%100 == 0 {
			album := i / 100
			folder = filepath.Join(root, fmt.Sprintf("year %d", 2000+album%years), fmt.Sprintf("album %05d", album))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return 0, 0, err
			}
			entries++
			if album < years {
				entries++
			}
		}
		length := int64(random.ExpFloat64() * 9000)
		length = min(length, 1<<20)
		if err := write(filepath.Join(folder, fmt.Sprintf("IMG_%06d.jpg", i)), uint64(i), length, block); err != nil {
			return 0, 0, err
		}
		size += length
		entries++
	}
	return size, entries, nil
}

// write makes a file whose content no other has.
func write(name string, id uint64, length int64, block []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	header := fmt.Sprintf("%016x", id)
	io.WriteString(w, header[:min(length, 16)])
	for left := length - 16; left > 0; left -= int64(len(block)) {
		w.Write(block[:min(left, int64(len(block)))])
	}
	return errors.Join(w.Flush(), f.Close())
}
