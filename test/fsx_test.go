//go:build linux

package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fsx does random things to a tree in the mount and to its shadow on local disk, and
// sees that both behave alike: the same content, names, sizes, times and errors. Now
// and then the mount goes and comes back, as if the system was restarted or, with
// kill -9, had died. What was closed must still be there.
type fsx struct {
	*world
	rng    *rand.Rand
	shadow string
	open   []*pair
	log    []string // the last operations
	done   int
	kills  int
}

// pair is a file that is open in the mount and in the shadow.
type pair struct {
	path     string // "" once it has been removed
	mnt, sh  *os.File
	unsure   bool // written to since it was last closed: a crash may lose that
	everSafe bool // it has been closed before
}

const (
	fsxSize = 300 << 10 // the largest file
	fsxOpen = 6         // files open at once
)

func (x *fsx) say(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf("%d: ", x.done)+fmt.Sprintf(format, args...))
	if len(x.log) > 60 {
		x.log = x.log[1:]
	}
}

func (x *fsx) fail(format string, args ...any) {
	x.t.Helper()
	x.t.Fatalf("%s\nafter:\n%s\njfuse: %s", fmt.Sprintf(format, args...), strings.Join(x.log, "\n"), x.jfuse.output())
}

// same fails unless both did or did not do it, for the same reason.
func (x *fsx) same(mnt, sh error) bool {
	x.t.Helper()
	var a, b syscall.Errno
	errors.As(mnt, &a)
	errors.As(sh, &b)
	if a != b || (mnt == nil) != (sh == nil) {
		x.fail("the mount says %v, the shadow says %v", mnt, sh)
	}
	return mnt == nil
}

func (x *fsx) m(path string) string { return filepath.Join(x.archive(), path) }
func (x *fsx) s(path string) string { return filepath.Join(x.shadow, path) }

// somePath returns a path in the tree, there or not.
func (x *fsx) somePath() string {
	parts := []string{fmt.Sprintf("f%d", x.rng.IntN(5))}
	if x.rng.IntN(4) == 0 {
		parts[0] = fmt.Sprintf("d%d", x.rng.IntN(3))
	}
	for x.rng.IntN(2) == 0 && len(parts) < 4 {
		parts = slices.Insert(parts, 0, fmt.Sprintf("d%d", x.rng.IntN(3)))
	}
	return filepath.Join(parts...)
}

func (x *fsx) somePair() *pair {
	if len(x.open) == 0 {
		return nil
	}
	return x.open[x.rng.IntN(len(x.open))]
}

func (x *fsx) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := x.rng.Uint64()
		for j := i; j < min(i+8, n); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}

func (x *fsx) step() {
	x.done++
	switch p, n := x.somePair(), x.rng.IntN(100); {
	case n < 12:
		x.openFile()
	case n < 34 && p != nil:
		x.write(p)
	case n < 39 && p != nil:
		size := int64(x.rng.IntN(fsxSize))
		x.say("ftruncate %s %d", p.path, size)
		x.same(p.mnt.Truncate(size), p.sh.Truncate(size))
		p.unsure = true
	case n < 55 && p != nil:
		x.read(p)
	case n < 60 && p != nil:
		x.mapped(p)
	case n < 69 && p != nil:
		x.close(p)
	case n < 70 && p != nil:
		x.say("fsync %s", p.path)
		x.same(p.mnt.Sync(), p.sh.Sync())
	case n < 74:
		path := x.somePath()
		x.say("mkdir %s", path)
		x.same(os.Mkdir(x.m(path), 0o755), os.Mkdir(x.s(path), 0o755))
	case n < 82:
		x.rename()
	case n < 86:
		x.remove()
	case n < 88:
		path, size := x.somePath(), int64(x.rng.IntN(fsxSize))
		x.say("truncate %s %d", path, size)
		x.same(os.Truncate(x.m(path), size), os.Truncate(x.s(path), size))
	case n < 91:
		path, at := x.somePath(), time.Unix(1_600_000_000+x.rng.Int64N(100_000_000), 0)
		x.say("utimes %s %v", path, at)
		x.same(os.Chtimes(x.m(path), at, at), os.Chtimes(x.s(path), at, at))
		x.compare(path)
	case n < 94:
		x.writeFile()
	default:
		x.compare(x.somePath())
	}
}

func (x *fsx) openFile() {
	if len(x.open) >= fsxOpen {
		x.close(x.somePair())
		return
	}
	path := x.somePath()
	flags := os.O_RDWR
	for _, f := range []int{os.O_CREATE, os.O_CREATE | os.O_EXCL, os.O_TRUNC, os.O_APPEND} {
		if x.rng.IntN(3) == 0 {
			flags |= f
		}
	}
	x.say("open %s %#x", path, flags)
	_, before := os.Lstat(x.s(path))
	mnt, errM := os.OpenFile(x.m(path), flags, 0o644)
	sh, errS := os.OpenFile(x.s(path), flags, 0o644)
	if x.same(errM, errS) {
		x.open = append(x.open, &pair{path: path, mnt: mnt, sh: sh, unsure: before != nil || flags&os.O_TRUNC != 0, everSafe: before == nil})
	}
}

func (x *fsx) write(p *pair) {
	b := x.bytes(1 + x.rng.IntN(48<<10))
	offset := x.rng.Int64N(fsxSize - int64(len(b)))
	x.say("write %s %d+%d", p.path, offset, len(b))
	_, errM := p.mnt.WriteAt(b, offset)
	_, errS := p.sh.WriteAt(b, offset)
	if errM != nil && strings.Contains(errM.Error(), "O_APPEND") {
		_, errM = p.mnt.Write(b)
		_, errS = p.sh.Write(b)
	}
	x.same(errM, errS)
	x.unsure(p)
}

// unsure marks all that have the file open.
func (x *fsx) unsure(p *pair) {
	p.unsure = true
	for _, o := range x.open {
		if o.path == p.path && o.path != "" {
			o.unsure = true
		}
	}
}

func (x *fsx) read(p *pair) {
	offset, n := x.rng.Int64N(fsxSize), 1+x.rng.IntN(48<<10)
	x.say("read %s %d+%d", p.path, offset, n)
	a, b := make([]byte, n), make([]byte, n)
	na, errM := p.mnt.ReadAt(a, offset)
	nb, errS := p.sh.ReadAt(b, offset)
	if errM == io.EOF && errS == io.EOF {
		errM, errS = nil, nil
	}
	x.same(errM, errS)
	if na != nb || !bytes.Equal(a[:na], b[:nb]) {
		x.fail("read %s: %d bytes, want %d; they differ from byte %d on", p.path, na, nb, offset+int64(differ(a[:na], b[:nb])))
	}
}

// differ returns where two contents part.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// mapped writes to a file through memory.
func (x *fsx) mapped(p *pair) {
	fi, err := p.sh.Stat()
	if err != nil || fi.Size() == 0 {
		return
	}
	size := int(fi.Size())
	offset := x.rng.IntN(size)
	b := x.bytes(1 + x.rng.IntN(min(size-offset, 20<<10)))
	x.say("mmap write %s %d+%d", p.path, offset, len(b))
	for _, f := range []*os.File{p.mnt, p.sh} {
		mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			x.fail("mmap %s: %v", f.Name(), err)
		}
		copy(mem[offset:], b)
		if err := errors.Join(unix.Msync(mem, unix.MS_ASYNC), unix.Munmap(mem)); err != nil {
			x.fail("munmap %s: %v", f.Name(), err)
		}
	}
	x.unsure(p)
}

func (x *fsx) close(p *pair) {
	if p == nil {
		return
	}
	x.say("close %s", p.path)
	x.same(p.mnt.Close(), p.sh.Close())
	x.open = slices.DeleteFunc(x.open, func(o *pair) bool { return o == p })
	for _, o := range x.open {
		if o.path == p.path && p.path != "" {
			o.unsure, o.everSafe = false, true // one close is as good as any
		}
	}
}

func (x *fsx) rename() {
	from, to := x.somePath(), x.somePath()
	x.say("rename %s %s", from, to)
	if !x.same(os.Rename(x.m(from), x.m(to)), os.Rename(x.s(from), x.s(to))) || from == to {
		return
	}
	for _, p := range x.open {
		switch rest, below := strings.CutPrefix(p.path+"/", from+"/"); {
		case p.path == "":
		case below:
			p.path = strings.TrimSuffix(to+"/"+rest, "/")
		case p.path == to:
			p.path = "" // replaced
		}
	}
}

func (x *fsx) remove() {
	path := x.somePath()
	x.say("remove %s", path)
	if x.same(os.Remove(x.m(path)), os.Remove(x.s(path))) {
		for _, p := range x.open {
			if p.path == path {
				p.path = ""
			}
		}
	}
}

// writeFile replaces a file the way editors do.
func (x *fsx) writeFile() {
	path, b := x.somePath(), x.bytes(x.rng.IntN(20<<10))
	x.say("save %s, %d bytes", path, len(b))
	tmpM, tmpS := x.m("new.tmp"), x.s("new.tmp")
	x.same(os.WriteFile(tmpM, b, 0o644), os.WriteFile(tmpS, b, 0o644))
	if x.same(os.Rename(tmpM, x.m(path)), os.Rename(tmpS, x.s(path))) {
		for _, p := range x.open {
			if p.path == path {
				p.path = ""
			}
		}
		return
	}
	x.same(os.Remove(tmpM), os.Remove(tmpS))
}

// compare looks at one path in both.
func (x *fsx) compare(path string) {
	a, errM := os.Lstat(x.m(path))
	b, errS := os.Lstat(x.s(path))
	if !x.same(errM, errS) {
		return
	}
	if a.IsDir() != b.IsDir() {
		x.fail("%s: %v, want %v", path, a.Mode(), b.Mode())
	}
	if b.IsDir() {
		if got, want := names(x, x.m(path)), names(x, x.s(path)); got != want {
			x.fail("%s holds %s, want %s", path, got, want)
		}
		return
	}
	if a.Size() != b.Size() {
		x.fail("%s: %d bytes, want %d", path, a.Size(), b.Size())
	}
	got, errM := os.ReadFile(x.m(path))
	want, errS := os.ReadFile(x.s(path))
	if x.same(errM, errS) && !bytes.Equal(got, want) {
		x.fail("%s: content differs from byte %d of %d on", path, differ(got, want), len(want))
	}
	if d := a.ModTime().Sub(b.ModTime().Truncate(time.Second)).Abs(); d > 2*time.Second {
		x.fail("%s: modified %v, want %v", path, a.ModTime(), b.ModTime())
	}
}

func names(x *fsx, dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		x.fail("%v", err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return fmt.Sprint(all)
}

// compareAll looks at everything.
func (x *fsx) compareAll() {
	x.compare(".")
	filepath.WalkDir(x.shadow, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(x.shadow, path); err == nil && rel != "." {
			x.compare(rel)
		}
		return err
	})
}

// restart takes the mount away and brings it back.
func (x *fsx) restart(kill bool) {
	if !kill {
		x.say("remount")
		for len(x.open) > 0 {
			x.close(x.open[0])
		}
		x.unmount()
		x.mount()
		x.compareAll()
		return
	}
	x.say("kill -9")
	x.kills++
	x.kill()
	unsure := map[string]*pair{}
	for _, p := range x.open {
		p.mnt.Close()
		p.sh.Close()
		if p.path != "" && p.unsure {
			unsure[p.path] = p
		}
	}
	x.open = nil
	x.mount()
	for path, p := range unsure {
		b, err := os.ReadFile(x.m(path))
		switch {
		case errors.Is(err, fs.ErrNotExist) && !p.everSafe:
			os.Remove(x.s(path))
		case err != nil:
			x.fail("after the crash: %v", err)
		default:
			os.WriteFile(x.s(path), b, 0o644)
			fi, err := os.Stat(x.m(path))
			if err != nil {
				x.fail("%v", err)
			}
			os.Chtimes(x.s(path), fi.ModTime(), fi.ModTime())
		}
	}
	x.compareAll()
}

// TestFsx does JOTTA_FSX operations, 1500 by default, of the order that JOTTA_SEED
// gives.
func TestFsx(t *testing.T) {
	runFsx(t, number("JOTTA_FSX", 1500), uint64(number("JOTTA_SEED", 1)))
}

// TestFsxOneProcessor does less, with nothing at the same time.
func TestFsxOneProcessor(t *testing.T) {
	t.Setenv("GOMAXPROCS", "1")
	runFsx(t, 300, 7)
}

func runFsx(t *testing.T, operations int, seed uint64) {
	w := newWorld(t, "--write-back", "100ms", "--fsync", "local")
	x := &fsx{world: w, rng: rand.New(rand.NewPCG(seed, 0)), shadow: filepath.Join(w.dir, "shadow")}
	if err := os.Mkdir(x.shadow, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d", seed)
	for x.done < operations {
		x.step()
		if x.rng.IntN(150) == 0 {
			x.restart(x.rng.IntN(3) > 0)
		}
	}
	x.restart(false)
	t.Logf("%d operations, %d kills", x.done, x.kills)
	// All has been stored: a mount that knows nothing of this one sees the same.
	x.unmount()
	for _, dir := range []string{"state", "cache"} {
		if err := os.RemoveAll(filepath.Join(w.dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	x.mount()
	x.compareAll()
}
